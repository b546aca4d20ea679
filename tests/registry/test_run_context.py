"""Context values: stored once, planned from, shown without their secrets; runs that wait for them."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from taskfactory.definitions import ContextValue, RenderedRun, RenderFailed, RunInput
from taskfactory.envelope import Failure
from taskfactory.registry import (
    AwaitsContext,
    EarlierRuns,
    PlannedRun,
    ResultsTooLarge,
    RunContextStore,
    RunEnd,
    RunStore,
    TaskEnd,
    UnknownIds,
)
from tests.registry.samples import owner, planned_task, run_input

Sql = Callable[..., list[Any]]
WHY = Failure(type="Unavailable", message="the server answered 503")


@pytest.fixture(scope="session")
def contexts(engine: Engine) -> RunContextStore:
    return RunContextStore(engine)


def value(
    name: str = "customer", given: Any = "Ada", *, position: int = 0, secret: tuple[str, ...] = ()
) -> ContextValue:
    return ContextValue(name=name, position=position, type="http", secret=secret, value=given)


def claimed(store: RunStore, run: RunInput, by: str) -> PlannedRun:
    (planned,) = store.plan([run], by, lambda _: AwaitsContext())
    return planned


def with_context(*values: ContextValue) -> Callable[..., RenderedRun]:
    return lambda run, _fetched=None: RenderedRun([planned_task(run)], values)


def test_a_run_that_awaits_its_context_is_claimed_without_tasks_however_often_it_asks(
    store: RunStore, activity_id: str, sql: Sql
) -> None:
    run, by = run_input(activity_id=activity_id), owner()
    first = claimed(store, run, by)
    assert (first.state, first.tasks, first.task_count) == ("claimed", [], 0)
    assert claimed(store, run, by) == first
    assert claimed(store, run, owner()).state == "claimed", "an execution that comes after one that died goes on"
    assert sql("SELECT state, awaits_context FROM activity_runs WHERE run_id = :id", id=run.run_id) == [
        ("running", True)
    ]


def test_a_claimed_run_is_planned_once_with_its_context(
    store: RunStore, contexts: RunContextStore, activity_id: str, sql: Sql
) -> None:
    run, by = run_input(activity_id=activity_id), owner()
    claimed(store, run, by)
    planned = store.plan_claimed(run, by, with_context(value()))
    assert (planned.state, [task.name for task in planned.tasks]) == ("running", ["reserve"])
    assert store.plan_claimed(run, by, with_context(value(given="Eve"))) == planned
    assert claimed(store, run, by) == planned
    assert [(each.name, each.value) for each in contexts.values(run.run_id)] == [("customer", "Ada")]
    assert sql("SELECT count(*) FROM tasks WHERE run_id = :id", id=run.run_id) == [(1,)]
    done = store.finish(
        [TaskEnd(run_id=run.run_id, task_id=planned.tasks[0].task_id, status="completed")], [RunEnd(run_id=run.run_id)]
    )
    assert done.runs[0].status == "completed"


def test_a_plan_is_made_from_the_stored_values(store: RunStore, contexts: RunContextStore, activity_id: str) -> None:
    run, by = run_input(activity_id=activity_id), owner()
    claimed(store, run, by)
    contexts.put(run.run_id, value(given={"vip": True}))
    seen: list[Mapping[str, Any]] = []

    def render(run: RunInput, fetched: Mapping[str, Any]) -> RenderedRun:
        seen.append(fetched)
        return RenderedRun([planned_task(run)])

    store.plan_claimed(run, by, render)
    assert seen == [{"customer": {"vip": True}}]


def test_a_claimed_run_whose_plan_fails_or_is_refused_has_failed(store: RunStore, activity_id: str) -> None:
    def fails(_run: RunInput, _fetched: Mapping[str, Any]) -> RenderedRun:
        raise RenderFailed("cel_error", "tasks[0]", None, "no such key")

    for number, (render, kind) in enumerate(
        [(fails, "cel_error"), (with_context(value(given=float("nan"))), "plan_refused")]
    ):
        run, by = run_input(f"e-{number}", activity_id=activity_id), owner()
        claimed(store, run, by)
        planned = store.plan_claimed(run, by, render)
        assert planned.error is not None
        assert (planned.state, planned.error.type) == ("failed", kind)
        assert store.finish([], [RunEnd(run_id=run.run_id)]).runs[0].status == "failed"


def test_a_claimed_run_that_ended_meanwhile_is_not_planned_any_more(store: RunStore, activity_id: str) -> None:
    run, by = run_input(activity_id=activity_id), owner()
    claimed(store, run, by)
    store.finish([], [RunEnd(run_id=run.run_id, status="failed", error=WHY)])
    planned = store.plan_claimed(run, by, with_context())
    assert (planned.state, planned.tasks, planned.error) == ("failed", [], WHY)


def test_a_run_that_was_never_claimed_can_not_be_planned_nor_have_context(
    store: RunStore, contexts: RunContextStore, activity_id: str
) -> None:
    run = run_input(activity_id=activity_id)
    with pytest.raises(UnknownIds):
        store.plan_claimed(run, owner(), with_context())
    assert contexts.put(run.run_id, value()) is None


def test_the_first_value_stays(store: RunStore, contexts: RunContextStore, activity_id: str) -> None:
    run = run_input(activity_id=activity_id)
    claimed(store, run, owner())
    odd = {"nul": "\x00", "half": "\ud800", "text": "é"}
    first = contexts.put(run.run_id, value(given=odd))
    again = contexts.put(run.run_id, value(given="other"), state="fallback", error=WHY)
    assert first == again
    assert first is not None
    assert (first.value, first.state, first.error) == (odd, "given", None)


def test_what_is_shown_has_no_secret_in_it(store: RunStore, contexts: RunContextStore, activity_id: str) -> None:
    run, by = run_input(activity_id=activity_id), owner()

    def render(run: RunInput) -> RenderedRun:
        values = [
            value("token", {"key": "hunter2-key", "ttl": 3}, secret=("key",)),
            value("header", "Bearer hunter2-key", position=1),
        ]
        return RenderedRun([planned_task(run, params={"auth": "Bearer hunter2-key", "n": 1})], values)

    (planned,) = store.plan([run], by, render)
    assert planned.tasks[0].params == {"auth": "Bearer hunter2-key", "n": 1}, "the handler gets it as it is"
    error = Failure(type="Refused", message="hunter2-key is not valid")
    store.finish([TaskEnd(run_id=run.run_id, task_id=planned.tasks[0].task_id, status="failed", error=error)])
    store.finish([], [RunEnd(run_id=run.run_id)])

    assert [(each.name, each.value) for each in contexts.snapshot(run.run_id)] == [
        ("token", {"key": "********", "ttl": 3}),
        ("header", "Bearer ********"),
    ]
    (task,) = store.list_tasks(run_id=run.run_id, with_data=True)
    (row,) = store.list_runs(run_id=run.run_id)
    assert task.params == {"auth": "Bearer ********", "n": 1}
    assert "hunter2" not in f"{task} {row}"
    assert contexts.scrubbers([run.run_id])[run.run_id].text("a hunter2-key") == "a ********"


def test_a_failed_source_is_shown_with_its_reason(store: RunStore, contexts: RunContextStore, activity_id: str) -> None:
    run = run_input(activity_id=activity_id)
    claimed(store, run, owner())
    contexts.put(run.run_id, value(given=None), state="failed", error=WHY)
    (shown,) = contexts.snapshot(run.run_id)
    assert (shown.state, shown.value, shown.error) == ("failed", None, WHY)


def asked(run: RunInput, **changes: Any) -> EarlierRuns:
    given = {"definition": run.activity_name, "states": ["completed"], "limit": 10, "within": None, **changes}
    return EarlierRuns(run_id=run.run_id, **given)


def ended(store: RunStore, run: RunInput, *, result: Any = None, secret: str | None = None) -> None:
    context = [value(given=secret, secret=("$",))] if secret else []
    (planned,) = store.plan([run], owner(), with_context(*context))
    end = TaskEnd(run_id=run.run_id, task_id=planned.tasks[0].task_id, status="completed", attempts=1, result=result)
    store.finish([end], [RunEnd(run_id=run.run_id)])


def test_a_run_sees_what_ran_before_it_the_newest_first_without_secrets(
    store: RunStore, contexts: RunContextStore, activity_id: str
) -> None:
    name = f"daily-{activity_id}"
    runs = [run_input(f"e-{number}", activity_id=activity_id, name=name) for number in range(5)]
    ended(store, runs[0], result={"total": 1})
    ended(store, runs[1], result={"total": "a secret-total"}, secret="secret-total")
    claimed(store, runs[2], owner())
    store.finish([], [RunEnd(run_id=runs[2].run_id, status="failed", error=WHY)])
    claimed(store, runs[3], owner())
    ended(store, runs[4], result={"total": 4})

    found = contexts.earlier_runs(asked(runs[3]), 10_000)
    assert [run["run_id"] for run in found] == [runs[1].run_id, runs[0].run_id], "not the later one, nor the failed"
    assert [task["result"] for run in found for task in run["tasks"]] == [{"total": "a ********"}, {"total": 1}]
    assert found[1]["trigger"]["id"] == "e-0"
    assert len(contexts.earlier_runs(asked(runs[3], states=["failed"], limit=1), 10_000)) == 1
    assert len(contexts.earlier_runs(asked(runs[3], limit=1), 10_000)) == 1
    assert contexts.earlier_runs(asked(runs[3], within=timedelta(microseconds=1)), 10_000) == []
    assert contexts.earlier_runs(asked(runs[3], definition="another"), 10_000) == []
    with pytest.raises(ResultsTooLarge):
        contexts.earlier_runs(asked(runs[3]), 100)
