"""Windows: when a dedupe key that fires again after a while does so. Pure; the registry keeps the state.

Time is the events' own, so that a replay decides as the first reading did. Invariants, for one key:

- A generation's first event opens its first window, whatever its time: that is what a generation is opened for.
- Every other event opens one only if its time is a window's length or more after the newest opening, in whichever
  generation that was. So an event that is older than the newest window never opens one: not when it is replayed, and
  not when it comes late.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Opened:
    """The event opens a window, and starts a run."""

    number: int
    """Of the window within its generation, from 1."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The event falls into a window, or before one, and starts nothing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a key stands for an event of one generation."""

    number: int = 0
    """Windows that were opened in that generation."""
    latest: datetime | None = None
    """The newest opening in any generation, in the events' time."""

    def opened(self, at: datetime) -> "Standing":
        """How the key stands after an event of that time has opened a window."""
        return Standing(self.number + 1, at if self.latest is None else max(at, self.latest))


def decide_window(standing: Standing, at: datetime, window: timedelta) -> Opened | Duplicate:
    """What the next event comes to.

    Args:
        standing: how the key stands, in the event's generation.
        at: the event's time, aware.
        window: the window's length.
    """
    if standing.number == 0 or standing.latest is None or at - standing.latest >= window:
        return Opened(standing.number + 1)
    return Duplicate()
