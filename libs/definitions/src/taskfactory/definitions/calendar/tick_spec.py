"""A schedule's ticks: the union of its calendars and intervals, less what it excludes, between its start and its end.

Ticks are whole seconds. Jitter is no part of this: it moves when a tick fires, not which tick it is.

While the clock of the zone is steady, ticks are computed in bulk. Around its changes they are searched one after the
other, each from the one before it in the whole union, because there the server's answer depends on where it starts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from heapq import merge
from itertools import islice
from typing import Final

from taskfactory.definitions.calendar.calendar import DAY, HOUR, LAST_YEAR, Calendar
from taskfactory.definitions.calendar.wall_clock import WallClock

MARGIN: Final = 4 * HOUR
"""So far from a change of the clock no search comes by it."""
STRIDES: Final = (16 * DAY, DAY)
"""Bulks; none spans two changes of the clock."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_LAST: Final = (datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) - _EPOCH) // _SECOND - 1


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so many seconds since the epoch."""

    every: int
    """Seconds, at least 1."""
    offset: int = 0
    """Seconds, less than `every`."""

    def following(self, after: int) -> int:
        """The first instant later than `after`."""
        return ((after - self.offset) // self.every + 1) * self.every + self.offset


@dataclass(frozen=True)
class TickSpec:
    """When a schedule fires."""

    calendars: tuple[Calendar, ...] = ()
    intervals: tuple[Interval, ...] = ()
    excluded: tuple[Calendar, ...] = ()
    start: datetime | None = None
    """Aware; the first moment that may be a tick."""
    end: datetime | None = None
    """Aware; the last moment that may be a tick."""
    timezone: str = "UTC"
    """IANA name; of the calendars, not of the intervals."""

    @cached_property
    def clock(self) -> WallClock:
        """The clock of the zone."""
        return WallClock(self.timezone)


def ticks(spec: TickSpec, after: datetime, until: datetime) -> Iterator[datetime]:
    """Ticks in order.

    Args:
        spec: the schedule.
        after: aware; ticks are later than this.
        until: aware; the last moment that counts.

    Returns:
        Aware times in UTC, whole seconds.
    """
    first = _seconds(after)
    if spec.start is not None:
        first = max(first, _seconds(spec.start - _SECOND))
    last = min(_seconds(until), _LAST)
    if spec.end is not None:
        last = min(last, _seconds(spec.end))
    for tick in _union(spec, first, last):
        if not _is_excluded(spec, tick):
            yield datetime.fromtimestamp(tick, UTC)


def next_ticks(spec: TickSpec, after: datetime, count: int) -> list[datetime]:
    """The first ticks later than `after`; fewer than `count` if the schedule ends."""
    return list(islice(ticks(spec, after, datetime.fromtimestamp(_LAST, UTC)), count))


def _union(spec: TickSpec, after: int, until: int) -> Iterator[int]:
    while after < until:
        steady_until = _steady_until(spec.clock, after, until) if spec.calendars else min(until, after + STRIDES[0])
        if steady_until is not None:
            yield from _in_bulk(spec, after, steady_until)
            after = steady_until
            continue
        found = _following(spec, after)
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


def _in_bulk(spec: TickSpec, after: int, until: int) -> Iterator[int]:
    offset = spec.clock.offset(after) if spec.calendars else 0
    sources: list[Iterator[int]] = [
        (reading - offset for reading in calendar.readings(after + offset, until + offset))
        for calendar in spec.calendars
    ]
    sources += [iter(range(interval.following(after), until + 1, interval.every)) for interval in spec.intervals]
    if len(sources) == 1:
        yield from sources[0]
    else:
        before = after
        for tick in merge(*sources):
            if tick != before:
                yield tick
            before = tick


def _following(spec: TickSpec, after: int) -> int | None:
    found = [calendar.following(after, spec.clock) for calendar in spec.calendars]
    found += [interval.following(after) for interval in spec.intervals]
    return min((tick for tick in found if tick is not None), default=None)


def _is_excluded(spec: TickSpec, tick: int) -> bool:
    if not spec.excluded:
        return False
    reading = spec.clock.reading(tick)
    return any(calendar.fits(reading) for calendar in spec.excluded)


def _seconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _SECOND
