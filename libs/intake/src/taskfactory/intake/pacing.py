"""How fast an operator's command works: at an even rate, so that no burst hits Temporal, some items at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

CONCURRENCY: Final = 16
"""Items worked on at the same time."""

T = TypeVar("T")


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


async def in_parallel(items: Sequence[T], work: Callable[[T], Awaitable[None]]) -> None:
    """Work on all items, `CONCURRENCY` at a time, in their order.

    Raises:
        Exception: the first that the work raised; the others are cancelled.
    """
    left = iter(items)

    async def worker() -> None:
        for item in left:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(CONCURRENCY, len(items))):
                group.create_task(worker())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
