"""What an author may write as the times of a definition, and what is said about the rest."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.definitions import (
    CronTrigger,
    InvalidDefinitions,
    load_definitions,
    parse_definition,
    trusted_definition,
)
from taskfactory.definitions.calendar_fields import FIELDS, CalendarField, parse_cron, parse_field
from taskfactory.definitions.schedule_spec import IntervalSpec, Range
from tests.definitions.samples import document

HOURLY = {"type": "cron", "cron": ["0 * * * *"]}


def problems(**fields: Any) -> list[str]:
    with pytest.raises(InvalidDefinitions) as caught:
        parse_definition(document(**{"trigger": HOURLY, **fields}), "row")
    return [str(error).removeprefix("row: ") for error in caught.value.errors]


def trigger(**fields: Any) -> CronTrigger:
    definition = parse_definition(document(trigger={"type": "cron", **fields}))
    assert isinstance(definition.trigger, CronTrigger)
    return definition.trigger


def trigger_problems(**fields: Any) -> list[str]:
    return problems(trigger={"type": "cron", **fields})


def test_the_canonical_form_of_a_cron_definition_is_read_back_as_the_same() -> None:
    text = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: nightly
trigger:
  type: cron
  cron: ["30 2 * * MON-FRI", "@monthly"]
  every: [{interval: 1h30m, offset: 5m}]
  calendars: [{hour: 9, minute: "*/15", year: 2026-2030}]
  exclude: ["2026-12-25", {day_of_week: SUN}]
  start: 2026-01-01T00:00:00Z
  end: 2027-01-01T00:00:00+01:00
  timezone: Europe/Berlin
  jitter: 30s
  overlap: buffer_one
  misfire: {policy: fire_all, window: 6h}
tasks: [{name: a, type: activity, handler: h, queue: q}]
"""
    [definition] = load_definitions(text, "x")
    canonical = definition.to_dict()
    assert parse_definition(canonical) == definition == trusted_definition(canonical)
    assert parse_definition(canonical).to_dict() == canonical
    assert "dedupe" not in canonical


def test_what_is_not_said_has_its_default() -> None:
    assert trigger(cron=["@daily"]).model_dump() == {
        "type": "cron",
        "cron": ("@daily",),
        "exclude": (),
        "timezone": "UTC",
        "overlap": "skip",
        "misfire": {"policy": "fire_once", "window": "1h"},
    }


def test_names_ranges_steps_and_lists_come_to_numbers() -> None:
    spec = parse_cron("*/20,5 9-17/4 * jan,MAR-may *")
    assert spec.minute == (Range(0, 59, 20), Range(5, 5))
    assert spec.hour == (Range(9, 17, 4),)
    assert spec.month == (Range(1, 1), Range(3, 5))
    assert spec.second == (Range(0, 0),)
    assert parse_cron("10/20 0 * * *").minute == (Range(10, 50, 20),)


def test_sunday_is_0_and_7() -> None:
    assert parse_cron("0 0 * * 7").day_of_week == parse_cron("0 0 * * SUN").day_of_week == (Range(0, 0),)
    assert {day for day in range(7) if any(day in span for span in parse_cron("0 0 * * 5-7").day_of_week)} == {0, 5, 6}


def test_an_excluded_date_is_excluded_all_day() -> None:
    [day] = trigger(cron=["@hourly"], exclude=["2026-12-25"]).spec.exclude
    assert (day.hour, day.minute, day.second) == ((Range(0, 23),), (Range(0, 59),), (Range(0, 59),))
    assert (day.year, day.month, day.day_of_month) == ((Range(2026, 2026),), (Range(12, 12),), (Range(25, 25),))


def test_intervals_and_bounds_come_to_seconds_and_moments() -> None:
    written = trigger(every=[{"interval": "1h30m", "offset": "5m"}], start="2026-03-01T01:00:00+01:00", jitter="500ms")
    assert written.spec.intervals == (IntervalSpec(5400, 300),)
    assert written.spec.start == datetime(2026, 3, 1, tzinfo=UTC)
    assert written.spec.jitter == timedelta(milliseconds=500)


def test_an_expression_that_restricts_both_kinds_of_days_is_refused_with_both_ways_out() -> None:
    [message] = trigger_problems(cron=["0 9 1 * MON"])
    assert message == (
        "trigger.cron[0]: found '0 9 1 * MON', which restricts both day of month and day of week: cron fires when "
        "either holds, Temporal when both do. For either, write two expressions, '0 9 1 * *' and '0 9 * * MON'; for "
        "both, one of `calendars` with day_of_month: '1' and day_of_week: 'MON'"
    )


