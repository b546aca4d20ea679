"""The reconciler's rules: which execution's end means what for its run."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus as Status

from taskfactory.definitions import RunInput
from taskfactory.envelope import Trigger
from taskfactory.intake.visibility import details_of, search_attributes, summary_of
from taskfactory.orchestrator.publisher import OutcomePublisher
from taskfactory.orchestrator.reconciler import CURSOR, FIRST_LOOK_BACK, OVERLAP, PAGE, Reconciler
from taskfactory.orchestrator.settings import OrchestratorSettings
from tests.orchestrator.fakes import FakeExecution, FakeProducer, FakeRunStore, FakeTemporal, Row, open_task
from tests.orchestrator.samples import ended_task

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
QUEUE = "orchestrator"


def run_input(run_id: str = "run") -> RunInput:
    return RunInput(
        run_id=run_id,
        activity_id="a",
        activity_name="note-it",
        version=1,
        dedupe_strategy="event_id",
        dedupe_parts=["1"],
        trigger=Trigger(source="/tests", id="1", type="test"),
        event={"id": "1"},
    )


class Scene:
    """A reconciler between fakes. Its watermark is at noon of the first of January."""

    def __init__(self) -> None:
        self.store = FakeRunStore()
        self.store.marks[CURSOR] = NOON
        self.producer = FakeProducer()
        self.temporal = FakeTemporal()
        self.restart()

    def restart(self) -> None:
        """Another process leads from now on."""
        settings = OrchestratorSettings(orchestrator_queue=QUEUE, outcomes_topic="outcomes", reconcile_grace=60)
        publisher = OutcomePublisher(lambda: self.producer, settings)
        self._reconciler = Reconciler(self.store, publisher, self.temporal.client, settings)

    async def reconcile(self) -> None:
        await self._reconciler.reconcile()

    def closed(self, run_id: str, status: Status, at: datetime = NOON, **more: Any) -> FakeExecution:
        execution = FakeExecution(run_id, status, at, input=run_input(run_id), **more)
        self.temporal.has(execution)
        return execution

    def state(self, run_id: str = "run") -> str | None:
        return self.store.rows[run_id].state if run_id in self.store.rows else None


@pytest.fixture
def scene() -> Scene:
    return Scene()


BADLY = [Status.TERMINATED, Status.TIMED_OUT, Status.FAILED]

# --- ends before anything was claimed -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", BADLY)
async def test_an_execution_that_ended_badly_before_its_claim_is_started_again_as_it_was(
    scene: Scene, status: Status
) -> None:
    scene.closed("run", status)
    await scene.reconcile()
    await scene.reconcile()
    assert scene.temporal.started == [(run_input(), QUEUE)]
    again = scene.temporal.executions["run"]
    assert again.typed_search_attributes == search_attributes(run_input())
    assert again.metadata == (summary_of(run_input()), details_of(run_input()))
    assert scene.state() is None
    assert scene.producer.ids == []


async def test_a_start_that_came_first_is_left_alone(scene: Scene) -> None:
    scene.closed("run", Status.TERMINATED)
    scene.temporal.refuses_starts = True
    await scene.reconcile()
    assert scene.temporal.started == []
    assert scene.store.marks[CURSOR] == NOON


async def test_a_run_cancelled_before_its_claim_is_recorded_without_doing_anything(scene: Scene) -> None:
    scene.closed("run", Status.CANCELED)
    await scene.reconcile()
    assert scene.state() == "cancelled"
    assert scene.store.rows["run"].error.type == "Cancelled"
    assert scene.store.rendered == []
    assert scene.temporal.started == []
    assert scene.producer.ids == ["run/cancelled"]


async def test_a_duplicate_that_was_cancelled_leaves_no_trace(scene: Scene) -> None:
    scene.closed("run", Status.CANCELED)
    scene.store.duplicates.add("run")
    await scene.reconcile()
    assert scene.state() is None
    assert scene.producer.ids == []


# --- ends after the claim -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (Status.TERMINATED, "its execution was terminated before the run had ended: by an operator"),
        (Status.FAILED, "its execution failed before the run had ended: by an operator"),
        (Status.TIMED_OUT, "its execution timed out before the run had ended"),
    ],
)
async def test_a_claimed_run_fails_with_the_reason_and_is_published(scene: Scene, status: Status, said: str) -> None:
    scene.store.rows["run"] = Row(open_tasks=[open_task("run", "note")])
    scene.closed("run", status, reason="by an operator")
    await scene.reconcile()
    assert scene.state() == "failed"
    assert (scene.store.rows["run"].error.type, scene.store.rows["run"].error.message) == ("ExecutionLost", said)
    assert scene.producer.ids == ["run/note/failed", "run/failed"]
    assert scene.temporal.started == []
    assert scene.store.begun == []


async def test_children_that_were_open_are_cancelled_and_those_that_had_ended_are_not(scene: Scene) -> None:
    scene.store.rows["run"] = Row(
        tasks=[open_task("run", "ended", type="workflow", status="completed", position=0)],
        open_tasks=[
            open_task("run", "child", type="workflow", position=1),
            open_task("run", "never-started", type="workflow", position=2),
            open_task("run", "activity", position=3),
        ],
    )
    scene.closed("run", Status.TERMINATED)
    scene.temporal.has(FakeExecution("run/child", Status.RUNNING))
    scene.temporal.has(FakeExecution("run/ended", Status.COMPLETED))
    await scene.reconcile()
    assert scene.temporal.cancelled == ["run/child"]
    assert scene.store.begun == []


async def test_a_run_that_carried_out_its_own_cancellation_is_left_alone(scene: Scene) -> None:
    scene.store.rows["run"] = Row(state="cancelled")
    scene.closed("run", Status.CANCELED)
    await scene.reconcile()
    assert scene.producer.ids == []


async def test_a_cancelled_execution_whose_run_is_open_is_recorded_as_cancelled(scene: Scene) -> None:
    scene.store.rows["run"] = Row(open_tasks=[open_task("run", "note")])
    scene.closed("run", Status.CANCELED)
    await scene.reconcile()
    assert scene.producer.ids == ["run/note/cancelled", "run/cancelled"]


async def test_an_end_that_was_written_by_a_lost_execution_is_published_again_as_it_was_written(scene: Scene) -> None:
    scene.store.rows["run"] = Row(state="completed")
    scene.closed("run", Status.TERMINATED)
    await scene.reconcile()
    assert scene.state() == "completed"
    assert scene.producer.ids == ["run/completed"]


async def test_a_run_that_was_reset_goes_on_although_the_reset_terminated_its_earlier_execution(scene: Scene) -> None:
    scene.store.rows["run"] = Row()
    scene.temporal.earlier.append(FakeExecution("run", Status.TERMINATED, NOON))
    scene.temporal.has(FakeExecution("run", Status.RUNNING, run_id="execution-2"))
    await scene.reconcile()
    assert "run" in scene.temporal.described
    assert scene.state() == "running"
    assert scene.producer.ids == []


async def test_a_run_whose_later_execution_completed_without_a_claim_was_a_duplicate(scene: Scene) -> None:
    scene.temporal.earlier.append(FakeExecution("run", Status.TERMINATED, NOON, input=run_input()))
    scene.temporal.has(FakeExecution("run", Status.COMPLETED, NOON, run_id="execution-2", input=run_input()))
    await scene.reconcile()
    assert scene.temporal.started == []


# --- what only the registry knows ------------------------------------------------------------------------------------


async def test_an_open_run_whose_execution_vanished_fails(scene: Scene) -> None:
    scene.store.rows["run"] = Row()
    await scene.reconcile()
    assert scene.state() == "failed"
    assert scene.store.rows["run"].error.message == "its execution vanished from Temporal"
    assert scene.producer.ids == ["run/failed"]


async def test_an_execution_that_completed_without_ending_its_run_is_settled(scene: Scene) -> None:
    scene.store.rows["run"] = Row()
    scene.closed("run", Status.COMPLETED)
    await scene.reconcile()
    assert scene.state() == "failed"
    assert scene.producer.ids == ["run/failed"]


async def test_a_run_that_has_just_begun_is_not_looked_up(scene: Scene) -> None:
    scene.store.rows["run"] = Row(started_at=datetime.now(UTC) - timedelta(seconds=30))
    await scene.reconcile()
    assert scene.temporal.described == []
    assert scene.state() == "running"


async def test_open_runs_are_looked_up_a_page_at_a_time_and_then_from_the_beginning(scene: Scene) -> None:
    for number in range(PAGE + 1):
        scene.store.rows[f"run-{number:03}"] = Row()
        scene.temporal.has(FakeExecution(f"run-{number:03}", Status.RUNNING))
    await scene.reconcile()
    assert len(scene.temporal.described) == PAGE
    await scene.reconcile()
    assert scene.temporal.described[PAGE:] == [f"run-{PAGE:03}"]
    await scene.reconcile()
    assert scene.temporal.described[PAGE + 1] == "run-000"


# --- from pass to pass ------------------------------------------------------------------------------------------------


async def test_one_run_that_can_not_be_settled_holds_up_no_other_and_is_tried_again(scene: Scene) -> None:
    for number in range(3):
        scene.closed(f"run-{number}", Status.TERMINATED, NOON + timedelta(minutes=number))
    scene.temporal.unanswered.add("run-1")
    await scene.reconcile()
    assert {run.run_id for run, _ in scene.temporal.started} == {"run-0", "run-2"}
    assert scene.store.marks[CURSOR] == NOON + timedelta(minutes=1), "not beyond what is still to be done"
    scene.temporal.unanswered.clear()
    await scene.reconcile()
    assert {run.run_id for run, _ in scene.temporal.started} == {"run-0", "run-1", "run-2"}


async def test_a_foreign_execution_with_another_input_holds_up_no_run(scene: Scene) -> None:
    scene.closed("foreign", Status.TERMINATED).input = {"oops": 1}
    scene.closed("run", Status.TERMINATED)
    await scene.reconcile()
    assert [run.run_id for run, _ in scene.temporal.started] == ["run"]


async def test_the_watermark_is_temporals_close_time(scene: Scene) -> None:
    later = NOON + timedelta(hours=3)
    scene.closed("other", Status.TERMINATED, NOON + timedelta(hours=1))
    scene.closed("run", Status.TERMINATED, later)
    await scene.reconcile()
    assert scene.store.marks[CURSOR] == later


async def test_without_a_bad_end_the_watermark_stays(scene: Scene) -> None:
    await scene.reconcile()
    assert scene.store.marks[CURSOR] == NOON


async def test_what_visibility_shows_late_is_found_by_looking_back(scene: Scene) -> None:
    late = scene.closed("late", Status.TERMINATED, NOON - OVERLAP + timedelta(minutes=1), visible=False)
    scene.closed("run", Status.TERMINATED, NOON)
    await scene.reconcile()
    late.visible = True
    await scene.reconcile()
    assert [run.run_id for run, _ in scene.temporal.started] == ["run", "late"]
    assert scene.store.marks[CURSOR] <= NOON


async def test_the_first_look_goes_far_back(scene: Scene) -> None:
    del scene.store.marks[CURSOR]
    now = datetime.now(UTC)
    scene.closed("ancient", Status.TERMINATED, now - FIRST_LOOK_BACK - OVERLAP - timedelta(minutes=1))
    scene.closed("old", Status.TERMINATED, now - FIRST_LOOK_BACK)
    await scene.reconcile()
    assert [run.run_id for run, _ in scene.temporal.started] == ["old"]


async def test_what_was_settled_is_not_settled_in_every_pass(scene: Scene) -> None:
    scene.store.rows["run"] = Row(state="completed")
    scene.closed("run", Status.TERMINATED)
    for _ in range(3):
        await scene.reconcile()
    assert scene.producer.ids == ["run/completed"]


async def test_outcomes_that_kafka_did_not_take_are_published_though_temporal_has_forgotten_the_run(
    scene: Scene,
) -> None:
    scene.store.rows["run"] = Row(tasks=[ended_task().model_copy(update={"run_id": "run", "task_id": "run/note"})])
    scene.closed("run", Status.TERMINATED)
    scene.producer.refuse(lambda _topic, _envelope: "_MSG_TIMED_OUT")
    await scene.reconcile()
    assert scene.state() == "failed"
    assert scene.store.begun == ["run"]

    del scene.temporal.executions["run"]
    scene.restart()
    scene.producer.accept()
    await scene.reconcile()
    assert scene.producer.ids == ["run/note/completed", "run/failed"]
    assert scene.store.begun == []


async def test_an_orderly_end_whose_settling_was_begun_is_published_before_it_is_forgotten(scene: Scene) -> None:
    scene.store.rows["run"] = Row()
    scene.closed("run", Status.CANCELED)
    scene.producer.refuse(lambda _topic, _envelope: "_MSG_TIMED_OUT")
    await scene.reconcile()
    assert (scene.state(), scene.store.begun) == ("cancelled", ["run"])

    scene.restart()
    scene.producer.accept()
    await scene.reconcile()
    assert scene.producer.ids == ["run/cancelled"]
    assert scene.store.begun == []


async def test_a_child_that_could_not_be_cancelled_is_cancelled_in_the_next_pass(scene: Scene) -> None:
    scene.store.rows["run"] = Row(open_tasks=[open_task("run", "child", type="workflow")])
    scene.closed("run", Status.TERMINATED)
    scene.temporal.has(FakeExecution("run/child", Status.RUNNING))
    scene.temporal.unanswered.add("run/child")
    await scene.reconcile()
    assert scene.store.begun == ["run"]
    scene.temporal.unanswered.clear()
    await scene.reconcile()
    assert set(scene.temporal.cancelled) == {"run/child"}
    assert scene.store.begun == []
