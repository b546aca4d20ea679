"""What needs no server; `tests/conformance/test_schedule_calendar.py` compares with the real one."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from taskfactory.definitions import CronTrigger
from taskfactory.definitions.calendar import next_ticks, ticks
from taskfactory.definitions.calendar_fields import calendar_spec, parse_cron
from taskfactory.definitions.schedule_spec import IntervalSpec, ScheduleSpec

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
HALF_YEAR = timedelta(days=190)


def schedule(
    *expressions: str, every: tuple[IntervalSpec, ...] = (), exclude: tuple[dict[str, str], ...] = (), zone: str = "UTC"
) -> ScheduleSpec:
    calendars = tuple(map(parse_cron, expressions))
    return ScheduleSpec(calendars, every, tuple(map(calendar_spec, exclude)), None, None, zone, timedelta(0))


def test_a_tick_at_the_end_of_the_range_counts_and_one_at_its_beginning_does_not() -> None:
    spec = schedule("0 * * * *")
    assert list(ticks(spec, NOON, NOON + timedelta(hours=2))) == [NOON + timedelta(hours=hour) for hour in (1, 2)]


def test_a_tick_that_two_expressions_give_is_one_tick() -> None:
    spec = schedule("0 * * * *", "0 */2 * * *", every=(IntervalSpec(3_600),))
    assert next_ticks(spec, NOON, 2) == [NOON + timedelta(hours=1), NOON + timedelta(hours=2)]


def test_both_restrictions_of_days_hold_together() -> None:
    friday_the_13th = ScheduleSpec(
        (calendar_spec({"hour": "0", "minute": "0", "day_of_month": "13", "day_of_week": "FRI"}),),
        (),
        (),
        None,
        None,
        "UTC",
        timedelta(0),
    )
    assert [tick.date().isoformat() for tick in next_ticks(friday_the_13th, NOON, 2)] == ["2026-11-13", "2027-08-13"]


def test_a_rare_day_is_found_years_ahead() -> None:
    assert next_ticks(schedule("0 0 29 2 *", zone="Europe/Berlin"), NOON, 2) == [
        datetime(2028, 2, 28, 23, tzinfo=UTC),
        datetime(2032, 2, 28, 23, tzinfo=UTC),
    ]


def test_a_schedule_that_excludes_all_of_its_times_has_no_next_one() -> None:
    everything = {"minute": "*", "hour": "*", "second": "*"}
    assert next_ticks(schedule(every=(IntervalSpec(1),), exclude=(everything,)), NOON, 1) == []


@pytest.mark.parametrize(
    ("times", "exclude", "allowed"),
    [
        ({"cron": ["0 9 * * MON"]}, [{"day_of_week": "MON-FRI"}], False),
        ({"cron": ["0 9 * * MON"]}, [{"hour": "9", "day_of_week": "TUE"}, {"hour": "8-10"}], False),
        ({"every": [{"interval": "5m"}]}, [{}], False),
        ({"cron": ["0 9 * * MON"], "every": [{"interval": "5m"}]}, [{"day_of_week": "MON"}], True),
        ({"cron": ["0 9 * * MON", "0 9 * * TUE"]}, [{"day_of_week": "MON"}], True),
        ({"cron": ["0 9 * * *"]}, ["2026-12-25", {"day_of_week": "SUN"}], True),
    ],
)
def test_a_trigger_that_excludes_all_of_its_times_is_refused(times: Any, exclude: Any, allowed: bool) -> None:  # noqa: FBT001
    document = {"type": "cron", **times, "exclude": exclude}
    if allowed:
        assert next_ticks(CronTrigger.model_validate(document).spec, NOON, 1)
        return
    with pytest.raises(ValidationError, match="leaves out every time"):
        CronTrigger.model_validate(document)


def test_nothing_comes_after_the_year_2100() -> None:
    last_day = datetime(2100, 12, 31, 12, tzinfo=UTC)
    assert next_ticks(schedule("0 0 * * *"), last_day, 3) == []
    assert next_ticks(schedule(every=(IntervalSpec(86_400),)), last_day, 3) == []


@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "UTC"]),
    st.sampled_from(["*/20 * * * *", "30 2 * * *", "0 0 * * SUN", "15 1-3 * * *", "59 23 31 * *"]),
    st.integers(0, 100_000),
)
def test_a_range_in_two_parts_has_the_ticks_of_the_whole(zone: str, expression: str, place: int) -> None:
    spec = schedule(expression, every=(IntervalSpec(50_000, 7),), zone=zone)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    whole = list(ticks(spec, start, start + timedelta(days=365)))
    # At a tick, as a schedule goes on: within an hour that is repeated, Temporal's answer depends on where one begins.
    cut = whole[place % len(whole)]
    assert [*ticks(spec, start, cut), *ticks(spec, cut, start + timedelta(days=365))] == whole
    assert all(earlier < later for earlier, later in pairwise(whole))
