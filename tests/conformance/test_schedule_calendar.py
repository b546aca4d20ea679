"""Our calendar against the real Temporal's, which is the one that counts: it is what fires."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleRange,
    ScheduleState,
)
from temporalio.client import ScheduleSpec as TemporalSpec

from taskfactory.definitions.calendar import next_ticks, ticks
from taskfactory.definitions.calendar_fields import parse_cron
from taskfactory.definitions.schedule_spec import CalendarSpec, IntervalSpec, Range, Ranges, ScheduleSpec
from tests.conftest import RunningStack

CHANGES = {
    "Europe/Berlin": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "Europe/London": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "America/New_York": ("2026-03-08T07:00", "2026-11-01T06:00"),
    "America/Havana": ("2026-03-08T05:00", "2026-11-01T05:00"),  # at midnight
    "America/St_Johns": ("2026-03-08T05:30", "2026-11-01T04:30"),
    "Australia/Lord_Howe": ("2026-10-03T15:30", "2026-04-04T15:00"),  # by half an hour
    "Pacific/Chatham": ("2026-09-26T14:00", "2026-04-04T14:00"),
    "UTC": ("2028-02-29T00:00",),
}
"""When clocks change, in UTC: put forward, put back."""
MOST = 1_000
"""The server lists no more."""


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Temporal:
    """What a real server says of a schedule."""

    def __init__(self, runner: asyncio.Runner, client: Client) -> None:
        self._runner = runner
        self._client = client

    def ticks(self, spec: ScheduleSpec, after: datetime, until: datetime) -> list[datetime]:
        return self._runner.run(self._ticks(spec, after, until))

    async def _ticks(self, spec: ScheduleSpec, after: datetime, until: datetime) -> list[datetime]:
        name = f"calendar-{uuid4().hex}"
        action = ScheduleActionStartWorkflow("Nothing", id=name, task_queue=name)
        schedule = await self._client.create_schedule(
            name, Schedule(action, as_temporal_takes_it(spec), state=ScheduleState(paused=True))
        )
        try:
            request = ListScheduleMatchingTimesRequest(namespace=self._client.namespace, schedule_id=name)
            request.start_time.FromDatetime(after)
            request.end_time.FromDatetime(until)
            answer = await self._client.workflow_service.list_schedule_matching_times(
                request, timeout=timedelta(seconds=10)
            )
            return [time.ToDatetime(tzinfo=UTC) for time in answer.start_time]
        finally:
            await schedule.delete()


@pytest.fixture(scope="module")
def temporal(stack: RunningStack) -> Iterator[Temporal]:
    with asyncio.Runner() as runner:
        yield Temporal(runner, runner.run(Client.connect(stack.endpoints.temporal_address)))


def as_temporal_takes_it(spec: ScheduleSpec) -> TemporalSpec:
    return TemporalSpec(
        calendars=[_calendar(each) for each in spec.calendars],
        intervals=[
            ScheduleIntervalSpec(timedelta(seconds=i.every), timedelta(seconds=i.offset)) for i in spec.intervals
        ],
        skip=[_calendar(each) for each in spec.exclude],
        start_at=spec.start,
        end_at=spec.end,
        time_zone_name=spec.timezone,
    )


def _calendar(spec: CalendarSpec) -> ScheduleCalendarSpec:
    def ranges(values: Ranges) -> list[ScheduleRange]:
        return [ScheduleRange(each.start, each.end, each.step) for each in values]

    return ScheduleCalendarSpec(
        second=ranges(spec.second),
        minute=ranges(spec.minute),
        hour=ranges(spec.hour),
        day_of_month=ranges(spec.day_of_month),
        month=ranges(spec.month),
        year=ranges(spec.year),
        day_of_week=ranges(spec.day_of_week),
    )


def some_of(low: int, high: int, at_most: int) -> st.SearchStrategy[Ranges]:
    span = st.tuples(st.integers(low, high), st.integers(low, high), st.integers(1, 7)).map(
        lambda each: Range(min(each[:2]), max(each[:2]), each[2])
    )
    one = st.integers(low, high).map(lambda value: Range(value, value))
    return st.lists(one | span, min_size=1, max_size=at_most, unique=True).map(tuple)


def usually_all(low: int, high: int, at_most: int) -> st.SearchStrategy[Ranges]:
    return st.just((Range(low, high),)) | some_of(low, high, at_most)


CALENDARS = st.builds(
    CalendarSpec,
    second=st.just((Range(0, 0),)) | st.integers(0, 59).map(lambda value: (Range(value, value),)),
    minute=some_of(0, 59, 2),
    hour=usually_all(0, 23, 3) | some_of(0, 4, 3),
    day_of_month=usually_all(1, 31, 4),
    month=usually_all(1, 12, 4),
    day_of_week=usually_all(0, 6, 3),
    year=st.just((Range(2000, 2100),)),
)
INTERVALS = st.integers(300, 20_000).flatmap(
    lambda every: st.builds(IntervalSpec, st.just(every), st.integers(0, every - 1))
)


@st.composite
def questions(draw: st.DrawFn) -> tuple[ScheduleSpec, datetime, datetime]:
    """A schedule, and a time around a change of its zone's clock."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    change = moment(draw(st.sampled_from(CHANGES[zone])))
    calendars = draw(st.lists(CALENDARS, max_size=2))
    intervals = draw(st.lists(INTERVALS, min_size=0 if calendars else 1, max_size=1))
    around = st.integers(-60 * 60, 2 * 24 * 60 * 60).map(lambda seconds: timedelta(seconds=seconds))
    after = change - draw(around)
    until = max(after, change + draw(around))
    bound = st.none() | st.builds(lambda seconds: after + seconds, around)
    spec = ScheduleSpec(
        calendars=tuple(calendars),
        intervals=tuple(intervals),
        exclude=tuple(draw(st.lists(CALENDARS, max_size=1))),
        start=draw(bound),
        end=draw(bound),
        timezone=zone,
        jitter=timedelta(0),
    )
    return spec, after, until


