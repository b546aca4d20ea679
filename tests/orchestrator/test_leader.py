"""Only one leads, only while it holds the lock, and one duty's trouble is not the others'."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import psycopg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Connection, Engine

from taskfactory.orchestrator import leader as leading
from taskfactory.orchestrator.leader import Duty, Leader
from taskfactory.orchestrator.publisher import OutcomePublisher
from taskfactory.orchestrator.settings import OrchestratorSettings
from taskfactory.registry import RunStore, open_engine
from taskfactory.registry.reconciling import Lead
from taskfactory.runtime import Shared
from tests.conftest import RunningStack
from tests.orchestrator.fakes import FakeProducer, FakeRunStore, FakeTemporal

PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class FakeLead(Lead):
    """Leadership that lasts while the test says so."""

    still_held: Callable[[], bool]

    def held(self) -> bool:
        return self.still_held()


def fake_lead(still_held: Callable[[], bool]) -> FakeLead:
    return FakeLead(cast("Connection", None), still_held)


def is_leading() -> float | None:
    return REGISTRY.get_sample_value("taskfactory_leading")


def make_leader(store: RunStore, *duties: Duty, engine: Engine | None = None) -> Leader:
    """A leader with duties of the test's own."""
    settings = OrchestratorSettings(outcomes_topic="outcomes")
    publisher = OutcomePublisher(FakeProducer, settings)
    leader = Leader(cast("Engine", engine), store, publisher, FakeTemporal().client, settings)
    leader._duties = duties  # type: ignore[assignment]  # the real ones are tested on their own
    return leader


@asynccontextmanager
async def running(*leaders: Leader) -> AsyncIterator[Shared]:
    shared = Shared(["orchestrator"])
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for leader in leaders:
            group.create_task(leader.run(shared))
        try:
            yield shared
        finally:
            shared.stop.set()


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leading, "RETRY_SECONDS", 0.05)


async def test_one_duty_that_fails_does_not_keep_the_others_from_being_done() -> None:
    done = asyncio.Event()

    async def break_down() -> None:
        raise ZeroDivisionError("a bug")

    async def work() -> None:
        done.set()

    failures: dict[str, Any] = {"name": "taskfactory_leader_duty_failures_total", "labels": {"duty": "broken"}}
    before = REGISTRY.get_sample_value(**failures) or 0
    store = FakeRunStore()
    store.leads.append(fake_lead(lambda: True))
    async with running(make_leader(store, Duty("broken", 60, break_down), Duty("sound", 60, work))):
        await done.wait()
        assert is_leading() == 1
    assert REGISTRY.get_sample_value(**failures) == before + 1
    assert is_leading() == 0


async def test_a_duty_is_done_again_after_its_interval_and_not_before() -> None:
    turns: list[str] = []
    again = asyncio.Event()

    async def often() -> None:
        turns.append("often")
        if turns.count("often") == 2:
            again.set()

    async def rarely() -> None:
        turns.append("rarely")

    store = FakeRunStore()
    store.leads.append(fake_lead(lambda: True))
    async with running(make_leader(store, Duty("often", 0.1, often), Duty("rarely", 3600, rarely))):
        await again.wait()
    assert turns == ["often", "rarely", "often"]


async def test_without_the_lock_nothing_is_done() -> None:
    tried = asyncio.Event()

    class Taken(FakeRunStore):
        def try_lead(self, name: str) -> Any:
            if self.begun:  # the second time
                loop.call_soon_threadsafe(tried.set)
            self.begun.append(name)
            return super().try_lead(name)

    async def work() -> None:
        raise AssertionError("somebody else leads")

    loop = asyncio.get_running_loop()
    failures: dict[str, Any] = {"name": "taskfactory_leader_duty_failures_total", "labels": {"duty": "forbidden"}}
    async with running(make_leader(Taken(), Duty("forbidden", 0, work))):
        await tried.wait()
        assert is_leading() == 0
    assert REGISTRY.get_sample_value(**failures) is None


async def test_a_leader_that_lost_the_lock_does_nothing_until_it_leads_again() -> None:
    leads_again = asyncio.Event()
    turns: list[str] = []
    first, second = fake_lead(lambda: not turns), fake_lead(lambda: True)
    store = FakeRunStore()
    store.leads.extend([first, None, second])

    async def work() -> None:
        turns.append("first" if store.leads else "second")
        if not store.leads:
            leads_again.set()

    async with running(make_leader(store, Duty("work", 0, work))):
        await leads_again.wait()
    assert turns == ["first", "second"]


class Counting:
    """A duty that says which leader did it."""

    def __init__(self) -> None:
        self.by: list[str] = []
        self._changed = asyncio.Condition()

    def duty(self, name: str) -> Duty:
        async def work() -> None:
            self.by.append(name)
            async with self._changed:
                self._changed.notify_all()

        return Duty(name, 0.0, work)

    async def until(self, condition: Callable[[list[str]], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: condition(self.by))


def lock_holders(database: str, *, terminate: bool = False) -> set[int]:
    """Server processes that hold an advisory lock in this database; their connections are cut when asked for."""
    holders = "SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND granted"
    mine = f"{holders} AND d.datname = current_database()"
    with psycopg.connect(database, autocommit=True) as connection:
        found = {pid for (pid,) in connection.execute(mine)}  # type: ignore[arg-type,unused-ignore]
        if terminate:
            for pid in found:
                connection.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))  # gone when this returns
    return found


async def test_a_leader_whose_connection_is_cut_stops_leading_and_one_leads_again(stack: RunningStack) -> None:
    database = stack.database()
    engines = {name: open_engine(database) for name in ("a", "b")}
    counting = Counting()
    leaders = [make_leader(RunStore(engine), counting.duty(name), engine=engine) for name, engine in engines.items()]
    async with running(*leaders):
        await counting.until(lambda by: len(by) > 0)
        before = await asyncio.to_thread(lock_holders, database)
        assert len(before) == 1
        assert await asyncio.to_thread(lock_holders, database, terminate=True) == before
        turns = len(counting.by)
        # The deposed one notices within a second; until the lock is held again, nobody does anything.
        await counting.until(lambda by: len(by) >= turns + 3)
        after = await asyncio.to_thread(lock_holders, database)
        assert len(after) == 1
        assert not after & before
    assert len(set(counting.by[turns + 1 :])) == 1, "one leads"
    for engine in engines.values():
        engine.dispose()


async def test_the_lock_passes_on_at_once_when_its_holder_is_asked_to_stop(stack: RunningStack) -> None:
    database = stack.database()
    engine = open_engine(database)
    counting = Counting()
    async with running(make_leader(RunStore(engine), counting.duty("first"), engine=engine)):
        await counting.until(lambda by: by == ["first"])
    assert await asyncio.to_thread(lock_holders, database) == set()
    async with running(make_leader(RunStore(engine), counting.duty("second"), engine=engine)):
        await counting.until(lambda by: by[-1] == "second")
    engine.dispose()
