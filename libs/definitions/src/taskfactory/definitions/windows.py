"""Windows: when a dedupe key that fires again after a while does so. Pure; the registry keeps the state.

Time is the events' own, so that a replay decides as the first reading did. Events of one key are decided about in any
order: ingress works on many at once, and topics have several partitions. Invariants, for one key:

- A generation's first event opens its first window, whatever its time: that is what a generation is opened for.
- Every other event opens one only if it is a window's length or more away from every opening, before it or after it,
  in whichever generation. So two runs are never closer than a window, events that are further apart are never lost to
  each other however they come, and what fell into a window falls into it again when it is replayed.
- Where events of a key were decided about before it had windows, at times that nobody kept, the first one that comes
  again draws a line: nothing before it, or less than a window behind it, opens one.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Opened:
    """The event opens a window, and starts a run."""

    number: int
    """Of the window within its generation, from 1; in the order of the decisions, not of the events' times."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The event falls into a window, or behind the line, and starts nothing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a key stands for an event of one generation."""

    number: int = 0
    """Windows that were opened in that generation."""
    openings: Collection[datetime] = ()
    """Times of the events that opened windows in any generation; those a window or more away may be left out."""
    line: datetime | None = None
    """Before this, events were decided about without windows."""

    def opened(self, at: datetime) -> "Standing":
        """How the key stands after an event of that time has opened a window."""
        return replace(self, number=self.number + 1, openings=(*self.openings, at))


def decide_window(standing: Standing, at: datetime, window: timedelta) -> Opened | Duplicate:
    """What the next event comes to.

    Args:
        standing: how the key stands, in the event's generation.
        at: the event's time, aware.
        window: the window's length.
    """
    if standing.number > 0:
        if standing.line is not None and at - standing.line < window:
            return Duplicate()
        if any(abs(at - opening) < window for opening in standing.openings):
            return Duplicate()
    return Opened(standing.number + 1)
