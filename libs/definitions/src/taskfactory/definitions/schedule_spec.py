"""When a schedule fires, as plain values: what a `CronTrigger` comes to, whatever notation its author chose.

The semantics are Temporal's: a calendar holds at every second at which **all** of its fields do, a spec at the union of
its calendars and intervals, less what is excluded. Calendars are local times of the timezone.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

MIN_YEAR: Final = 2000
MAX_YEAR: Final = 2100
"""The years that Temporal's calendars know."""

_DAYS_IN_MONTH: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """`start`, `start + step`, … up to `end`, which is included."""

    start: int
    end: int
    step: int = 1

    def __contains__(self, value: int) -> bool:
        return self.start <= value <= self.end and (value - self.start) % self.step == 0


Ranges = tuple[Range, ...]
"""A value is taken when it is in one of them."""


@dataclass(frozen=True, slots=True)
class CalendarSpec:
    """Local times at which every field holds."""

    second: Ranges
    minute: Ranges
    hour: Ranges
    day_of_month: Ranges
    month: Ranges
    day_of_week: Ranges
    """0 is Sunday, 6 is Saturday."""
    year: Ranges

    @property
    def ever(self) -> bool:
        """Whether one of its months has one of its days."""
        months = [month for month in range(1, 13) if any(month in span for span in self.month)]
        return any(span.start <= _DAYS_IN_MONTH[month - 1] for month in months for span in self.day_of_month)


@dataclass(frozen=True, slots=True)
class IntervalSpec:
    """Every multiple of `every` since 1970-01-01T00:00:00Z, moved by `offset`."""

    every: int
    """Seconds, at least 1."""
    offset: int = 0
    """Seconds, less than `every`."""


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """The times at which a schedule fires."""

    calendars: tuple[CalendarSpec, ...]
    intervals: tuple[IntervalSpec, ...]
    exclude: tuple[CalendarSpec, ...]
    start: datetime | None
    """Aware, UTC; the first moment at which it may fire."""
    end: datetime | None
    """Aware, UTC; the last one."""
    timezone: str
    """IANA name."""
    jitter: timedelta
    """A start is later than its nominal time by at most this; the nominal time stays."""


def nominal_text(nominal: datetime) -> str:
    """A tick's nominal time as it stands in ids: RFC 3339, UTC, whole seconds."""
    return nominal.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
