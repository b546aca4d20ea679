"""The workflow on a real Temporal: a cancelled run's observed child, an odd answer, a defect of ours."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from taskfactory.definitions import RUN_WORKFLOW, OpenChild, RunInput, RunProgress
from taskfactory.envelope import Trigger
from taskfactory.orchestrator import workflow as run_workflow
from taskfactory.orchestrator.activities import RunActivities
from taskfactory.orchestrator.publisher import OutcomePublisher
from taskfactory.orchestrator.settings import OrchestratorSettings
from taskfactory.orchestrator.workflow import RunActivityWorkflow
from taskfactory.registry import DefinitionStore, PlannedRun, RunEnd, TaskEnd
from tests.conftest import RunningStack
from tests.orchestrator.fakes import FakeProducer, FakeRunStore
from tests.orchestrator.test_workflow_on_temporal import HeldChild, Steps

PATIENCE = 30.0


class Scene(Steps):
    """A plan of activities `a`, `odd` and `b`, or a child `held` that an earlier execution of the run has started."""

    def __init__(self, client: Client, run_id: str, queue: str) -> None:
        super().__init__(run_id, queue)
        self.release.set()  # no flush is held back here
        self.client = client
        self.run_id, self.queue = run_id, queue
        self.child_id = f"{run_id}/held"
        self.task_ends: dict[str, TaskEnd] = {}
        self.run_ends: list[RunEnd] = []
        self.observed = asyncio.Event()
        self._real = self._real_activities()

    def _real_activities(self) -> RunActivities:
        settings = OrchestratorSettings()
        nowhere = DefinitionStore(create_engine("postgresql+psycopg://nowhere"))
        return RunActivities(FakeRunStore(), nowhere, OutcomePublisher(FakeProducer, settings), self.client, settings)

    @activity.defn
    def plan(self, _runs: list[RunInput], _owner: str) -> list[PlannedRun]:
        tasks = [self.task(position, name) for position, name in enumerate(["a", "odd", "b"])]
        return [PlannedRun(run_id=self.run_id, state="running", task_count=3, tasks=tasks)]

    @activity.defn
    def act(self, task: dict[str, Any]) -> Any:
        return 17 if task["name"] == "odd" else {"attempts": 1, "result": None}

    @activity.defn
    def finish(self, tasks: list[TaskEnd], runs: list[RunEnd]) -> list[dict[str, Any]]:
        self.task_ends |= {task.task_id.rpartition("/")[2]: task for task in tasks}
        self.run_ends += runs
        return super().finish(tasks, runs)

    @activity.defn
    async def observe_child(self, run_id: str, task_id: str) -> TaskEnd:
        """The real look, but the next one comes only after a minute: nothing is noticed between two looks."""
        try:
            return await self._real.observe_child(run_id, task_id)
        except ApplicationError as error:
            self.observed.set()
            raise ApplicationError(error.message, type=error.type, next_retry_delay=timedelta(minutes=1)) from error

    async def start_child(self) -> WorkflowHandle[Any, Any]:
        return await self.client.start_workflow(
            "held-child", {"task_id": "held"}, id=self.child_id, task_queue=self.queue
        )

    async def start(self, progress: RunProgress | None = None) -> WorkflowHandle[Any, Any]:
        run = RunInput(
            run_id=self.run_id,
            activity_id="a",
            activity_name="troubled",
            version=1,
            dedupe_strategy="event_id",
            dedupe_parts=["1"],
            trigger=Trigger(source="/tests", id="1", type="test"),
            event={"id": "1"},
            progress=progress,
        )
        return await self.client.start_workflow(RUN_WORKFLOW, run, id=self.run_id, task_queue=self.queue)

    async def start_observing(self) -> WorkflowHandle[Any, Any]:
        """A run that continued as new while its child was open, as soon as it has looked at the child."""
        handle = await self.start(
            RunProgress(next_position=None, open_children=[OpenChild(task_id=self.child_id, name="held")])
        )
        await asyncio.wait_for(self.observed.wait(), PATIENCE)
        return handle


@pytest.fixture
async def scene(stack: RunningStack) -> AsyncIterator[Scene]:
    client = await Client.connect(stack.endpoints.temporal_address, data_converter=pydantic_data_converter)
    async with working(Scene(client, stack.name("run"), stack.name("queue"))) as scene:
        yield scene


@asynccontextmanager
async def working(scene: Scene) -> AsyncIterator[Scene]:
    with ThreadPoolExecutor(8) as executor:
        async with Worker(
            scene.client,
            task_queue=scene.queue,
            workflows=[RunActivityWorkflow, HeldChild],
            activities=[scene.plan, scene.finish, scene.observe_child, scene.act],
            activity_executor=executor,
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            yield scene


async def result_of(handle: WorkflowHandle[Any, Any]) -> Any:
    return await asyncio.wait_for(handle.result(), PATIENCE)


async def test_cancelling_a_run_cancels_the_child_that_it_only_observes(scene: Scene) -> None:
    child = await scene.start_child()
    run = await scene.start_observing()
    await run.cancel()
    with pytest.raises(WorkflowFailureError) as failed:
        await result_of(run)
    assert isinstance(failed.value.cause, CancelledError)
    with pytest.raises(WorkflowFailureError):
        await result_of(child)
    assert (await child.describe()).status is WorkflowExecutionStatus.CANCELED
    assert {name: end.status for name, end in scene.task_ends.items()} == {"held": "cancelled"}
    assert [end.status for end in scene.run_ends] == ["cancelled"]


async def test_a_child_that_completed_before_the_runs_cancellation_stays_completed(scene: Scene) -> None:
    child = await scene.start_child()
    run = await scene.start_observing()
    await child.signal("end")
    assert await result_of(child) == {"task": "held"}
    await run.cancel()
    with pytest.raises(WorkflowFailureError):
        await result_of(run)
    assert scene.task_ends["held"].status == "completed"
    assert scene.task_ends["held"].result == {"task": "held"}


async def test_an_activity_whose_answer_is_no_task_result_fails_only_its_task(scene: Scene) -> None:
    run = await scene.start()
    await result_of(run)
    assert {name: end.status for name, end in scene.task_ends.items()} == {
        "a": "completed",
        "odd": "failed",
        "b": "completed",
    }
    error = scene.task_ends["odd"].error
    assert error is not None
    assert error.type == "InvalidResult"
    assert len(scene.run_ends) == 1


async def test_a_defect_fails_the_workflow_task_and_the_run_goes_on_once_it_is_mended(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: Any) -> TaskEnd:
        raise KeyError("a defect of ours")

    with monkeypatch.context() as broken:
        broken.setattr(run_workflow, "end_from_answer", defect)
        run = await scene.start()
        failure = await asyncio.wait_for(_failed_workflow_task(run), PATIENCE)
        assert "a defect of ours" in failure
        assert (await run.describe()).status is WorkflowExecutionStatus.RUNNING
        assert scene.run_ends == []
    await result_of(run)
    assert set(scene.task_ends) == {"a", "odd", "b"}


async def _failed_workflow_task(handle: WorkflowHandle[Any, Any]) -> str:
    """What the first failed workflow task says, as soon as there is one."""
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            return event.workflow_task_failed_event_attributes.failure.message
    raise AssertionError("the run ended without a failed workflow task")
