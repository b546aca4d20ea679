"""Patience with a dependency that is away: back off with jitter, never give up, and say so meanwhile.

Invariants:
- Each attempt that gets through wakes two that wait, and these two more: once the dependency is back, a long wait
  delays nobody, and a server that comes back is not met by a thousand attempts at the same moment.
- Who was woken in vain sleeps its next wait out: where some get through and others don't (a rate limit, a single run
  that is refused for now), those that don't are not driven by those that do.
- Who waits for nothing any longer, because its record is left to the partition's next owner, ends within `ASK_SECONDS`.
"""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from taskfactory.ingress import metrics
from taskfactory.intake import Unavailable

BACKOFF_SECONDS: Final = 0.1
"""Upper end of the first wait; it doubles from attempt to attempt."""
MAX_BACKOFF_SECONDS: Final = 5.0
"""Upper end of the longest wait while few are waiting."""
MAX_CROWD_BACKOFF_SECONDS: Final = 30.0
ATTEMPTS_PER_SECOND: Final = 40
"""All waiting together, until the longest wait reaches its bound."""
ASK_SECONDS: Final = 0.25
"""Between two looks at whether those that wait still have something to wait for."""
LINE_SECONDS: Final = 10.0
"""Between two lines of the log that say that the dependency is away."""
WOKEN: Final = 2

log = structlog.get_logger("taskfactory.ingress")

T = TypeVar("T")


def backoff_seconds(failures: int, waiting: int) -> float:
    """How long to wait before the next attempt, at random.

    Args:
        failures: attempts that failed, at least 1.
        waiting: how many wait for the dependency.
    """
    longest = min(max(MAX_BACKOFF_SECONDS, waiting / ATTEMPTS_PER_SECOND), MAX_CROWD_BACKOFF_SECONDS)
    return random.uniform(0, min(longest, BACKOFF_SECONDS * 2 ** min(failures - 1, 16)))  # noqa: S311 -- jitter


@dataclass(slots=True, eq=False)
class Wait:
    """One wait between two attempts."""

    unless: Callable[[], bool]
    ended: asyncio.Future[bool]
    """Whether it was cut short because somebody got through."""

    def end(self, *, woken: bool) -> None:
        """Let it end, if it has not."""
        if not self.ended.done():
            self.ended.set_result(woken)


class Dependency:
    """One thing that ingress can't go on without. In one event loop, but for `problem`."""

    def __init__(self, name: str, backoff: Callable[[int, int], float] = backoff_seconds) -> None:
        """Begin as if it were there.

        Args:
            name: for the log and the metrics.
            backoff: as `backoff_seconds`.
        """
        self.name = name
        self._backoff = backoff
        self._problem: str | None = None
        self._patient = 0
        """How many have failed and go on trying."""
        self._waits: set[Wait] = set()
        self._wakeable: OrderedDict[Wait, None] = OrderedDict()
        """Those of the waits that a success may cut short, the oldest first."""
        self._looking: asyncio.TimerHandle | None = None
        self._said = False
        self._next_line = 0.0

    def problem(self) -> str | None:
        """What the latest attempt failed with; None after a success. From any thread."""
        return self._problem

    async def insist(self, attempt: Callable[[], Awaitable[T]], *, unless: Callable[[], bool]) -> T:
        """Repeat the attempt for as long as it raises `Unavailable`, and return its result.

        Args:
            attempt: what is to succeed.
            unless: asked after a failure and while waiting; True means that nobody waits for the result any longer.

        Raises:
            Unavailable: the last attempt's, if `unless` said so.
            Exception: whatever else the attempt raises, at once.
        """
        try:
            result = await attempt()  # the usual case
        except Unavailable as failure:
            self._note_failure(failure)
            if unless():
                raise
            self._patient += 1
            try:
                result = await self._keep_trying(attempt, unless, failure)
            finally:
                self._patient -= 1
        self._note_success()
        return result

    async def _keep_trying(
        self, attempt: Callable[[], Awaitable[T]], unless: Callable[[], bool], failure: Unavailable
    ) -> T:
        failures, woken = 1, False
        while True:
            woken = await self._wait(failures, unless, wakeable=not woken)
            if unless():
                raise failure
            try:
                return await attempt()
            except Unavailable as again:
                self._note_failure(again)
                failures, failure = failures + 1, again
                if unless():
                    raise

    async def _wait(self, failures: int, unless: Callable[[], bool], *, wakeable: bool) -> bool:
        loop = asyncio.get_running_loop()
        wait = Wait(unless, loop.create_future())
        self._waits.add(wait)
        if wakeable:
            self._wakeable[wait] = None
        if self._looking is None:
            self._looking = loop.call_later(ASK_SECONDS, self._look)
        timer = loop.call_later(self._backoff(failures, self._patient), lambda: wait.end(woken=False))
        try:
            return await wait.ended
        finally:
            timer.cancel()
            self._waits.discard(wait)
            self._wakeable.pop(wait, None)

    def _look(self) -> None:
        """One timer for all, however many wait."""
        for wait in self._waits:
            if wait.unless():
                wait.end(woken=False)
        self._looking = None
        if self._waits:
            self._looking = asyncio.get_running_loop().call_later(ASK_SECONDS, self._look)

    def _note_success(self) -> None:
        for _ in range(min(WOKEN, len(self._wakeable))):
            wait, _nothing = self._wakeable.popitem(last=False)
            wait.end(woken=True)
        if self._problem is not None:
            self._problem = None
            if self._said:
                self._said = False
                log.info("dependency_back", dependency=self.name)

    def _note_failure(self, failure: Unavailable) -> None:
        metrics.RETRIES.labels(self.name, failure.error).inc()
        self._problem = str(failure)
        # One line when it goes away, not one for each of many patient starts, nor for each time it comes and goes.
        if not self._said and (now := time.monotonic()) >= self._next_line:
            self._said, self._next_line = True, now + LINE_SECONDS
            log.warning("dependency_unavailable", dependency=self.name, error=failure.error, message=failure.message)
