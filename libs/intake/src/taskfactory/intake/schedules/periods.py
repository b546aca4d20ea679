"""How a definition stood over a range of time, and so which ticks were to be expected of it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, NamedTuple

from taskfactory.definitions import CronTrigger
from taskfactory.definitions.calendar import ticks
from taskfactory.registry import DefinitionState, ScheduleLine

_LOOK_BACK: Final = (timedelta(seconds=1), timedelta(hours=4))
"""Around a change of the clock what Temporal finds depends on where it begins to look; either answer will do."""


@dataclass(frozen=True, slots=True)
class Period:
    """A time in which a definition stood the same."""

    after: datetime
    """Exclusive."""
    until: datetime
    """Inclusive."""
    state: DefinitionState
    trigger: CronTrigger | None
    """None: events started it."""

    @property
    def ticks(self) -> Iterator[datetime]:
        """The ticks that were due in it, whatever its state; none of a definition that was deleted."""
        if self.trigger is None or self.state == "deleted":
            return iter(())
        return ticks(self.trigger.spec, self.after, self.until)


@dataclass(frozen=True, slots=True)
class ScheduleHistory:
    """A definition and its periods, in their order."""

    activity_id: str
    name: str
    periods: Sequence[Period]

    def had(self, tick: datetime, slack: timedelta) -> bool:
        """Whether a schedule that was in force about then has the tick.

        Args:
            tick: aware, whole seconds.
            slack: clocks of several machines differ by so much, and changes take so long to be followed.
        """
        return any(
            period.trigger is not None and period.after - slack < tick <= period.until + slack and _has(period, tick)
            for period in self.periods
        )


class ExpectedTick(NamedTuple):
    """A tick of the calendar, under the state that the definition was in."""

    nominal: datetime
    period: Period


def histories(lines: Sequence[ScheduleLine], after: datetime, until: datetime) -> list[ScheduleHistory]:
    """Lines as periods, for definitions that fired by schedule at some time.

    Args:
        lines: as the registry gives them: by definition, in their order.
        after: the range's beginning, exclusive.
        until: its end, inclusive.
    """
    found: list[ScheduleHistory] = []
    for (activity_id, name), group in groupby(lines, key=lambda line: (line.activity_id, line.name)):
        stood = list(group)
        ends = [line.at for line in stood[1:]] + [until]
        periods = [
            Period(max(line.at, after), end, line.state, line.trigger)
            for line, end in zip(stood, ends, strict=True)
            if end > max(line.at, after)
        ]
        if any(period.trigger is not None for period in periods):
            found.append(ScheduleHistory(activity_id, name, periods))
    return found


def expected(history: ScheduleHistory) -> Iterator[ExpectedTick]:
    """Every tick that was due, in order."""
    return (ExpectedTick(nominal, period) for period in history.periods for nominal in period.ticks)


def _has(period: Period, tick: datetime) -> bool:
    trigger = period.trigger
    return trigger is not None and any(tick in ticks(trigger.spec, tick - back, tick) for back in _LOOK_BACK)
