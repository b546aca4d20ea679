"""Values that PostgreSQL can't hold, or that look as if it couldn't: kept where possible, failing alone where not."""

from collections.abc import Callable
from typing import Any

import pytest

from taskfactory.definitions import PlannedTask, RunInput
from taskfactory.registry import RunEnd, RunStore, TaskEnd
from tests.registry.samples import one_task, owner, planned_task, run_input

Sql = Callable[..., list[Any]]

AWKWARD = {
    "slashes": "a/b//c/../d",
    "nul": "order\x00one",
    "lone surrogate": "order\ud800one",
    "long": "x" * 5_000,
    "percent and colon": "100% :id ::text %(x)s",
}


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_any_event_id_can_be_claimed_once(store: RunStore, activity_id: str, text: str) -> None:
    run, me = run_input(text, activity_id=activity_id), owner()
    first = store.plan([run], me, one_task)
    assert first[0].state == "running"
    assert store.plan([run], me, one_task) == first
    store.finish([], [RunEnd(run_id=run.run_id, status="failed")])
    (late,) = store.plan([run], owner(), one_task)
    assert (late.state, late.duplicate_of) == ("duplicate", run.run_id)


def test_long_keys_that_differ_at_their_end_are_different(store: RunStore, activity_id: str, sql: Sql) -> None:
    runs = [run_input("x" * 5_000 + end, activity_id=activity_id) for end in "ab"]
    assert [run.state for run in store.plan(runs, owner(), one_task)] == ["running", "running"]
    shown = sql(
        "SELECT DISTINCT length(dedupe_key), length(event_id) FROM activity_runs WHERE activity_id = :id",
        id=activity_id,
    )
    assert shown == [(200, 200)]


def test_a_key_is_shown_readably(store: RunStore, activity_id: str, sql: Sql) -> None:
    store.plan([run_input("a\x00b\ud800c", activity_id=activity_id)], owner(), one_task)
    assert sql("SELECT dedupe_key, event_id FROM activity_runs WHERE activity_id = :id", id=activity_id) == [
        ("/shop a\\x00b\\ud800c", "a\\x00b\\ud800c")
    ]


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_params_and_results_come_back_as_they_were(store: RunStore, activity_id: str, text: str) -> None:
    run, me = run_input(activity_id=activity_id), owner()
    for _ in range(2):
        (planned,) = store.plan([run], me, lambda run: [planned_task(run, params={"value": text})])
        assert planned.tasks[0].params == {"value": text}
    end = TaskEnd(run_id=run.run_id, task_id=planned.tasks[0].task_id, status="completed", result={text: [text]})
    assert store.finish([end]).tasks[0].result == {text: [text]}
    assert store.ended([run.run_id]).tasks[0].result == {text: [text]}


BAD_TASKS = {
    "a queue with NUL": {"queue": "ware\x00house"},
    "NaN among params": {"params": {"value": float("nan")}},
    "a position beyond integers": {"index": 2**40},
}


@pytest.mark.parametrize("fields", BAD_TASKS.values(), ids=BAD_TASKS)
def test_one_refused_run_among_fifty_fails_alone(store: RunStore, activity_id: str, fields: dict[str, Any]) -> None:
    runs = [run_input(f"e-{number}", activity_id=activity_id) for number in range(50)]

    def render(run: RunInput) -> list[PlannedTask]:
        return [planned_task(run, **(fields if run is runs[17] else {}))]

    me = owner()
    planned = store.plan(runs, me, render)
    assert [place for place, run in enumerate(planned) if run.state != "running"] == [17]
    assert planned[17].state == "failed"
    assert planned[17].error is not None
    assert planned[17].error.type == "plan_refused"
    assert store.plan(runs, me, render) == planned
    assert store.finish([], [RunEnd(run_id=runs[17].run_id)]).runs[0].error == planned[17].error


def nested(depth: int) -> list[Any]:
    return [] if depth == 0 else [nested(depth - 1)]


@pytest.mark.parametrize("result", [float("inf"), {1, 2}, b"bytes"], ids=["infinity", "a set", "bytes"])
def test_one_refused_result_among_many_fails_its_task_alone(store: RunStore, activity_id: str, result: Any) -> None:
    runs = [run_input(f"e-{number}", activity_id=activity_id) for number in range(10)]
    store.plan(runs, owner(), one_task)
    ends = [
        TaskEnd(run_id=run.run_id, task_id=planned_task(run).task_id, status="completed", result=number)
        for number, run in enumerate(runs)
    ]
    ends[3] = ends[3].model_copy(update={"result": result})
    finished = store.finish(ends, [RunEnd(run_id=run.run_id) for run in runs])
    by_run = {run.run_id: run for run in finished.runs}
    assert [by_run[run.run_id].status for run in runs] == ["completed"] * 3 + ["failed"] + ["completed"] * 6
    (failed,) = [task for task in finished.tasks if task.status == "failed"]
    assert failed.error is not None
    assert (failed.task_id, failed.error.type) == (ends[3].task_id, "result_refused")


def test_a_result_nested_deeply_is_stored_or_refused_but_never_in_the_way(store: RunStore, activity_id: str) -> None:
    run = run_input(activity_id=activity_id)
    store.plan([run], owner(), one_task)
    end = TaskEnd(run_id=run.run_id, task_id=planned_task(run).task_id, status="completed", result=nested(900))
    assert store.finish([end], [RunEnd(run_id=run.run_id)]).runs[0].status in {"completed", "failed"}