def test_ticks_are_those_of_the_real_temporal_around_every_change_of_the_clock(temporal: Temporal) -> None:
    @given(questions())
    def holds(question: tuple[ScheduleSpec, datetime, datetime]) -> None:
        spec, after, until = question
        # Where everything is excluded, the server searches on until the year 2100 and answers nobody.
        assume(next_ticks(spec, until, 1) or spec.end is not None)
        theirs = temporal.ticks(spec, after, until)
        ours = list(ticks(spec, after, until))
        assert ours[:MOST] == theirs
        assert next_ticks(spec, after, len(theirs)) == theirs

    holds()


def daily(expression: str, zone: str) -> ScheduleSpec:
    return ScheduleSpec((parse_cron(expression),), (), (), None, None, zone, timedelta(0))


@pytest.mark.parametrize(
    ("expression", "zone", "expected"),
    [
        ("30 2 * * *", "Europe/Berlin", []),
        ("30 2 * * *", "America/New_York", []),
        ("0 * * * *", "Europe/Berlin", ["00:00", "01:00", "02:00"]),  # 01:00, 03:00, 04:00 on the wall
        ("15 2 * * *", "Australia/Lord_Howe", ["15:45"]),  # 02:45 on the wall
    ],
)
def test_a_local_time_that_the_clock_leaves_out_does_not_fire(
    temporal: Temporal, expression: str, zone: str, expected: list[str]
) -> None:
    change = moment(CHANGES[zone][0])
    span = change - timedelta(hours=1, minutes=1), change + timedelta(hours=1)
    ours = list(ticks(daily(expression, zone), *span))
    assert [tick.strftime("%H:%M") for tick in ours] == expected
    assert ours == temporal.ticks(daily(expression, zone), *span)


@pytest.mark.parametrize(
    ("expression", "zone", "expected"),
    [
        # West of Greenwich both of a repeated time.
        ("30 1 * * *", "America/New_York", ["05:30", "06:30"]),
        ("30 * * * *", "America/New_York", ["04:30", "05:30", "06:30", "07:30"]),
        # East of it, as Temporal has it: the hour before the repeated one twice, of the repeated one the second.
        ("30 1 * * *", "Europe/Berlin", ["23:30", "00:30"]),
        ("30 2 * * *", "Europe/Berlin", ["01:30"]),
        ("30 * * * *", "Europe/Berlin", ["23:30", "00:30", "02:30"]),
    ],
)
def test_a_local_time_that_the_clock_shows_twice_fires_as_temporal_has_it(
    temporal: Temporal, expression: str, zone: str, expected: list[str]
) -> None:
    change = moment(CHANGES[zone][1])
    span = change - timedelta(hours=2), change + timedelta(hours=2)
    ours = list(ticks(daily(expression, zone), *span))
    assert [tick.strftime("%H:%M") for tick in ours] == expected
    assert ours == temporal.ticks(daily(expression, zone), *span)


def test_intervals_know_no_clock_changes(temporal: Temporal) -> None:
    spec = ScheduleSpec((), (IntervalSpec(3_600, 900),), (), None, None, "Europe/Berlin", timedelta(0))
    change = moment(CHANGES["Europe/Berlin"][1])
    span = change - timedelta(hours=3), change + timedelta(hours=3)
    ours = list(ticks(spec, *span))
    assert [tick.strftime("%H:%M") for tick in ours] == ["22:15", "23:15", "00:15", "01:15", "02:15", "03:15"]
    assert ours == temporal.ticks(spec, *span)
