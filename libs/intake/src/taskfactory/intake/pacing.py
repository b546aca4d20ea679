"""A rate that is kept evenly: an operator's command must not hit Temporal with a burst."""

import asyncio
import time
from collections.abc import Awaitable, Callable


class Pace:
    """Turns at equal distances; in one event loop."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Begin with the next turn.

        Args:
            per_second: turns per second, more than 0; infinity gives them at once.
            clock: seconds.
            sleep: waits for so many.
        """
        self._distance = 1 / per_second
        self._clock = clock
        self._sleep = sleep
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the next free turn. Time that nobody used is not saved up."""
        now = self._clock()
        mine = max(now, self._next)
        self._next = mine + self._distance
        if mine > now:
            await self._sleep(mine - now)
