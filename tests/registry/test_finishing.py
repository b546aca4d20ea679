"""Ends of tasks and runs: the first terminal state wins, and what comes back is what is stored."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskfactory.definitions import RunInput
from taskfactory.envelope import Failure
from taskfactory.registry import Finished, OpenTasks, RunEnd, RunStore, TaskEnd, UnknownIds
from tests.registry.samples import owner, planned_task, run_input

Sql = Callable[..., list[Any]]
BROKEN = Failure(type="boom", message="it broke")


def running(store: RunStore, activity_id: str, tasks: int = 2, event_id: str = "e-1", **fields: Any) -> RunInput:
    run = run_input(event_id, activity_id=activity_id)
    store.plan([run], owner(), lambda run: [planned_task(run, index=i, **fields) for i in range(tasks)])
    return run


def end(run: RunInput, index: int, status: Any = "completed", **fields: Any) -> TaskEnd:
    return TaskEnd(run_id=run.run_id, task_id=planned_task(run, index=index).task_id, status=status, **fields)


def test_a_run_whose_tasks_completed_is_completed(store: RunStore, activity_id: str) -> None:
    run = running(store, activity_id)
    finished = store.finish([end(run, 1, result={"n": 1}), end(run, 0, attempts=3)], [RunEnd(run_id=run.run_id)])
    assert [(task.index, task.status, task.attempts, task.result) for task in finished.tasks] == [
        (0, "completed", 3, None),
        (1, "completed", None, {"n": 1}),
    ]
    (ended,) = finished.runs
    assert (ended.status, ended.error, ended.task_counts) == ("completed", None, {"completed": 2})
    assert ended.started_at <= ended.ended_at


@pytest.mark.parametrize("status", ["failed", "expired", "cancelled"])
def test_a_run_with_a_task_that_did_not_complete_fails_and_names_it(
    store: RunStore, activity_id: str, status: str
) -> None:
    run = running(store, activity_id, tasks=3)
    ends = [end(run, 0), end(run, 1, status, error=BROKEN), end(run, 2, "failed")]
    (ended,) = store.finish(ends, [RunEnd(run_id=run.run_id)]).runs
    assert ended.status == "failed"
    assert ended.error == Failure(type=f"task_{status}", message=f"task reserve/1 {status}: it broke")


def test_a_run_of_skipped_tasks_or_of_none_is_skipped(store: RunStore, activity_id: str) -> None:
    runs = [running(store, activity_id, skipped=True), running(store, activity_id, tasks=0, event_id="e-2")]
    finished = store.finish([], [RunEnd(run_id=run.run_id) for run in runs])
    by_id = {run.run_id: run for run in finished.runs}
    assert [(by_id[run.run_id].status, by_id[run.run_id].task_counts) for run in runs] == [
        ("skipped", {"skipped": 2}),
        ("skipped", {}),
    ]
    assert finished.tasks == [], "a skipped task has no outcome"


def test_the_first_terminal_state_wins_and_is_what_comes_back(store: RunStore, activity_id: str) -> None:
    run = running(store, activity_id, tasks=1)
    store.finish([end(run, 0, result="first")], [RunEnd(run_id=run.run_id)])
    late = store.finish([end(run, 0, "failed", error=BROKEN)], [RunEnd(run_id=run.run_id, status="cancelled")])
    assert [(task.status, task.result, task.error) for task in late.tasks] == [("completed", "first", None)]
    assert [run.status for run in late.runs] == ["completed"]


def test_ending_again_returns_the_same(store: RunStore, activity_id: str) -> None:
    run = running(store, activity_id)
    ends, run_ends = [end(run, 0), end(run, 1, "failed", error=BROKEN)], [RunEnd(run_id=run.run_id)]
    assert store.finish(ends, run_ends) == store.finish(ends, run_ends)


def test_everything_that_an_outcome_needs_comes_back(store: RunStore, activity_id: str) -> None:
    attributes: dict[str, Any] = {
        "correlationid": "c-1",
        "traceparent": "00-1",
        "hops": 2,
        "partitionkey": "p",
        "data": {"x": 1},
    }
    run = run_input("e-1", activity_id=activity_id, **attributes).model_copy(update={"key": "a2V5"})
    store.plan([run], owner(), lambda run: [planned_task(run, index=0)])
    context = store.finish([end(run, 0)]).contexts[run.run_id]
    assert context.trigger == run.trigger
    assert (context.activity.id, context.activity.name, context.activity.version) == (activity_id, run.activity_name, 1)
    given = context.event_attributes
    assert (given.correlationid, given.traceparent, given.hops, given.partitionkey, given.key) == (
        "c-1",
        "00-1",
        2,
        "p",
        "a2V5",
    )
    assert (context.outcomes.topic, context.outcomes.of) == (None, ("task", "run"))


def test_a_run_does_not_end_by_its_tasks_while_some_are_open(store: RunStore, activity_id: str) -> None:
    run = running(store, activity_id)
    with pytest.raises(OpenTasks, match="1 open tasks") as caught:
        store.finish([end(run, 0)], [RunEnd(run_id=run.run_id)])
    assert (caught.value.run_id, caught.value.count) == (run.run_id, 1)
    assert store.ended([run.run_id]) == Finished(contexts=store.ended([run.run_id]).contexts), "nothing was written"


def test_a_cancelled_run_closes_its_open_tasks_and_returns_all_that_ended(store: RunStore, activity_id: str) -> None:
    run = running(store, activity_id, tasks=3)
    store.finish([end(run, 1)])
    why = Failure(type="cancelled", message="asked for")
    finished = store.finish([], [RunEnd(run_id=run.run_id, status="cancelled", error=why)])
    assert [(task.status, task.error) for task in finished.tasks] == [
        ("cancelled", why),
        ("completed", None),
        ("cancelled", why),
    ]
    (ended,) = finished.runs
    assert (ended.status, ended.error, ended.task_counts) == ("cancelled", why, {"completed": 1, "cancelled": 2})
    assert store.ended([run.run_id]) == finished


@pytest.mark.parametrize(("status", "how"), [("cancelled", "was cancelled"), ("failed", "failed")])
def test_tasks_that_a_run_closes_without_giving_a_reason_name_its_end(
    store: RunStore, activity_id: str, status: Any, how: str
) -> None:
    run = running(store, activity_id, tasks=2)
    store.finish([end(run, 0, "failed", error=BROKEN)])
    finished = store.finish([], [RunEnd(run_id=run.run_id, status=status)])
    assert [(task.status, task.error) for task in finished.tasks] == [
        ("failed", BROKEN),
        (status, Failure(type=f"run_{status}", message=f"the run {how} before this task had ended")),
    ]


def test_unknown_ids_are_errors_and_nothing_is_written(store: RunStore, activity_id: str) -> None:
    run = running(store, activity_id, tasks=1)
    with pytest.raises(UnknownIds, match=r"1 task ids have no row: .*/reserve/9"):
        store.finish([end(run, 0), end(run, 9)])
    with pytest.raises(UnknownIds, match="1 run ids have no row: activity-gone"):
        store.finish([end(run, 0)], [RunEnd(run_id="activity-gone", status="failed")])
    assert store.ended([run.run_id]).tasks == []


def test_ending_nothing_is_nothing(store: RunStore) -> None:
    assert store.finish([], []) == Finished()


def test_writers_in_opposite_order_both_come_through(store: RunStore, activity_id: str) -> None:
    for attempt in range(3):
        runs = [running(store, activity_id, event_id=f"e-{attempt}-{number}") for number in range(20)]
        ends = [end(run, index) for run in runs for index in (0, 1)]
        run_ends = [RunEnd(run_id=run.run_id) for run in runs]
        together = threading.Barrier(2)

        def write(in_order: tuple[list[TaskEnd], list[RunEnd]], together: threading.Barrier = together) -> Finished:
            together.wait()
            return store.finish(*in_order)

        with ThreadPoolExecutor(2) as threads:
            first, second = threads.map(write, [(ends, run_ends), (ends[::-1], run_ends[::-1])])
        assert first == second
        assert len(first.runs) == 20


TASKS = 3
Steps = list[tuple[list[tuple[int, str]], str | None]]
steps = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.integers(0, TASKS - 1), st.sampled_from(["completed", "failed", "expired", "cancelled"]))
        ),
        st.sampled_from([None, "derived", "failed", "cancelled"]),
    ),
    min_size=1,
    max_size=6,
)


@given(steps=steps)
@settings(max_examples=40, deadline=None)
def test_any_order_and_repetition_of_ends_gives_one_terminal_state(store: RunStore, steps: Steps) -> None:
    run = running(store, str(uuid4()), tasks=TASKS)
    expected: dict[int, str] = {}
    run_state: str | None = None
    for ends, run_end in steps:
        after = dict(expected)
        for index, status in ends:
            after.setdefault(index, status)
        task_ends = [end(run, index, status) for index, status in ends]
        run_ends = [RunEnd.model_validate({"run_id": run.run_id, "status": None if run_end == "derived" else run_end})]
        if run_end == "derived" and len(after) < TASKS:
            with pytest.raises(OpenTasks):
                store.finish(task_ends, run_ends)
            continue
        finished = store.finish(task_ends, run_ends if run_end else [])
        expected = after
        if run_end:
            expected = {index: expected.get(index, run_end) for index in range(TASKS)}
            derived = "completed" if set(expected.values()) == {"completed"} else "failed"
            run_state = run_state or (derived if run_end == "derived" else run_end)
            assert [ended.status for ended in finished.runs] == [run_state]
        assert {task.index: task.status for task in finished.tasks}.items() <= expected.items()
    stored = store.ended([run.run_id])
    assert {task.index: task.status for task in stored.tasks} == expected
    assert [ended.status for ended in stored.runs] == ([run_state] if run_state else [])
