"""Ticks that nobody heard of because all stood still for longer than their misfire window. Pure.

When Temporal comes back it forgets ticks that are older than the window, so no decision is recorded. That all stood
still must be proven, or each lost tick could be explained so: the first tick of any definition that was decided about
after this one was due must have been missed itself, and have come when this one was older than its window.
"""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple


class DecidedSecond(NamedTuple):
    """A second in which ticks of schedules were decided about."""

    second: datetime
    missed: bool
    """The first of them was missed."""


class Outages:
    """When all stood still, as far as decisions tell."""

    def __init__(self, seconds: Iterable[DecidedSecond]) -> None:
        """Take the seconds in which something was decided, in order."""
        told = list(seconds)
        self._seconds = [each.second for each in told]
        self._missed = [each.missed for each in told]

    def outlasted(self, due: datetime, window: timedelta) -> bool:
        """Whether all stood still from when a tick was due until it was older than its window."""
        place = bisect_left(self._seconds, due)
        return place < len(self._seconds) and self._missed[place] and self._seconds[place] - due > window
