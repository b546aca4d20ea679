"""Pages of runs and tasks: newest first, filtered, and unmoved by what is inserted meanwhile."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from taskfactory.definitions import DedupeKey, PlannedTask, RunInput
from taskfactory.registry import QueueCheck, RunEnd, RunFilter, RunPlace, RunReader, RunStore, TaskFilter, TaskPlace
from tests.registry.samples import one_task, owner, planned_task, run_input


def planned(store: RunStore, activity_id: str, name: str, *event_ids: str, **fields: Any) -> list[RunInput]:
    runs = [run_input(event_id, activity_id=activity_id, name=name, **fields) for event_id in event_ids]
    for run in runs:
        store.plan([run], owner(), one_task)
    return runs


def leafed(
    reader: RunReader, only: RunFilter, between: Callable[[], object] = lambda: None, limit: int = 2
) -> list[str]:
    """Every page, one after the other, with something done between two."""
    found: list[str] = []
    after = None
    while page := reader.runs(only, after=after, limit=limit):
        found += [run.run_id for run in page]
        after = RunPlace(page[-1].started_at, page[-1].run_id)
        between()
    return found


def test_pages_hold_every_run_once_although_runs_start_between_them(
    store: RunStore, reader: RunReader, activity_id: str
) -> None:
    name = f"paged-{uuid4()}"
    runs = planned(store, activity_id, name, *(f"e-{number}" for number in range(7)))
    later = iter(range(100))
    found = leafed(
        reader, RunFilter(definition=name), lambda: planned(store, activity_id, name, f"later-{next(later)}")
    )
    assert found == [run.run_id for run in reversed(runs)]


def test_pages_hold_every_run_once_although_all_started_at_the_same_instant(
    store: RunStore, reader: RunReader, activity_id: str
) -> None:
    name = f"paged-{uuid4()}"
    runs = [run_input(f"e-{number}", activity_id=activity_id, name=name) for number in range(5)]
    store.plan(runs, owner(), one_task)
    assert leafed(reader, RunFilter(definition=name)) == sorted((run.run_id for run in runs), reverse=True)


def test_runs_are_found_by_their_event_their_key_and_their_time(
    store: RunStore, reader: RunReader, activity_id: str
) -> None:
    name = f"paged-{uuid4()}"
    mine, other = f"event-{uuid4()}", f"event-{uuid4()}"
    [first] = planned(store, activity_id, name, mine)
    [second] = planned(store, activity_id, name, other, key=DedupeKey("subject", ("order 7", 3)))
    store.finish([], [RunEnd(run_id=second.run_id, status="cancelled")])

    def found(**given: Any) -> list[str]:
        return [run.run_id for run in reader.runs(RunFilter(definition=name, **given), limit=50)]

    assert found() == [second.run_id, first.run_id]
    assert found(event_id=mine) == found(event_id=mine, event_source="/shop") == [first.run_id]
    assert found(event_id=mine, event_source="/elsewhere") == found(event_source="/elsewhere") == []
    assert found(dedupe_key="order 7 3") == found(state="cancelled") == [second.run_id]
    assert found(dedupe_key=f"/shop {mine}") == [first.run_id]
    now = datetime.now(UTC)
    assert found(since=now + timedelta(minutes=1)) == found(until=now - timedelta(minutes=1)) == []
    assert len(found(since=now - timedelta(minutes=5), until=now + timedelta(minutes=5))) == 2


def test_an_event_whose_id_is_longer_than_what_is_shown_is_found_exactly(
    store: RunStore, reader: RunReader, activity_id: str
) -> None:
    name, long = f"paged-{uuid4()}", "x" * 500
    one, two = planned(store, activity_id, name, f"{long}1", f"{long}2")
    by_both = reader.runs(RunFilter(definition=name, event_source="/shop", event_id=f"{long}1"), limit=50)
    assert [run.run_id for run in by_both] == [one.run_id]
    by_text = reader.runs(RunFilter(definition=name, event_id=f"{long}2"), limit=50)
    assert {run.run_id for run in by_text} == {one.run_id, two.run_id}


def test_runs_of_schedules_are_told_from_those_of_events(store: RunStore, reader: RunReader, activity_id: str) -> None:
    name = f"paged-{uuid4()}"
    [by_event] = planned(store, activity_id, name, "e-1")
    by_tick = run_input("tick:2026-01-01T09:00:00Z", activity_id=activity_id, name=name)
    trigger = by_tick.trigger.model_copy(update={"type": "io.taskfactory.schedule.tick"})
    store.plan([by_tick.model_copy(update={"trigger": trigger})], owner(), one_task)
    assert [run.run_id for run in reader.runs(RunFilter(definition=name, kind="cron"), limit=50)] == [by_tick.run_id]
    assert [run.run_id for run in reader.runs(RunFilter(definition=name, kind="event"), limit=50)] == [by_event.run_id]


@pytest.mark.parametrize(
    ("only", "index"),
    [
        ("event_id = 'e'", "event_id"),
        ("dedupe_key = 'k'", "dedupe_key"),
        ("event_type = 'io.taskfactory.schedule.tick'", "started_at_run_id"),
        ("state = 'cancelled'", "started_at_run_id"),
    ],
)
def test_each_filter_has_an_index(engine: Engine, only: str, index: str) -> None:
    query = f"SELECT run_id FROM activity_runs WHERE {only} ORDER BY started_at DESC, run_id DESC LIMIT 50"
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(connection.execute(text(f"EXPLAIN {query}")).scalars())
    assert index in plan
    assert "Seq Scan" not in plan


def test_pages_of_tasks_follow_the_plan_of_each_run_and_hold_every_task_once(
    store: RunStore, reader: RunReader, activity_id: str
) -> None:
    name = f"paged-{uuid4()}"

    def render(run: RunInput) -> list[PlannedTask]:
        return [planned_task(run, index=index) for index in range(3)]

    runs = [run_input(f"e-{number}", activity_id=activity_id, name=name) for number in range(3)]
    for run in runs:
        store.plan([run], owner(), render)
    found: list[tuple[str, int | None]] = []
    after: TaskPlace | None = None
    while page := reader.tasks(TaskFilter(definition=name), after=after, limit=2):
        found += [(task.run_id, task.index) for _, task in page]
        after = page[-1][0]
        planned(store, activity_id, name, f"later-{len(found)}")
    assert found == [(run.run_id, index) for run in reversed(runs) for index in range(3)]


def test_tasks_that_wait_for_a_worker_have_pages_of_their_own(
    store: RunStore, reader: RunReader, activity_id: str
) -> None:
    name, queue = f"paged-{uuid4()}", f"queue-{uuid4()}"
    run = run_input("e-1", activity_id=activity_id, name=name)
    store.plan([run], owner(), lambda run: [planned_task(run, queue=queue)])
    store.mark_queues([QueueCheck(queue, "activity", polled=False)])
    waiting = reader.tasks(TaskFilter(run_id=run.run_id, state="waiting_for_worker"), limit=50)
    assert [task.state for _, task in waiting] == ["waiting_for_worker"]
    assert reader.tasks(TaskFilter(run_id=run.run_id, state="scheduled"), limit=50) == []
