"""Claim and plan: exactly one run per key, whoever asks and however often."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from taskfactory.definitions import (
    DedupeKey,
    PlannedTask,
    RenderedRun,
    RenderFailed,
    RunInput,
    event_identity,
    workflow_id,
)
from taskfactory.registry import (
    DefinitionStore,
    PageLimit,
    PlannedRun,
    RunEnd,
    RunStore,
    TaskEnd,
    UnknownIds,
    finishing,
    planning,
)
from tests.registry.samples import definition, one_task, owner, planned_task, run_input

Sql = Callable[..., list[Any]]


def never_rendered(run: RunInput) -> list[PlannedTask]:
    raise AssertionError(f"{run.run_id} was rendered again")


def plan_one(
    store: RunStore, run: RunInput, by: str, render: Callable[[RunInput], list[PlannedTask]] = one_task
) -> PlannedRun:
    (planned,) = store.plan([run], by, render)
    return planned


def owner_of(sql: Sql, run: RunInput) -> str:
    ((stored,),) = sql("SELECT owner FROM activity_runs WHERE run_id = :id", id=run.run_id)
    return str(stored)


def wait_until_blocked_by(holder: Connection, sql: Sql) -> None:
    """Return once another session waits for a lock that `holder`'s transaction has."""
    pid = holder.execute(text("SELECT pg_backend_pid()")).scalar_one()
    deadline = time.monotonic() + 30
    while not sql("SELECT 1 FROM pg_stat_activity WHERE :pid = ANY(pg_blocking_pids(pid))", pid=pid):
        assert time.monotonic() < deadline, "nobody came to wait"


def ledger_rows(sql: Sql, activity_id: str) -> int:
    ((count,),) = sql("SELECT count(*) FROM dedupe_ledger WHERE activity_id = :id", id=activity_id)
    return int(count)


def test_a_new_run_gets_its_tasks(store: RunStore, activity_id: str) -> None:
    run = run_input(activity_id=activity_id)
    planned = plan_one(store, run, owner())
    assert (planned.run_id, planned.state, planned.task_count) == (run.run_id, "running", 1)
    assert planned.tasks[0].model_dump(exclude={"position", "state"}) == planned_task(run).model_dump()
    assert (planned.tasks[0].position, planned.tasks[0].state) == (0, "scheduled")


def test_a_plan_crosses_temporal_as_json(store: RunStore, activity_id: str) -> None:
    planned = plan_one(store, run_input(activity_id=activity_id), owner())
    assert PlannedRun.model_validate_json(planned.model_dump_json()) == planned


def test_a_claim_lost_between_commit_and_acknowledgement_is_given_again(store: RunStore, activity_id: str) -> None:
    run, me = run_input(activity_id=activity_id), owner()
    first = plan_one(store, run, me)
    assert plan_one(store, run, me, never_rendered) == first


def test_a_retry_shows_how_far_the_tasks_are(store: RunStore, activity_id: str) -> None:
    run, me = run_input(activity_id=activity_id), owner()
    plan_one(store, run, me)
    store.finish([TaskEnd(run_id=run.run_id, task_id=planned_task(run).task_id, status="completed")])
    assert [task.state for task in plan_one(store, run, me, never_rendered).tasks] == ["completed"]


def test_a_run_that_ended_stays_its_first_owners(store: RunStore, activity_id: str, sql: Sql) -> None:
    run, first = run_input(activity_id=activity_id), owner()
    plan_one(store, run, first)
    store.finish([], [RunEnd(run_id=run.run_id, status="failed")])
    late = plan_one(store, run, owner(), never_rendered)
    assert (late.state, late.duplicate_of, late.tasks) == ("duplicate", run.run_id, [])
    assert ledger_rows(sql, activity_id) == 1
    assert owner_of(sql, run) == first


def test_an_open_run_is_taken_over_by_its_next_execution(store: RunStore, activity_id: str, sql: Sql) -> None:
    run, dead, alive = run_input(activity_id=activity_id), owner(), owner()
    left_behind = plan_one(store, run, dead, lambda run: [planned_task(run, index=index) for index in (0, 1)])
    store.finish([TaskEnd(run_id=run.run_id, task_id=left_behind.tasks[0].task_id, status="completed")])
    taken = plan_one(store, run, alive, never_rendered)
    assert (taken.state, taken.task_count) == ("running", 2)
    assert [task.state for task in taken.tasks] == ["completed", "scheduled"]
    assert owner_of(sql, run) == alive
    assert plan_one(store, run, alive, never_rendered) == taken
    store.finish([], [RunEnd(run_id=run.run_id, status="failed")])
    assert plan_one(store, run, alive, never_rendered).state == "failed", "it is the owner's own, not a duplicate"


def test_a_run_of_another_event_is_not_taken_over(store: RunStore, activity_id: str, sql: Sql) -> None:
    key, first = DedupeKey("subject", ("order-1",)), owner()
    holder, other = (run_input(event_id, activity_id=activity_id, key=key) for event_id in ("e-1", "e-2"))
    assert holder.run_id == other.run_id
    plan_one(store, holder, first)
    assert plan_one(store, other, owner(), never_rendered).state == "duplicate"
    assert owner_of(sql, holder) == first