@pytest.mark.parametrize("expression", ["0 9 1-31 * MON", "0 9 */1 * MON", "0 9 1 * 0-6", "0 9 1 * 1-7"])
def test_a_field_that_takes_every_day_restricts_nothing(expression: str) -> None:
    parse_cron(expression)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "trigger: found no times; required is at least one of cron, every, calendars"),
        ({"cron": ["0 9 * *"]}, "trigger.cron[0]: found '0 9 * *' with 4 fields; allowed are five (minute, hour, day "),
        ({"cron": ["0 0 9 * * * 2026"]}, "trigger.cron[0]: found '0 0 9 * * * 2026' with 7 fields; allowed are five "),
        ({"cron": [5]}, "trigger.cron[0]: found 5; allowed is a cron expression such as '0 9 * * MON-FRI', or @daily"),
        ({"cron": ["60 * * * *"]}, "trigger.cron[0]: found '60' in '60' as minute; allowed are numbers from 0 to 59"),
        ({"cron": ["0 9 * * FRI-MON"]}, "trigger.cron[0]: found 'FRI-MON' as day_of_week, a range that goes backwards"),
        ({"cron": ["0 9 * * MOO"]}, "trigger.cron[0]: found 'MOO' in 'MOO' as day_of_week; allowed are numbers from 0"),
        ({"cron": ["0/0 * * * *"]}, "trigger.cron[0]: found the step 0 in '0/0' as minute; allowed is 1 to 59"),
        ({"cron": ["*-5 * * * *"]}, "trigger.cron[0]: found '*-5' as minute; allowed are numbers from 0 to 59, with *"),
        ({"cron": ["0 0 30 2 *"]}, "trigger.cron[0]: found '0 0 30 2 *', which never fires: none of its months has"),
        ({"cron": ["@reboot"]}, "trigger.cron[0]: found '@reboot'; allowed here are @yearly"),
        ({"cron": ["@every 5m"]}, "trigger.cron[0]: found '@every 5m'; intervals have a field of their own"),
        ({"cron": ["TZ=UTC 0 9 * * *"]}, "trigger.cron[0]: found 'TZ=UTC 0 9 * * *'; the zone has a field of its own"),
        ({"cron": []}, "trigger.cron: found [] with 0 elements; allowed are at least 1"),
        ({"every": [{"interval": "1500ms"}]}, "trigger.every[0].interval: found '1500ms'; allowed are whole seconds"),
        ({"every": [{"interval": "5m", "offset": "5m"}]}, "trigger.every[0]: found offset 5m, not shorter than the"),
        ({"every": [{"interval": "0s"}]}, "trigger.every[0].interval: found '0s'; allowed is a duration from 1ms"),
        ({"calendars": [{"hour": 24}]}, "trigger.calendars[0].hour: found '24' in '24' as hour; allowed are numbers"),
        ({"calendars": [{"hour": True}]}, "trigger.calendars[0].hour: found true; allowed are numbers from 0 to 23"),
        ({"calendars": [{"hours": 9}]}, "trigger.calendars[0].hours: unknown field 'hours'; did you mean 'hour'?"),
        ({"calendars": [{"month": 2, "day_of_month": "30,31"}]}, "trigger.calendars[0]: found month 2 with day_of_mon"),
        ({**HOURLY, "exclude": ["25.12.2026"]}, "trigger.exclude[0]: found '25.12.2026'; allowed is a date such as"),
        ({**HOURLY, "exclude": ["2026-W52-5"]}, "trigger.exclude[0]: found '2026-W52-5'; allowed is a date such as"),
        ({**HOURLY, "exclude": [5]}, "trigger.exclude[0]: found 5; allowed is a date such as '2026-12-25', or a cal"),
        ({**HOURLY, "exclude": ["1999-01-01"]}, "trigger.exclude[0]: found 1999-01-01; allowed are the years 2000 to"),
        (
            {**HOURLY, "timezone": "Mars/Olympus"},
            "trigger.timezone: found 'Mars/Olympus'; allowed is an IANA time zone",
        ),
        ({**HOURLY, "timezone": "../etc"}, "trigger.timezone: found '../etc'; allowed is an IANA time zone"),
        ({**HOURLY, "timezone": "Europe"}, "trigger.timezone: found 'Europe'; allowed is an IANA time zone"),
        ({**HOURLY, "start": "tomorrow"}, "trigger.start: found 'tomorrow'; allowed is an RFC 3339 timestamp like"),
        (
            {**HOURLY, "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
            "trigger: found end 2026-01-01T00:00:00Z, not after start 2026-01-01T00:00:00Z",
        ),
        ({**HOURLY, "overlap": "queue"}, "trigger.overlap: found 'queue'; allowed here are 'skip', 'buffer_one', "),
        ({**HOURLY, "misfire": {"policy": "x"}}, "trigger.misfire.policy: found 'x'; allowed here are 'skip', "),
    ],
)
def test_a_mistake_is_told_at_its_place_with_what_is_allowed(fields: dict[str, Any], message: str) -> None:
    [told] = trigger_problems(**fields)
    assert told.startswith(message)


def test_dedupe_is_refused_where_ticks_start_runs() -> None:
    assert problems(dedupe={"key": "subject"}) == [
        "dedupe: found dedupe with a cron trigger; every tick starts one run, so leave it out"
    ]


def test_an_unknown_type_of_trigger_is_told_alone() -> None:
    assert problems(trigger={"type": "clock", "cron": 5}) == [
        "trigger.type: found 'clock'; allowed here are 'event', 'cron'"
    ]


_FIELDS = st.sampled_from(list(FIELDS.values()))


@st.composite
def _parts(draw: st.DrawFn) -> tuple[CalendarField, str, set[int]]:
    field = draw(_FIELDS)
    first, last = sorted(draw(st.lists(st.integers(field.lowest, field.highest), min_size=2, max_size=2)))
    step = draw(st.integers(1, field.highest))
    text, taken = draw(
        st.sampled_from(
            [
                ("*", range(field.lowest, field.highest + 1)),
                (str(first), range(first, first + 1)),
                (f"{first}-{last}", range(first, last + 1)),
                (f"{first}-{last}/{step}", range(first, last + 1, step)),
                (f"*/{step}", range(field.lowest, field.highest + 1, step)),
                (f"{first}/{step}", range(first, field.highest + 1, step)),
            ]
        )
    )
    return field, text, set(taken)


@given(_parts(), _parts())
def test_a_field_takes_exactly_the_numbers_that_its_parts_name(
    one: tuple[CalendarField, str, set[int]], other: tuple[CalendarField, str, set[int]]
) -> None:
    field, text, taken = one
    if other[0] is field:
        text, taken = f"{text},{other[1]}", taken | other[2]
    ranges = parse_field(field, text)
    assert {n for n in range(field.highest + 2) if any(n in span for span in ranges)} == taken
