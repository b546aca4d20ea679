"""Room for decisions that are not durable yet: what bounds memory where one record matches very many definitions.

A decision takes about 3 KB, and records in flight are counted by themselves only. So no further record is decided while
the room is full; the one that filled it may be as large as it likes, or it would never be decided.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

MAX_DECISIONS: Final = 20_000
"""About 60 MB, as much as records in flight take by default."""
LOOK_SECONDS: Final = 0.25
"""Between two looks at whether those that wait still have something to wait for."""


class DecisionRoom:
    """Counts decisions in flight. In one event loop."""

    def __init__(self, limit: int = MAX_DECISIONS) -> None:
        """Begin empty; full at `limit` decisions."""
        self._limit = limit
        self._taken = 0
        self._freed = asyncio.Event()

    async def wait(self, unless: Callable[[], bool]) -> None:
        """Return when there is room, or `unless` says that nobody waits for it any longer."""
        while self._taken >= self._limit and not unless():
            self._freed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._freed.wait()

    @contextmanager
    def taken(self, decisions: int) -> Iterator[None]:
        """Take room for so many decisions while the block runs."""
        self._taken += decisions
        try:
            yield
        finally:
            self._taken -= decisions
            self._freed.set()