def test_a_plan_that_commits_after_its_execution_died_is_taken_over(
    store: RunStore, engine: Engine, activity_id: str, sql: Sql
) -> None:
    runs = [run_input(f"e-{number}", activity_id=activity_id) for number in range(5)]
    dead, alive = owner(), owner()
    with ThreadPoolExecutor(1) as threads:
        with engine.begin() as connection:
            candidates = [planning.candidate(run, dead) for run in runs]
            planning.plan(connection, candidates, lambda run: RenderedRun(one_task(run)), PageLimit())
            successor = threads.submit(store.plan, runs, alive, never_rendered)
            wait_until_blocked_by(connection, sql)
            assert not successor.done()
        taken = successor.result(30)
    assert [(run.state, run.task_count, len(run.tasks)) for run in taken] == [("running", 1, 1)] * len(runs)
    assert {owner_of(sql, run) for run in runs} == {alive}
    assert store.plan(runs, alive, never_rendered) == taken


def test_a_run_that_ends_while_it_is_being_taken_over_is_a_duplicate(
    store: RunStore, engine: Engine, activity_id: str, sql: Sql
) -> None:
    run, dead = run_input(activity_id=activity_id), owner()
    plan_one(store, run, dead)
    with ThreadPoolExecutor(1) as threads:
        with engine.begin() as connection:
            finishing.finish(connection, [], [RunEnd(run_id=run.run_id, status="cancelled")])
            successor = threads.submit(plan_one, store, run, owner(), never_rendered)
            wait_until_blocked_by(connection, sql)
        late = successor.result(30)
    assert (late.state, late.duplicate_of) == ("duplicate", run.run_id)
    assert owner_of(sql, run) == dead


def test_of_owners_that_race_each_run_has_one(store: RunStore, activity_id: str, sql: Sql) -> None:
    """Only the plan of one is stored, and all are given that one; who asked last is left as the owner."""
    runs = [run_input(f"e-{number}", activity_id=activity_id) for number in range(20)]
    owners = [owner() for _ in range(6)]
    together = threading.Barrier(len(owners))

    def race(me: str) -> list[PlannedRun]:
        mine = runs if owners.index(me) % 2 else runs[::-1]
        together.wait()
        return store.plan(mine, me, one_task)

    with ThreadPoolExecutor(len(owners)) as threads:
        results = [planned for part in threads.map(race, owners) for planned in part]
    plans = {planned.run_id: planned for planned in results}
    assert plans.keys() == {run.run_id for run in runs}
    assert all(planned == plans[planned.run_id] for planned in results)
    assert ledger_rows(sql, activity_id) == len(runs)
    assert {owner_of(sql, run) for run in runs} <= set(owners)


def test_of_events_that_race_for_one_subject_exactly_one_wins(store: RunStore, activity_id: str) -> None:
    key = DedupeKey("subject", ("order-1",))
    runs = [run_input(f"e-{number}", activity_id=activity_id, key=key) for number in range(6)]
    together = threading.Barrier(len(runs))

    def race(run: RunInput) -> PlannedRun:
        together.wait()
        return plan_one(store, run, owner())

    with ThreadPoolExecutor(len(runs)) as threads:
        states = sorted(planned.state for planned in threads.map(race, runs))
    assert states == ["duplicate"] * 5 + ["running"]


def test_a_zombie_attempt_of_the_same_owner_changes_nothing(store: RunStore, activity_id: str) -> None:
    run, me = run_input(activity_id=activity_id), owner()
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: plan_one(store, run, me), range(4)))
    assert all(planned == results[0] for planned in results)


def test_a_changed_strategy_does_not_fire_old_events_again(store: RunStore, activity_id: str, sql: Sql) -> None:
    before = run_input(activity_id=activity_id)
    plan_one(store, before, owner())
    after = run_input(activity_id=activity_id, key=DedupeKey("subject", ("order-1",)))
    again = plan_one(store, after, owner(), never_rendered)
    assert (again.state, again.duplicate_of) == ("duplicate", before.run_id)
    assert ledger_rows(sql, activity_id) == 1, "the strategy's key was left behind by a run that did not win"


def test_the_strategy_key_decides_between_events(store: RunStore, activity_id: str) -> None:
    key = DedupeKey("subject", ("order-1",))
    first, second = (run_input(event_id, activity_id=activity_id, key=key) for event_id in ("e-1", "e-2"))
    assert plan_one(store, first, owner()).state == "running"
    assert plan_one(store, second, owner(), never_rendered).duplicate_of == first.run_id


def test_an_event_that_lost_by_its_subject_stays_lost_when_the_strategy_changes(
    store: RunStore, activity_id: str
) -> None:
    key = DedupeKey("subject", ("order-1",))
    plan_one(store, run_input("e-1", activity_id=activity_id, key=key), owner())
    plan_one(store, run_input("e-2", activity_id=activity_id, key=key), owner())
    assert plan_one(store, run_input("e-2", activity_id=activity_id), owner(), never_rendered).state == "duplicate"


