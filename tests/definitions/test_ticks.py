"""The run that follows from a tick, and what it is known by."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from taskfactory.definitions import RegisteredDefinition, Tick, explain, tick_run_input
from taskfactory.definitions.definition_set import DefinitionSet
from taskfactory.definitions.explaining import FiresBySchedule
from tests.definitions.samples import EVENT, registered

NINE = datetime(2026, 11, 3, 9, tzinfo=UTC)
NIGHTLY: RegisteredDefinition = registered("nightly", trigger={"type": "cron", "cron": ["@daily"]})


def test_a_tick_is_known_by_its_nominal_time_in_utc() -> None:
    berlin = NINE.astimezone(timezone(timedelta(hours=1)))
    assert Tick("scheduled", berlin).id == Tick("backfill", NINE).id == "tick:2026-11-03T09:00:00Z"


def test_a_tick_and_its_backfill_are_one_run_and_a_manual_one_is_another() -> None:
    scheduled = tick_run_input(NIGHTLY, Tick("scheduled", NINE), NINE, 2.5)
    backfill = tick_run_input(NIGHTLY, Tick("backfill", NINE), NINE + timedelta(days=1))
    manual = tick_run_input(NIGHTLY, Tick("manual", manual_key="k"), NINE)
    assert scheduled.run_id == backfill.run_id != manual.run_id
    assert [run.kind for run in (scheduled, backfill, manual)] == ["scheduled", "backfill", "manual"]


def test_expressions_see_when_the_tick_was_due_and_how_late_it_is() -> None:
    run = tick_run_input(NIGHTLY, Tick("scheduled", NINE), NINE + timedelta(seconds=2.5), 2.5)
    assert run.event == {
        "specversion": "1.0",
        "id": "tick:2026-11-03T09:00:00Z",
        "source": "/taskfactory/schedules/nightly",
        "type": "io.taskfactory.schedule.tick",
        "subject": "nightly",
        "time": "2026-11-03T09:00:00Z",
        "datacontenttype": "application/json",
        "data": {"scheduled_for": "2026-11-03T09:00:00Z", "kind": "scheduled", "late_by": 2.5},
    }
    assert run.trigger.model_dump(exclude_none=True) == {
        name: run.event[name] for name in ("source", "id", "type", "subject", "time")
    }


def test_a_manual_tick_happens_when_it_is_decided_about() -> None:
    run = tick_run_input(NIGHTLY, Tick("manual", manual_key="k"), NINE + timedelta(milliseconds=1))
    assert (run.event["id"], run.event["time"]) == ("manual:k", "2026-11-03T09:00:00.001000Z")


def test_what_is_neither_due_nor_asked_for_is_no_tick() -> None:
    with pytest.raises(ValueError, match="is no tick"):
        Tick("manual", NINE)
    with pytest.raises(ValueError, match="is no tick"):
        Tick("scheduled", manual_key="k")
    with pytest.raises(ValueError, match="is no tick"):
        Tick("backfill", NINE, "k")


def test_no_event_starts_a_definition_that_fires_by_schedule() -> None:
    events = registered()
    known = DefinitionSet([NIGHTLY, events])
    assert known.definitions == (events,)
    assert len(known.evaluate(EVENT, "t")) == 1
    assert explain([NIGHTLY], EVENT, "t") == [FiresBySchedule(NIGHTLY)]


def test_a_definition_that_comes_to_fire_by_schedule_takes_no_events_any_more() -> None:
    before = registered()
    after = RegisteredDefinition(before.id, 2, NIGHTLY.definition)
    assert DefinitionSet([before]).changed([after]).definitions == ()
