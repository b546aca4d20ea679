"""From events to runs to outcomes to the runs that those started, both ways, within bounds."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from taskfactory.definitions import PlannedTask, RunInput, event_identity, outcome_id, task_id
from taskfactory.envelope import Trigger
from taskfactory.registry import LineageBounds, RunEnd, RunReader, RunStore, TaskEnd
from taskfactory.registry.lineage import Cause, cause_of
from tests.registry.samples import owner, planned_task, run_input


def completed(store: RunStore, activity_id: str, name: str, source: str, event_id: str, **more: Any) -> RunInput:
    """A run of two tasks that completed, started by the event."""
    run = run_input(event_id, activity_id=activity_id, name=name, **{**more, "source": source})
    trigger = Trigger(source=source, id=event_id, type=more.get("type", "order.placed"), topic="events")
    run = run.model_copy(update={"trigger": trigger})

    def render(run: RunInput) -> list[PlannedTask]:
        return [planned_task(run, "first"), planned_task(run, "second")]

    store.plan([run], owner(), render)
    ends = [TaskEnd(run_id=run.run_id, task_id=task.task_id, status="completed") for task in render(run)]
    store.finish(ends, [RunEnd(run_id=run.run_id)])
    return run


def reaction(store: RunStore, activity_id: str, name: str, to: RunInput, task: str | None = "first") -> RunInput:
    """A run that an outcome of another started: of one of its tasks, or of itself."""
    ended = to.run_id if task is None else task_id(to.run_id, task)
    kind = "run" if task is None else "task"
    source = f"/taskfactory/{to.activity_name}"
    return completed(
        store,
        activity_id,
        name,
        source,
        outcome_id(ended, "completed"),
        type=f"io.taskfactory.{kind}.completed",
        chain=to.activity_name,
    )


def test_a_lineage_reaches_over_outcomes_both_ways(store: RunStore, reader: RunReader, activity_id: str) -> None:
    first = completed(store, activity_id, "first", "/shop", f"e-{uuid4()}")
    second = reaction(store, activity_id, "second", first)
    third = reaction(store, activity_id, "third", second, task=None)
    elsewhere = reaction(store, activity_id, "elsewhere", first, task="second")

    found = reader.lineage_of_run(second.run_id)
    assert found is not None
    assert [(run.run_id, run.distance) for run in found.runs] == [
        (first.run_id, -1),
        (second.run_id, 0),
        (third.run_id, 1),
    ]
    assert (found.complete, found.gone) == (True, [])
    middle = found.runs[1]
    assert middle.caused_by == Cause(
        outcome_id=outcome_id(task_id(first.run_id, "first"), "completed"),
        run_id=first.run_id,
        task_id=task_id(first.run_id, "first"),
    )
    assert middle.chain == ["first"]
    assert middle.outcome is not None
    assert found.runs[2].event.id == middle.outcome.id
    assert [task.outcome.id for task in middle.tasks if task.outcome] == [
        outcome_id(task_id(second.run_id, name), "completed") for name in ("first", "second")
    ]

    of_event = reader.lineage_of_event(first.trigger.source, first.trigger.id)
    assert {run.run_id: run.distance for run in of_event.runs} == {
        first.run_id: 0,
        second.run_id: 1,
        elsewhere.run_id: 1,
        third.run_id: 2,
    }
    assert of_event.runs[0].caused_by is None


def test_a_lineage_beyond_its_bounds_says_that_it_is_not_complete(
    store: RunStore, reader: RunReader, activity_id: str
) -> None:
    runs = [completed(store, activity_id, "n0", "/shop", f"e-{uuid4()}")]
    for number in range(1, 5):
        runs.append(reaction(store, activity_id, f"n{number}", runs[-1]))
    middle = runs[2].run_id

    def within(**bounds: int) -> tuple[list[str], bool]:
        found = reader.lineage_of_run(middle, LineageBounds(**bounds))
        assert found is not None
        return [run.activity_name for run in found.runs], found.complete

    assert within() == (["n0", "n1", "n2", "n3", "n4"], True)
    assert within(depth=2) == (["n0", "n1", "n2", "n3", "n4"], True)
    assert within(depth=1) == (["n1", "n2", "n3"], False)
    assert within(runs=4) == (["n0", "n1", "n2", "n3"], False)
    assert within(runs=1) == (["n2"], False)
    assert within(tasks=1)[1] is False


def test_a_run_that_led_here_and_is_gone_is_named(
    store: RunStore, reader: RunReader, activity_id: str, engine: Engine
) -> None:
    first = completed(store, activity_id, "first", "/shop", f"e-{uuid4()}")
    second = reaction(store, activity_id, "second", first)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM activity_runs WHERE run_id = :run_id"), {"run_id": first.run_id})
    found = reader.lineage_of_run(second.run_id)
    assert found is not None
    assert ([run.run_id for run in found.runs], found.gone) == ([second.run_id], [first.run_id])


def test_an_event_that_claims_to_be_an_outcome_of_its_own_run_ends_the_search(
    store: RunStore, reader: RunReader, activity_id: str, engine: Engine
) -> None:
    run = completed(store, activity_id, "ring", "/shop", f"e-{uuid4()}")
    other = reaction(store, activity_id, "ring-2", run, task=None)
    forged = Trigger(
        source="/taskfactory/ring-2", id=outcome_id(other.run_id, "completed"), type="io.taskfactory.run.completed"
    )
    with engine.begin() as connection:
        connection.execute(
            text("""UPDATE activity_runs SET trigger = CAST(:trigger AS json), event_digest = :digest
                    WHERE run_id = :run_id"""),
            {"trigger": forged.model_dump_json(), "digest": digest(forged), "run_id": run.run_id},
        )
    found = reader.lineage_of_run(run.run_id)
    assert found is not None
    assert sorted(run.activity_name for run in found.runs) == ["ring", "ring-2"]
    assert found.complete


def digest(trigger: Trigger) -> bytes:
    return event_identity({"source": trigger.source, "id": trigger.id}).digest


def test_a_definition_that_publishes_no_ends_of_tasks_has_outcomes_of_runs_only(
    store: RunStore, reader: RunReader, activity_id: str, engine: Engine
) -> None:
    run = completed(store, activity_id, "quiet", "/shop", f"e-{uuid4()}")
    with engine.begin() as connection:
        connection.execute(
            text('UPDATE activity_runs SET outcomes = \'{"topic": "mine", "of": ["run"]}\' WHERE run_id = :run_id'),
            {"run_id": run.run_id},
        )
    found = reader.lineage_of_run(run.run_id)
    assert found is not None
    assert [task.outcome for task in found.runs[0].tasks] == [None, None]
    assert found.runs[0].outcome is not None
    assert found.runs[0].outcome.topic == "mine"


def test_what_is_not_there_has_no_lineage(reader: RunReader) -> None:
    assert reader.lineage_of_run("activity-never") is None
    assert reader.lineage_of_event("/shop", f"never-{uuid4()}").runs == []


def test_a_running_run_has_no_outcome_yet(store: RunStore, reader: RunReader, activity_id: str) -> None:
    run = run_input(f"e-{uuid4()}", activity_id=activity_id)
    store.plan([run], owner(), lambda run: [planned_task(run)])
    found = reader.lineage_of_run(run.run_id)
    assert found is not None
    assert (found.runs[0].outcome, found.runs[0].tasks[0].outcome) == (None, None)


SEGMENT = st.text("abcxyz019-", min_size=1, max_size=20)


@given(run=SEGMENT, task=SEGMENT, index=st.none() | st.integers(0, 9), status=st.sampled_from(["completed", "failed"]))
def test_the_cause_of_an_event_is_read_from_the_id_that_its_outcome_was_given(
    run: str, task: str, index: int | None, status: str
) -> None:
    ended = task_id(run, task, index)
    of_task = Trigger(source="/taskfactory/n", id=outcome_id(ended, status), type=f"io.taskfactory.task.{status}")
    assert cause_of(of_task) == Cause(outcome_id=of_task.id, run_id=run, task_id=ended)
    of_run = Trigger(source="/taskfactory/n", id=outcome_id(run, status), type=f"io.taskfactory.run.{status}")
    assert cause_of(of_run) == Cause(outcome_id=of_run.id, run_id=run, task_id=None)


@pytest.mark.parametrize(
    ("source", "event_id", "kind"),
    [
        ("/shop", "activity-1/completed", "io.taskfactory.run.completed"),
        ("/taskfactory/n", "activity-1/completed", "order.placed"),
        ("/taskfactory/n", "activity-1/failed", "io.taskfactory.run.completed"),
        ("/taskfactory/n", "activity-1/completed", "io.taskfactory.task.completed"),
        ("/taskfactory/n", "activity-1/task/completed", "io.taskfactory.run.completed"),
        ("/taskfactory/n", "completed", "io.taskfactory.run.completed"),
        ("/taskfactory/schedules/n", "tick:2026-01-01T00:00:00Z", "io.taskfactory.schedule.tick"),
    ],
)
def test_an_event_that_only_looks_like_an_outcome_has_no_cause(source: str, event_id: str, kind: str) -> None:
    assert cause_of(Trigger(source=source, id=event_id, type=kind)) is None
