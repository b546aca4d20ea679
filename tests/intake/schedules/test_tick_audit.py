from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.definitions import CronTrigger, Tick, tick_workflow_id
from taskfactory.intake.executions import Execution
from taskfactory.intake.schedules.settling import PATIENCE, TickTrouble, ledger_key, tick_id
from taskfactory.intake.schedules.tick_audit import TickAuditor, TickReport
from taskfactory.registry import DefinitionState, ScheduleLine, UndecidedRun
from tests.intake.schedules.fakes import ACTIVITY, NAME, FakeRegistry, FakeTemporal, fact

TEN = datetime(2026, 11, 3, 10, tzinfo=UTC)
NOON = TEN + timedelta(hours=2)
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
QUARTERS = [TEN + number * QUARTER for number in range(1, 9)]


def line(at: datetime, state: DefinitionState = "enabled", interval: str = "15m") -> ScheduleLine:
    trigger = CronTrigger.model_validate({"type": "cron", "every": [{"interval": interval}]})
    return ScheduleLine(ACTIVITY, NAME, at, 1, state, trigger)


async def audit(
    registry: FakeRegistry, temporal: FakeTemporal | None = None, now: datetime = NOON + HOUR
) -> TickReport:
    return await TickAuditor(registry, registry, temporal or FakeTemporal()).audit(TEN, NOON, now)


def troubles(report: TickReport) -> list[tuple[str, TickTrouble]]:
    return [(discrepancy.tick, discrepancy.trouble) for discrepancy in report.discrepancies]


async def test_ticks_that_ran_or_were_skipped_are_no_alarm() -> None:
    skipped = {3: "overlap", 4: "misfire", 5: "outside_window", 6: "buffer_full"}
    facts = [
        fact(nominal, "skipped", skipped[number]) if number in skipped else fact(nominal)
        for number, nominal in enumerate(QUARTERS)
    ]
    report = await audit(FakeRegistry([line(TEN - HOUR)], facts))
    expected = {"started": 4, "overlap": 1, "misfire": 1, "outside_window": 1, "buffer_full": 1}
    assert (report.books, report.alarms) == ({NAME: expected}, 0)


@given(st.sets(st.sampled_from(QUARTERS)))
async def test_each_tick_of_which_nothing_is_known_is_an_alarm(gone: set[datetime]) -> None:
    registry = FakeRegistry([line(TEN - HOUR)], [fact(nominal) for nominal in QUARTERS if nominal not in gone])
    report = await audit(registry)
    assert troubles(report) == [(tick_id(nominal), TickTrouble.TICK_MISSING) for nominal in sorted(gone)]
    assert report.books[NAME].total() == len(QUARTERS)
    assert report.books[NAME]["missing"] == len(gone)


async def test_a_run_without_a_decision_is_a_run_and_an_alarm() -> None:
    registry = FakeRegistry([line(TEN - HOUR)], [fact(nominal) for nominal in QUARTERS[1:]])
    registry.ledger = {ledger_key(ACTIVITY, QUARTERS[0])}
    report = await audit(registry)
    assert report.books[NAME] == {"started": 8}
    assert troubles(report) == [(tick_id(QUARTERS[0]), TickTrouble.DECISION_MISSING)]


async def test_ticks_of_a_paused_or_disabled_definition_need_no_record() -> None:
    stood = [
        line(TEN - HOUR),
        line(TEN + timedelta(minutes=20), "paused"),
        line(TEN + timedelta(minutes=50)),
        line(TEN + timedelta(minutes=80), "disabled"),
        line(TEN + timedelta(minutes=100), "deleted"),
    ]
    facts = [fact(QUARTERS[0]), fact(QUARTERS[3]), fact(QUARTERS[4])]
    report = await audit(FakeRegistry(stood, facts))
    assert (report.books, report.alarms) == ({NAME: {"started": 3, "paused": 2, "disabled": 1}}, 0)


async def test_what_was_backfilled_while_it_was_paused_ran() -> None:
    report = await audit(FakeRegistry([line(TEN - HOUR, "paused")], [fact(QUARTERS[0], kind="backfill")]))
    assert report.books == {NAME: {"started": 1, "paused": 7}}


async def test_a_backfill_of_a_tick_that_was_skipped_says_what_it_came_to() -> None:
    facts = [fact(QUARTERS[0], "skipped", "overlap"), fact(QUARTERS[0], kind="backfill")]
    report = await audit(FakeRegistry([line(TEN - HOUR, "paused")], facts))
    assert report.books == {NAME: {"started": 1, "paused": 7}}


async def test_each_version_has_its_own_ticks() -> None:
    stood = [line(TEN - HOUR, interval="1h"), line(TEN + timedelta(minutes=61), interval="30m")]
    at = [TEN + HOUR, TEN + timedelta(minutes=90), NOON]
    report = await audit(FakeRegistry(stood, [fact(nominal) for nominal in at]))
    assert (report.books, report.alarms) == ({NAME: {"started": 3}}, 0)


