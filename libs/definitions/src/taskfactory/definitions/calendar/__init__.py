"""When a schedule fires, computed without Temporal and to the second as Temporal computes it. Pure.

Reading order: `wall_clock` (local times and their instants), `calendar` (one calendar), `tick_spec` (a schedule: the
union of calendars and intervals, less exclusions). `docs/schedules.md` says what follows at a change of the clock.
"""

from taskfactory.definitions.calendar.calendar import ALL_MONTH_DAYS, ALL_MONTHS, ALL_WEEKDAYS, Calendar
from taskfactory.definitions.calendar.tick_spec import Interval, TickSpec, next_ticks, ticks

__all__ = [
    "ALL_MONTHS",
    "ALL_MONTH_DAYS",
    "ALL_WEEKDAYS",
    "Calendar",
    "Interval",
    "TickSpec",
    "next_ticks",
    "ticks",
]
