"""One calendar: sets of seconds, minutes, hours, days, months and years; a time fits when each of its fields does.

While the clock is steady that is all. Around a change of the clock the server's walk from one time to the next counts,
and `Calendar.following` takes the same steps; these are its rules:

- The hours of a day are gone through by their numbers, a removed one included. A time whose hour the clock never shows
  is passed over; where the clock is put forward by less than an hour, the time stands for a later minute of that hour.
- When a matching hour is used up and the next one by number begins more than an hour later, the server takes the hour
  for repeated and goes through it once more, an hour later. West of Greenwich that is the repeated hour. At it and east
  of it the hour *before* the repeated one is gone through twice, and what follows in the repeated hour is not seen.
- A search that begins within an hour that the clock shows for the second time finds times an hour later than they are.
- The day of the week is that of the instant that a reading stands for. Where midnight is removed, it may be another.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Final

from taskfactory.definitions.calendar.wall_clock import WallClock
from taskfactory.definitions.schedule_spec import MAX_YEAR, CalendarSpec, Ranges

HOUR: Final = 3_600
DAY: Final = 86_400
_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Calendar:
    """Which readings of the clock fit."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days_of_month: frozenset[int]
    months: frozenset[int]
    days_of_week: frozenset[int]
    """Sunday is 0."""
    years: frozenset[int]

    @classmethod
    def of(cls, spec: CalendarSpec) -> "Calendar":
        """Make a calendar ready to be searched."""
        return cls(
            seconds=_values(spec.second),
            minutes=_values(spec.minute),
            hours=_values(spec.hour),
            days_of_month=_values(spec.day_of_month),
            months=_values(spec.month),
            days_of_week=_values(spec.day_of_week),
            years=_values(spec.year),
        )

    def fits(self, reading: datetime) -> bool:
        """Whether a reading of the clock belongs to the calendar."""
        return (
            self._fits_date(reading)
            and _weekday(reading) in self.days_of_week
            and reading.hour in self.hours
            and reading.minute in self.minutes
            and reading.second in self.seconds
        )

    def covers(self, other: "Calendar") -> bool:
        """Whether every reading of another calendar belongs to this one too."""
        return all(getattr(other, field.name) <= getattr(self, field.name) for field in fields(self))

    def readings(self, after: int, until: int) -> Iterator[int]:
        """Local times that fit, in order, as seconds since the local epoch; later than `after`, at most `until`."""
        for day in range(after // DAY, until // DAY + 1):
            if self._fits_day(day):
                midnight = day * DAY
                first = bisect_right(self._of_a_day, after - midnight)
                last = bisect_right(self._of_a_day, until - midnight)
                yield from (midnight + second for second in self._of_a_day[first:last])

    def following(self, after: int, clock: WallClock) -> int | None:
        """The first instant later than `after` that fits, as the server finds it; None if there is none.

        Works at any time; `readings` is much cheaper while the clock is steady.
        """
        start = clock.reading(after)
        day, hour, within = start.date(), start.hour, start.minute * 60 + start.second + 1
        # The server's sign of an hour that is repeated: an hour ago the clock showed the same hour.
        shift = HOUR if clock.reading(after - HOUR).hour == hour else 0
        while (found_day := self._day(day, hour, within, clock)) is not None:
            if found_day != day:
                day, hour, within, shift = found_day, 0, 0, 0
            place = bisect_left(self._hours, hour)
            if place == len(self._hours):
                day, hour, within, shift = day + _ONE_DAY, 0, 0, 0
                continue
            if self._hours[place] != hour:
                hour, within, shift = self._hours[place], 0, 0
            place = bisect_left(self._of_an_hour, within)
            if place < len(self._of_an_hour):
                instant = clock.instant(_at(day, hour, self._of_an_hour[place]))
                if clock.reading(instant).hour == hour:
                    return instant + shift
                day, hour, within = *_next_hour(day, hour), 0
                continue
            next_day, next_hour = _next_hour(day, hour)
            if not shift and clock.instant(_at(next_day, next_hour)) - clock.instant(_at(day, hour)) > HOUR:
                within, shift = 0, HOUR
            else:
                day, hour, within, shift = next_day, next_hour, 0, 0
        return None

    def _day(self, day: date, hour: int, within: int, clock: WallClock) -> date | None:
        """The first day from this one on that fits, looked at from a time within it."""
        while day.year <= MAX_YEAR:
            if self._fits_date(day):
                seen = clock.reading(clock.instant(_at(day, hour, within)))
                if _weekday(seen) in self.days_of_week:
                    return day
            day, hour, within = day + _ONE_DAY, 0, 0
        return None

    def _fits_date(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days_of_month and day.year in self.years

    def _fits_day(self, number: int) -> bool:
        day = date.fromordinal(_EPOCH_ORDINAL + number)
        return _weekday(day) in self.days_of_week and self._fits_date(day)

    @cached_property
    def _hours(self) -> tuple[int, ...]:
        return tuple(sorted(self.hours))

    @cached_property
    def _of_an_hour(self) -> tuple[int, ...]:
        return tuple(minute * 60 + second for minute in sorted(self.minutes) for second in sorted(self.seconds))

    @cached_property
    def _of_a_day(self) -> tuple[int, ...]:
        return tuple(hour * HOUR + second for hour in self._hours for second in self._of_an_hour)


_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()


def _values(ranges: Ranges) -> frozenset[int]:
    return frozenset().union(*(range(span.start, span.end + 1, span.step) for span in ranges))


def _at(day: date, hour: int, within: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day) + timedelta(hours=hour, seconds=within)  # noqa: DTZ001 -- local


def _next_hour(day: date, hour: int) -> tuple[date, int]:
    return (day, hour + 1) if hour < 23 else (day + _ONE_DAY, 0)  # noqa: PLR2004 -- the last hour of a day


def _weekday(day: date) -> int:
    return day.isoweekday() % 7
