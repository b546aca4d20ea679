"""Fairness on the event loop: work that never waits is done in slices, and the loop turns in between.

A fetch brings hundreds of records at once, and asyncio runs all tasks that are ready before it looks at sockets and
timers again. With definitions that take long to evaluate, that would be seconds in which nothing else happens.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

SLICE_SECONDS: Final = 0.01


class Slices:
    """Turns of one event loop."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Begin a slice; `clock` gives seconds."""
        self._clock = clock
        self._one_by_one = asyncio.Lock()
        self._began = clock()

    async def turn(self) -> None:
        """Return when the caller may go on for a while without waiting: at once, unless the slice is used up."""
        async with self._one_by_one:  # whoever queues here gets a turn of the loop of its own
            if self._clock() - self._began > SLICE_SECONDS:
                await asyncio.sleep(0)
                self._began = self._clock()
