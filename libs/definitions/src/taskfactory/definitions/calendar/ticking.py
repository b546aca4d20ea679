"""A schedule's ticks: the union of its calendars and intervals, less what it excludes, between its start and its end.

Ticks are whole seconds. Jitter is no part of this: it moves when a tick fires, not which tick it is.

While the clock of the zone is steady, ticks are computed in bulk. Around its changes they are searched one after the
other, each from the one before it in the whole union, because there the server's answer depends on where it starts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from heapq import merge
from typing import Final

from taskfactory.definitions.calendar.calendar import DAY, HOUR, Calendar
from taskfactory.definitions.calendar.wall_clock import WallClock
from taskfactory.definitions.schedule_spec import MAX_YEAR, MIN_YEAR, IntervalSpec, ScheduleSpec

MARGIN: Final = 4 * HOUR
"""So far from a change of the clock no search comes by it."""
STRIDES: Final = (16 * DAY, DAY)
"""Bulks; none spans two changes of the clock."""
MAX_EXCLUDED_IN_A_ROW: Final = 200_000
"""What excludes more is taken to exclude everything. Temporal searches on until the year 2100, and its scheduler, which
has a second for that, does nothing else from then on."""
_ALWAYS: Final = Calendar(
    seconds=frozenset(range(60)),
    minutes=frozenset(range(60)),
    hours=frozenset(range(24)),
    days_of_month=frozenset(range(1, 32)),
    months=frozenset(range(1, 13)),
    days_of_week=frozenset(range(7)),
    years=frozenset(range(MIN_YEAR, MAX_YEAR + 1)),
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_LAST: Final = (datetime(MAX_YEAR + 1, 1, 1, tzinfo=UTC) - _EPOCH) // _SECOND - 1


@dataclass(frozen=True)
class _Schedule:
    """A spec, ready to be computed with."""

    clock: WallClock
    calendars: tuple[Calendar, ...]
    intervals: tuple[IntervalSpec, ...]
    excluded: tuple[Calendar, ...]


def ticks(spec: ScheduleSpec, after: datetime, until: datetime) -> Iterator[datetime]:
    """Ticks in order.

    Args:
        spec: the schedule.
        after: aware; ticks are later than this.
        until: aware; the last moment that counts.

    Returns:
        Aware times in UTC, whole seconds.
    """
    return (
        datetime.fromtimestamp(tick, UTC)
        for tick, is_excluded in _union_with_excluded(_ready(spec), *_bounds(spec, after, until))
        if not is_excluded
    )


def next_ticks(spec: ScheduleSpec, after: datetime, count: int) -> list[datetime]:
    """The first ticks later than `after`; fewer than `count` if the schedule ends, or excludes all that comes."""
    found: list[datetime] = []
    in_a_row = 0
    for tick, is_excluded in _union_with_excluded(_ready(spec), *_bounds(spec, after, None)):
        in_a_row = in_a_row + 1 if is_excluded else 0
        if len(found) == count or in_a_row > MAX_EXCLUDED_IN_A_ROW:
            break
        if not is_excluded:
            found.append(datetime.fromtimestamp(tick, UTC))
    return found


def excludes_everything(spec: ScheduleSpec) -> bool:
    """Whether each of the calendars and intervals is wholly within an exclusion, so that there is no tick ever.

    Such a schedule must not come to be: see `MAX_EXCLUDED_IN_A_ROW`.
    """
    schedule = _ready(spec)
    wanted = [*schedule.calendars, *([_ALWAYS] if schedule.intervals else [])]
    return all(any(excluded.covers(calendar) for excluded in schedule.excluded) for calendar in wanted)


@lru_cache(maxsize=10_000)  # an installation's schedules; making one ready costs more than a tick of it
def _ready(spec: ScheduleSpec) -> _Schedule:
    return _Schedule(
        WallClock(spec.timezone),
        tuple(map(Calendar.of, spec.calendars)),
        spec.intervals,
        tuple(map(Calendar.of, spec.exclude)),
    )


def _bounds(spec: ScheduleSpec, after: datetime, until: datetime | None) -> tuple[int, int]:
    first = max(_seconds(after), _seconds(spec.start) - 1) if spec.start else _seconds(after)
    return first, min(_seconds(moment) if moment else _LAST for moment in (until, spec.end))


def _union_with_excluded(schedule: _Schedule, after: int, until: int) -> Iterator[tuple[int, bool]]:
    for tick in _union(schedule, after, min(until, _LAST)):
        yield tick, bool(schedule.excluded) and _is_excluded(schedule, tick)


def _union(schedule: _Schedule, after: int, until: int) -> Iterator[int]:
    while after < until:
        steady_until = _steady_until(schedule.clock, after, until)
        if steady_until is not None:
            yield from _in_bulk(schedule, after, steady_until)
            after = steady_until
            continue
        found = _following(schedule, after)
        if found is None or found > until:
            return
        yield found
        after = found


def _steady_until(clock: WallClock, after: int, until: int) -> int | None:
    """How far ticks may be computed in bulk; None: not at all."""
    for stride in STRIDES:
        end = min(until, after + stride)
        if clock.is_steady(after - MARGIN, end + MARGIN):
            return end
    return None


def _in_bulk(schedule: _Schedule, after: int, until: int) -> Iterator[int]:
    offset = schedule.clock.offset(after) if schedule.calendars else 0
    sources: list[Iterator[int]] = [
        (reading - offset for reading in calendar.readings(after + offset, until + offset))
        for calendar in schedule.calendars
    ]
    sources += [iter(range(_following_interval(each, after), until + 1, each.every)) for each in schedule.intervals]
    if len(sources) == 1:
        yield from sources[0]
    else:
        before = after
        for tick in merge(*sources):
            if tick != before:
                yield tick
            before = tick


def _following(schedule: _Schedule, after: int) -> int | None:
    found = [calendar.following(after, schedule.clock) for calendar in schedule.calendars]
    found += [_following_interval(interval, after) for interval in schedule.intervals]
    return min((tick for tick in found if tick is not None), default=None)


def _following_interval(interval: IntervalSpec, after: int) -> int:
    return ((after - interval.offset) // interval.every + 1) * interval.every + interval.offset


def _is_excluded(schedule: _Schedule, tick: int) -> bool:
    reading = schedule.clock.reading(tick)
    return any(calendar.fits(reading) for calendar in schedule.excluded)


def _seconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _SECOND
