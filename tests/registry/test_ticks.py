"""Decisions about ticks on a real PostgreSQL: once, one at a time, and remembered."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from taskfactory.definitions import Tick, tick_run_input
from taskfactory.registry import (
    AskedTick,
    DecidedTick,
    DefinitionStore,
    Evidence,
    RunEnd,
    RunStore,
    ScheduleStates,
    TickEvidence,
    TickStore,
    UnknownActivity,
    migrate,
    open_engine,
)
from tests.registry.samples import definition, owner

NINE = datetime(2026, 11, 3, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def ticks(engine: Engine) -> TickStore:
    return TickStore(engine)


class Applied:
    """A definition that fires every minute, and questions about its ticks."""

    def __init__(self, ticks: TickStore, definitions: DefinitionStore) -> None:
        self.name = f"minutely-{uuid4().hex[:8]}"
        self._ticks = ticks
        self._definitions = definitions
        self.id = ""

    def apply(self, *, enabled: bool = True, **trigger: Any) -> None:
        given = {"type": "cron", "every": [{"interval": "1m"}], **trigger}
        made = definition(self.name, trigger=given, enabled=enabled)
        self.id = self._definitions.apply([made], "ada")[0].id

    def leave(self, *, deleted: bool) -> None:
        """Fire by schedule no more: not at all, or by events."""
        if deleted:
            self._definitions.remove([self.name], "ada", "not needed")
        else:
            self._definitions.apply([definition(self.name)], "ada")

    def ask(self, minute: int = 0, *, late: float = 1, kind: Any = "scheduled", by: str | None = None) -> DecidedTick:
        nominal = NINE + minute * MINUTE
        tick = Tick(kind, manual_key=f"k{minute}") if kind == "manual" else Tick(kind, nominal)
        asked = AskedTick(self.id, tick, by or owner(), f"workflow-{tick.id}")
        return self._ticks.decide(asked, nominal + timedelta(seconds=late))

    def begin(self, decided: DecidedTick, runs: RunStore) -> str:
        """Let the run that a tick started be planned."""
        assert decided.registered is not None
        run = tick_run_input(decided.registered, Tick("scheduled", decided.row.scheduled_for), decided.row.decided_at)
        assert run.run_id == decided.row.run_id
        runs.plan([run], owner(), lambda _: [])
        return run.run_id


@pytest.fixture
def minutely(ticks: TickStore, definitions: DefinitionStore) -> Applied:
    applied = Applied(ticks, definitions)
    applied.apply()
    return applied


def told(decided: DecidedTick) -> tuple[str, str | None]:
    return decided.row.decision, decided.row.reason


def end(runs: RunStore, run_id: str) -> None:
    runs.finish([], [RunEnd(run_id=run_id, status="cancelled")])


def test_a_tick_starts_a_run_of_the_version_in_force(minutely: Applied) -> None:
    decided = minutely.ask(late=2.5)
    assert told(decided) == ("started", None)
    assert decided.registered is not None
    assert (decided.registered.version, decided.row.version, decided.row.late_by) == (1, 1, 2.5)


def test_who_asks_again_is_told_the_same(minutely: Applied) -> None:
    me = owner()
    first, again, other = minutely.ask(by=me), minutely.ask(by=me, late=300), minutely.ask(late=300)
    assert first == again == other


def test_a_run_is_open_from_the_decision_on_until_it_is_seen_to_end(minutely: Applied, store: RunStore) -> None:
    first = minutely.ask(0)
    assert told(minutely.ask(1)) == ("skipped", "overlap")
    run_id = minutely.begin(first, store)
    assert told(minutely.ask(2)) == ("skipped", "overlap")
    end(store, run_id)
    assert told(minutely.ask(3)) == ("started", None)


def test_of_ticks_that_come_together_exactly_one_finds_no_run_open(minutely: Applied) -> None:
    minutely.apply(misfire={"policy": "fire_all"})
    with ThreadPoolExecutor(8) as pool:
        decisions = list(pool.map(minutely.ask, range(8)))
    assert sorted(told(decided) for decided in decisions) == [("skipped", "overlap")] * 7 + [("started", None)]


def test_a_tick_whose_run_never_began_keeps_the_others_away_only_until_that_is_known(
    minutely: Applied, ticks: TickStore
) -> None:
    decided = minutely.ask(0)
    assert ticks.unplanned(minutely.id, NINE) == []
    assert ticks.unplanned(minutely.id, NINE + MINUTE) == [decided.row]
    ticks.saw_end(minutely.id, [str(decided.row.run_id)])
    assert ticks.unplanned(minutely.id, NINE + MINUTE) == []
    assert told(minutely.ask(1)) == ("started", None)


def test_a_tick_that_waits_is_decided_about_again_and_its_turn_comes_in_order(
    minutely: Applied, store: RunStore
) -> None:
    minutely.apply(overlap="buffer_all")
    run_id = minutely.begin(minutely.ask(0), store)
    third, second = minutely.ask(2), minutely.ask(1)
    assert told(third) == told(second) == ("waiting", None)
    assert list(third.others) == [run_id]
    end(store, run_id)
    assert told(minutely.ask(2)) == ("waiting", None), "the one before it comes first"
    assert told(minutely.ask(1, late=500)) == ("started", None), "who waits is not late"
    assert told(minutely.ask(2)) == ("waiting", None)


def test_a_tick_that_ends_others_waits_for_their_end(minutely: Applied, store: RunStore) -> None:
    minutely.apply(overlap="cancel_other")
    run_id = minutely.begin(minutely.ask(0), store)
    second = minutely.ask(1)
    assert (second.row.decision, second.end_by, list(second.others)) == ("waiting", "cancel", [run_id])
    end(store, run_id)
    assert told(minutely.ask(1)) == ("started", None)


def test_a_tick_of_a_paused_disabled_or_reshaped_definition_is_skipped(
    minutely: Applied, definitions: DefinitionStore
) -> None:
    definitions.pause([minutely.name], "ada", "flood")
    assert told(minutely.ask(0)) == ("skipped", "paused")
    definitions.resume([minutely.name], "ada", None)
    minutely.apply(enabled=False)
    assert told(minutely.ask(1)) == ("skipped", "disabled")
    minutely.apply(every=[{"interval": "1h"}])
    assert told(minutely.ask(2)) == ("skipped", "not_scheduled")
    definitions.apply([definition(minutely.name)], "ada")
    assert told(minutely.ask(60)) == ("skipped", "not_scheduled")


@pytest.mark.parametrize("kind", ["scheduled", "manual", "backfill"])
def test_a_shadow_version_alone_starts_nothing_however_it_is_asked(
    minutely: Applied, definitions: DefinitionStore, kind: Any
) -> None:
    definitions.apply([], "ada", remove=[minutely.name])
    again = definition(minutely.name, trigger={"type": "cron", "every": [{"interval": "1m"}]})
    assert definitions.apply([again], "ada", shadow=True)[0].id == minutely.id
    assert told(minutely.ask(0, kind=kind)) == ("skipped", "disabled")
    definitions.promote(minutely.name, "ada")
    assert told(minutely.ask(1, kind=kind)) == ("started", None)


def test_a_tick_of_an_unknown_definition_is_refused(ticks: TickStore) -> None:
    with pytest.raises(UnknownActivity):
        ticks.decide(AskedTick(str(uuid4()), Tick("scheduled", NINE), owner(), "w"), NINE)


def test_a_backfill_decides_again_about_what_was_skipped_and_never_about_what_ran(minutely: Applied) -> None:
    minutely.apply(overlap="allow_all", misfire={"policy": "skip", "window": "1h"})
    assert told(minutely.ask(0, late=60)) == ("skipped", "misfire")
    started = minutely.ask(0, kind="backfill")
    assert (started.row.kind, *told(started)) == ("backfill", "started", None)
    assert minutely.ask(0, late=60).row == started.row, "the schedule's own question has its answer too"
    ran = minutely.ask(1)
    assert minutely.ask(1, kind="backfill").row == ran.row


def test_a_manual_tick_is_known_by_its_key(minutely: Applied) -> None:
    first = minutely.ask(kind="manual")
    assert minutely.ask(kind="manual").row == first.row
    assert (first.row.tick, first.row.scheduled_for, first.row.late_by) == ("manual:k0", None, 0.0)


def test_a_tick_whose_workflow_is_gone_is_given_up_and_keeps_no_other_waiting(
    minutely: Applied, ticks: TickStore, store: RunStore
) -> None:
    minutely.apply(overlap="buffer_all")
    run_id = minutely.begin(minutely.ask(0), store)
    gone, patient = minutely.ask(1), minutely.ask(2)
    end(store, run_id)
    mine = [row for row in ticks.long_waiting(NINE + 3 * MINUTE, 1000) if row.activity_id == minutely.id]
    assert mine == [gone.row, patient.row]
    ticks.give_up(gone.row, NINE + 3 * MINUTE)
    assert told(minutely.ask(2)) == ("started", None)
    assert told(minutely.ask(1)) == ("skipped", "lost")


def test_the_newest_tick_is_known_and_old_ones_are_forgotten(minutely: Applied, ticks: TickStore) -> None:
    minutely.ask(0)
    minutely.ask(10)
    minutely.ask(5)
    minutely.ask(kind="manual", minute=20)
    assert ticks.latest([minutely.id, str(uuid4())]) == {minutely.id: NINE + 10 * MINUTE}
    while ticks.forget(NINE + 7 * MINUTE, limit=2):
        pass
    assert ticks.latest([minutely.id]) == {minutely.id: NINE + 10 * MINUTE}
    assert told(minutely.ask(5)) == ("skipped", "overlap"), "it was forgotten, and is decided about anew"


@pytest.mark.parametrize("leaves", ["deleted", "started by events"])
def test_what_a_schedule_that_is_no_more_started_is_forgotten_unless_it_runs(
    minutely: Applied, ticks: TickStore, store: RunStore, engine: Engine, leaves: str
) -> None:
    minutely.apply(overlap="allow_all")
    never_began, running, ended = (minutely.ask(minute) for minute in range(3))
    run_id, other = minutely.begin(running, store), minutely.begin(ended, store)
    end(store, other)

    def remembered() -> set[str]:
        while ticks.forget(NINE + 7 * MINUTE, limit=2):
            pass
        return {row.tick for row in TickEvidence(engine).recent(minutely.id, 10)}

    assert remembered() == {never_began.row.tick, running.row.tick}, "the next tick asks about what never began"
    minutely.leave(deleted=leaves == "deleted")
    assert remembered() == {running.row.tick}
    end(store, run_id)
    assert remembered() == set()


def test_every_run_that_never_began_is_looked_at_in_its_turn(minutely: Applied, ticks: TickStore) -> None:
    minutely.apply(overlap="allow_all")
    asked = {minutely.ask(minute).row.tick for minute in range(3)}
    seen = {row.tick for _ in range(200) for row in ticks.unplanned(minutely.id, NINE + 5 * MINUTE, limit=1)}
    assert seen == asked


def test_the_latest_ticks_are_told_with_those_by_hand_among_them(minutely: Applied, engine: Engine) -> None:
    for minute in (0, 2, 1):
        minutely.ask(minute)
    by_hand = minutely.ask(kind="manual", minute=1, late=30)
    evidence = TickEvidence(engine)
    assert [row.tick for row in evidence.recent(minutely.id, 3)] == [
        "tick:2026-11-03T09:02:00Z",
        by_hand.row.tick,
        "tick:2026-11-03T09:01:00Z",
    ]
    assert [row.tick for row in evidence.latest([minutely.id])] == ["tick:2026-11-03T09:02:00Z"]


def test_the_latest_tick_is_found_where_the_database_sorts_by_a_language(stack: Any) -> None:
    engine = open_engine(stack.database("LOCALE_PROVIDER icu ICU_LOCALE 'en-US' TEMPLATE template0"))
    migrate(engine)
    ticks = TickStore(engine)
    minutely = Applied(ticks, DefinitionStore(engine))
    minutely.apply()
    minutely.ask(0)
    minutely.ask(kind="manual", minute=3)
    assert ticks.latest([minutely.id]) == {minutely.id: NINE}
    assert [row.scheduled_for for row in TickEvidence(engine).latest([minutely.id])] == [NINE]
    engine.dispose()


def test_definitions_that_fire_by_schedule_are_told_with_how_they_stand(
    minutely: Applied, definitions: DefinitionStore, engine: Engine
) -> None:
    assert minutely.name in [item.definition.name for item in Evidence(engine).not_asked()], "no event is asked of it"
    states = ScheduleStates(engine)

    def mine(since: int | None) -> Callable[[Any], bool]:
        return lambda item: item.activity_id == minutely.id

    [first] = filter(mine(None), states.changes(None).scheduled)
    assert (first.name, first.state, first.by) == (minutely.name, "enabled", "ada")
    before = states.revision()
    definitions.pause([minutely.name], "bob", "flood")
    changes = states.changes(before)
    [paused] = filter(mine(before), changes.scheduled)
    assert (paused.state, paused.by, paused.reason) == ("paused", "bob", "flood")
    assert paused.since > first.since
    definitions.apply([definition(minutely.name)], "ada")
    assert minutely.id in states.changes(changes.revision).unscheduled


def test_a_deleted_definition_and_a_shadow_version_alone_have_no_schedule(
    minutely: Applied, definitions: DefinitionStore, ticks: TickStore, engine: Engine
) -> None:
    states = ScheduleStates(engine)
    before = states.revision()
    definitions.apply([], "ada", remove=[minutely.name])
    assert minutely.id in states.changes(before).unscheduled
    assert told(minutely.ask(0)) == ("skipped", "deleted")
    shadow = definition(f"shadow-{uuid4().hex[:8]}", trigger={"type": "cron", "cron": ["@daily"]})
    before = states.revision()
    [applied] = definitions.apply([shadow], "ada", shadow=True)
    assert applied.id in states.changes(before).unscheduled
    soon = datetime.now(UTC) + MINUTE
    [line] = TickEvidence(engine).lines(soon, soon, [shadow.name])
    assert line.state == "disabled", "an audit would miss ticks that nobody brings"
    definitions.apply([shadow], "ada")
    assert applied.id in [item.activity_id for item in states.changes(before).scheduled]