def test_one_chunk_runs_a_repeated_event_and_a_repeated_subject_once(store: RunStore, activity_id: str) -> None:
    key = DedupeKey("subject", ("order-1",))
    first, same_subject = (run_input(event_id, activity_id=activity_id, key=key) for event_id in ("e-1", "e-2"))
    chunk, me = [first, same_subject, first], owner()
    planned = store.plan(chunk, me, one_task)
    assert [(run.state, run.duplicate_of) for run in planned] == [
        ("running", None),
        ("duplicate", first.run_id),
        ("duplicate", first.run_id),
    ]
    assert store.plan(chunk, me, never_rendered) == planned


def test_each_activity_has_keys_of_its_own(store: RunStore, activity_id: str) -> None:
    assert plan_one(store, run_input(activity_id=activity_id), owner()).state == "running"
    other = "00000000-0000-0000-0000-" + activity_id[-12:]
    assert plan_one(store, run_input(activity_id=other), owner()).state == "running"


def test_a_second_generation_runs_again(store: RunStore, activity_id: str) -> None:
    first = run_input(activity_id=activity_id)
    second_id = workflow_id(activity_id, event_identity(first.event), 2)
    second = first.model_copy(update={"generation": 2, "run_id": second_id})
    assert [plan_one(store, run, owner()).state for run in (first, second)] == ["running", "running"]


def test_templates_that_fail_make_a_failed_run(store: RunStore, activity_id: str) -> None:
    failed = RenderFailed("cel_error", "tasks[0].params.sku", "${event.data.sku}", "no such key: data")

    def broken(_: RunInput) -> list[PlannedTask]:
        raise failed

    run, me = run_input(activity_id=activity_id), owner()
    planned = plan_one(store, run, me, broken)
    assert planned.state == "failed"
    assert planned.error is not None
    assert (planned.error.type, planned.error.message) == (failed.code, str(failed))
    assert plan_one(store, run, me, never_rendered) == planned


def test_a_failure_may_quote_a_lone_surrogate(store: RunStore, activity_id: str) -> None:
    def broken(_: RunInput) -> list[PlannedTask]:
        raise RenderFailed("template_error", "tasks[0]", None, "found \ud800")

    planned = plan_one(store, run_input(activity_id=activity_id), owner(), broken)
    assert planned.error is not None
    assert planned.error.message == "tasks[0]: found \\ud800"


def test_a_skipped_task_is_stored_as_skipped(store: RunStore, activity_id: str) -> None:
    planned = plan_one(
        store, run_input(activity_id=activity_id), owner(), lambda run: [planned_task(run, skipped=True)]
    )
    assert (planned.state, [task.state for task in planned.tasks]) == ("running", ["skipped"])


def test_an_owner_that_is_no_uuid_is_refused(store: RunStore, activity_id: str) -> None:
    with pytest.raises(ValueError, match="badly formed"):
        plan_one(store, run_input(activity_id=activity_id), "someone")


def test_planning_nothing_is_nothing(store: RunStore) -> None:
    assert store.plan([], owner(), never_rendered) == []


def test_pages_follow_each_other(engine: Engine, activity_id: str) -> None:
    store = RunStore(engine, page=PageLimit(tasks=4, params_bytes=1000))
    sizes = [10, 10, 10, 10, 900, 200, 2000, 10]
    run, me = run_input(activity_id=activity_id), owner()

    def render(run: RunInput) -> list[PlannedTask]:
        return [planned_task(run, index=place, params={"x": "x" * size}) for place, size in enumerate(sizes)]

    planned = plan_one(store, run, me, render)
    assert plan_one(store, run, me, never_rendered) == planned
    pages, following = [[task.position for task in planned.tasks]], planned.next_position
    while following is not None:
        page = store.tasks_page(run.run_id, following)
        pages.append([task.position for task in page.tasks])
        following = page.next_position
    assert pages == [[0, 1, 2, 3], [4], [5], [6], [7]]
    assert planned.task_count == len(sizes)


def test_a_page_of_an_unknown_run_is_an_error(store: RunStore) -> None:
    with pytest.raises(UnknownIds, match="activity-nowhere"):
        store.tasks_page("activity-nowhere", 0)


def test_outcomes_are_those_of_the_version_that_matched(store: RunStore, definitions: DefinitionStore) -> None:
    (applied,) = definitions.apply([definition("versioned", outcomes={"topic": "mine", "of": ["run"]})], "me")
    run = run_input(activity_id=applied.id)
    plan_one(store, run, owner())
    definitions.apply([definition("versioned", outcomes={"topic": "theirs"})], "me")
    end = TaskEnd(run_id=run.run_id, task_id=planned_task(run).task_id, status="completed")
    outcomes = store.finish([end]).contexts[run.run_id].outcomes
    assert (outcomes.topic, outcomes.of) == ("mine", ("run",))
