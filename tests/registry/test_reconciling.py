"""What the reconciler needs: open runs in order, claims, watermarks, one leader."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from taskfactory.registry import ClaimedRun, OpenRun, RunEnd, RunStore, migrate
from tests.registry.samples import one_task, owner, run_input

Sql = Callable[..., list[Any]]


@pytest.fixture
def empty_store(fresh_engine: Engine) -> RunStore:
    migrate(fresh_engine)
    return RunStore(fresh_engine)


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=1)


def test_open_runs_are_read_page_by_page(empty_store: RunStore, activity_id: str) -> None:
    runs = [run_input(f"e-{number}", activity_id=activity_id) for number in range(7)]
    empty_store.plan(runs[:4], owner(), one_task)
    empty_store.plan(runs[4:], owner(), one_task)
    empty_store.finish([], [RunEnd(run_id=runs[5].run_id, status="failed")])
    pages: list[list[OpenRun]] = []
    after = None
    while page := empty_store.open_runs(started_before=soon(), after=after, limit=2):
        pages.append(page)
        after = page[-1].cursor
    assert [len(page) for page in pages] == [2, 2, 2]
    assert {run.run_id for page in pages for run in page} == {run.run_id for run in runs} - {runs[5].run_id}


def test_a_run_that_started_just_now_is_left_alone(empty_store: RunStore, activity_id: str) -> None:
    empty_store.plan([run_input(activity_id=activity_id)], owner(), one_task)
    assert empty_store.open_runs(started_before=datetime.now(UTC) - timedelta(minutes=1)) == []


def test_claimed_tells_the_state(store: RunStore, activity_id: str) -> None:
    run = run_input(activity_id=activity_id)
    store.plan([run], owner(), one_task)
    assert store.claimed([run.run_id, "activity-never-claimed"]) == {run.run_id: ClaimedRun("running")}
    store.finish([], [RunEnd(run_id=run.run_id, status="failed")])
    assert store.claimed([run.run_id]) == {run.run_id: ClaimedRun("failed")}


def test_runs_are_settled_until_they_are_said_to_be(empty_store: RunStore) -> None:
    assert empty_store.settling(10) == []
    empty_store.begin_settling(["run-b"])
    empty_store.begin_settling({"run-c", "run-a", "run-b"})
    assert empty_store.settling(10) == ["run-b", "run-a", "run-c"], "oldest first; one that was begun keeps its place"
    assert empty_store.settling(1) == ["run-b"]
    empty_store.settled(["run-b", "run-c", "run-unknown"])
    assert empty_store.settling(10) == ["run-a"]


def test_settling_nothing_is_nothing(empty_store: RunStore) -> None:
    empty_store.begin_settling([])
    empty_store.settled([])
    assert empty_store.settling(10) == []


def test_a_watermark_is_remembered_by_name(store: RunStore) -> None:
    name, moment = f"sweep-{uuid4()}", datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert store.watermark(name) is None
    for value in (moment, moment + timedelta(hours=1)):
        store.set_watermark(name, value)
        assert store.watermark(name) == value


def test_one_leads_and_the_next_one_follows_when_it_is_done(store: RunStore) -> None:
    name = f"lead-{uuid4()}"
    with store.try_lead(name) as first:
        assert first is not None
        assert first.held()
        with store.try_lead(name) as second, store.try_lead(f"{name}-other") as other:
            assert second is None
            assert other is not None
    with store.try_lead(name) as third:
        assert third is not None


def test_a_leader_whose_connection_was_cut_notices_it_and_is_succeeded(store: RunStore, sql: Sql) -> None:
    name = f"lead-{uuid4()}"
    with store.try_lead(name) as lead:
        assert lead is not None
        cut = sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks "
            "WHERE locktype = 'advisory' AND pid <> pg_backend_pid() "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        assert cut == [(True,)]
        assert not lead.held()
        assert not lead.held(), "it must not come back by reconnecting"
        with store.try_lead(name) as successor:
            assert successor is not None
