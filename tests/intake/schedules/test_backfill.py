from datetime import UTC, datetime, timedelta

import pytest

from taskfactory.definitions import RegisteredDefinition, parse_definition
from taskfactory.intake import Pace
from taskfactory.intake.schedules.backfill import MAX_TICKS, Backfill, BackfillRefused
from taskfactory.intake.schedules.settling import ledger_key
from tests.intake.schedules.fakes import ACTIVITY, NAME, FakeRegistry, FakeTemporal, fact

TEN = datetime(2026, 11, 3, 10, tzinfo=UTC)
NOON = TEN + timedelta(hours=2)
HOURS = [TEN, TEN + timedelta(hours=1), NOON]
TASK = {"name": "do", "type": "activity", "handler": "h", "queue": "q"}
NO_PACE = Pace(float("inf"))


def backfill(registry: FakeRegistry, interval: str = "1h") -> Backfill:
    document = {
        "apiVersion": "taskfactory/v1",
        "kind": "ActivityDefinition",
        "name": NAME,
        "trigger": {"type": "cron", "every": [{"interval": interval}]},
        "tasks": [TASK],
    }
    return Backfill(RegisteredDefinition(ACTIVITY, 3, parse_definition(document)), registry, registry)


async def test_both_ends_of_the_range_count_and_only_what_is_missing_is_asked_for() -> None:
    registry, temporal = FakeRegistry(decided=[fact(TEN)]), FakeTemporal()
    registry.ledger = {ledger_key(ACTIVITY, HOURS[1])}
    work = backfill(registry)
    plan = await work.plan(TEN, NOON, NOON)
    assert [(tick.nominal, tick.result) for tick in plan] == list(zip(HOURS, ["ran", "ran", "would_ask"], strict=True))
    assert temporal.asked == []
    done = await work.run(plan, temporal, "key:ops", NO_PACE)
    assert [tick.result for tick in done] == ["ran", "ran", "asked"]
    [request] = temporal.asked
    assert (request.kind, request.scheduled_for, request.asked_by) == ("backfill", NOON, "key:ops")


async def test_what_was_skipped_is_missing_and_what_waits_is_not() -> None:
    registry = FakeRegistry(decided=[fact(TEN, "skipped", "paused"), fact(HOURS[1], "waiting")])
    plan = await backfill(registry).plan(TEN, NOON, NOON)
    assert [tick.result for tick in plan] == ["would_ask", "waiting", "would_ask"]


async def test_what_was_to_start_and_has_no_run_is_missing() -> None:
    registry = FakeRegistry(decided=[fact(TEN, run_known=False), fact(HOURS[1], run_known=False), fact(NOON)])
    registry.ledger = {ledger_key(ACTIVITY, HOURS[1])}
    plan = await backfill(registry).plan(TEN, NOON, NOON)
    assert [tick.result for tick in plan] == ["would_ask", "ran", "ran"]


async def test_a_backfill_that_is_repeated_asks_for_nothing_twice() -> None:
    registry, temporal = FakeRegistry(), FakeTemporal()
    for expected in ("asked", "being_asked"):
        work = backfill(registry)
        done = await work.run(await work.plan(TEN, NOON, NOON), temporal, "key:ops", NO_PACE)
        assert {tick.result for tick in done} == {expected}
    registry.decided = list(map(fact, HOURS))
    assert {tick.result for tick in await backfill(registry).plan(TEN, NOON, NOON)} == {"ran"}
    assert len(temporal.asked) == len(HOURS)


async def test_a_range_that_is_backwards_or_in_the_future_or_too_long_is_refused() -> None:
    work = backfill(FakeRegistry(), "1s")
    for first, last in ((NOON, TEN), (TEN, NOON + timedelta(seconds=1)), (TEN, TEN + timedelta(seconds=MAX_TICKS))):
        with pytest.raises(BackfillRefused):
            await work.plan(first, last, NOON)
    assert len(await work.plan(TEN, TEN + timedelta(seconds=MAX_TICKS - 1), NOON)) == MAX_TICKS