async def test_nothing_is_expected_before_a_definition_was_there_nor_while_events_start_it() -> None:
    by_events = ScheduleLine(ACTIVITY, NAME, TEN + HOUR, 2, "enabled", None)
    report = await audit(FakeRegistry([line(TEN + timedelta(minutes=40)), by_events], [fact(QUARTERS[2])]))
    assert report.books == {NAME: {"started": 1, "missing": 1}}


async def test_a_tick_that_no_schedule_has_is_an_alarm_if_it_fired() -> None:
    odd = TEN + timedelta(minutes=7)
    registry = FakeRegistry([line(TEN - HOUR)], [*map(fact, QUARTERS), fact(odd)])
    assert troubles(await audit(registry)) == [(tick_id(odd), TickTrouble.TICK_UNEXPECTED)]
    registry.decided[-1] = fact(odd, "skipped", "not_scheduled")
    assert (await audit(registry)).alarms == 0
    registry.decided[-1] = fact(odd, kind="backfill")
    assert (await audit(registry)).alarms == 0


async def test_a_run_of_a_tick_that_no_schedule_has_is_an_alarm_though_nothing_was_decided() -> None:
    odd = TEN + timedelta(minutes=7)
    registry = FakeRegistry([line(TEN - HOUR)], list(map(fact, QUARTERS)))
    registry.orphans = [UndecidedRun(ACTIVITY, "activity-x", tick_id(odd))]
    assert troubles(await audit(registry)) == [(tick_id(odd), TickTrouble.TICK_UNEXPECTED)]


async def test_a_tick_of_the_schedule_before_is_none_of_the_new_one_and_no_alarm() -> None:
    changed = TEN + timedelta(minutes=30, seconds=20)
    stood = [line(TEN - HOUR), line(changed, interval="2h")]
    # Temporal heard of the change some seconds later.
    late = [fact(QUARTERS[0]), fact(QUARTERS[1]), fact(NOON)]
    assert (await audit(FakeRegistry(stood, late))).alarms == 0


async def test_a_young_tick_is_pending_and_so_is_one_whose_workflow_is_open() -> None:
    facts = [fact(nominal) for nominal in QUARTERS[:-1]]
    registry = FakeRegistry([line(TEN - HOUR)], facts)
    young = await audit(registry, now=NOON + PATIENCE / 2)
    assert young.books[NAME] == {"started": 7, "pending": 1}
    deciding = FakeTemporal({tick_workflow_id(ACTIVITY, Tick("scheduled", NOON)): Execution.OPEN})
    assert (await audit(registry, deciding)).books[NAME] == {"started": 7, "pending": 1}
    assert (await audit(registry)).alarms == 1


@pytest.mark.parametrize(
    ("claimed", "execution", "came"),
    [(True, None, "started"), (False, Execution.OPEN, "pending"), (False, None, "missing")],
)
async def test_a_run_without_a_row_is_looked_for(claimed: bool, execution: Execution | None, came: str) -> None:  # noqa: FBT001
    lost = fact(QUARTERS[0], run_known=False)
    registry = FakeRegistry([line(TEN - HOUR)], [lost, *map(fact, QUARTERS[1:])])
    registry.ledger = {ledger_key(ACTIVITY, QUARTERS[0])} if claimed else set()
    known = {lost.run_id or "": execution} if execution else {}
    report = await audit(registry, FakeTemporal(known))
    assert report.books[NAME][came] == (8 if came == "started" else 1)
    assert [trouble for _, trouble in troubles(report)] == ([TickTrouble.RUN_MISSING] if came == "missing" else [])


async def test_a_tick_whose_wait_was_lost_is_an_alarm() -> None:
    registry = FakeRegistry([line(TEN - HOUR)], [fact(QUARTERS[0], "skipped", "lost"), *map(fact, QUARTERS[1:])])
    report = await audit(registry)
    assert report.books[NAME] == {"lost": 1, "started": 7}
    assert troubles(report) == [(tick_id(QUARTERS[0]), TickTrouble.TICK_LOST)]


async def test_ticks_that_an_outage_made_older_than_their_window_are_skips_and_no_alarm() -> None:
    registry = FakeRegistry([line(TEN - 2 * HOUR)], [fact(QUARTERS[-1])])
    back = NOON + timedelta(minutes=1)
    # Everything stood still from ten o'clock on; what comes first after it was missed.
    registry.seconds = [(TEN, False), (back, True)]
    report = await audit(registry)
    older_than_an_hour = [nominal for nominal in QUARTERS if back - nominal > HOUR]
    assert report.books[NAME] == {"outside_window": 4, "started": 1, "missing": 3}
    assert len(older_than_an_hour) == 4
    # Without a sign that anything was late, nobody knows that it was.
    registry.seconds = [(TEN, False), (back, False)]
    assert (await audit(registry)).books[NAME] == {"missing": 7, "started": 1}
    # Somebody else's tick came on time meanwhile.
    registry.seconds = [(TEN, False), (QUARTERS[1], False), (back, True)]
    assert (await audit(registry)).books[NAME] == {"missing": 5, "outside_window": 2, "started": 1}
