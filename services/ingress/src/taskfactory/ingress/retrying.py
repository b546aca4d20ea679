"""Patience with a dependency that is away: back off with jitter, never give up, and say so meanwhile.

Whoever gets through first wakes all others, so a long wait delays nobody once the dependency is back; that is why waits
may be the longer the more are waiting, and a server that comes back is not met by a thousand attempts a second.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from taskfactory.ingress import metrics
from taskfactory.intake import Unavailable

BACKOFF_SECONDS: Final = 0.1
"""Upper end of the first wait; it doubles from attempt to attempt."""
MAX_BACKOFF_SECONDS: Final = 5.0
"""Upper end of the longest wait while few are waiting."""
MAX_CROWD_BACKOFF_SECONDS: Final = 30.0
ATTEMPTS_PER_SECOND: Final = 40
"""All waiting together, until the longest wait reaches its bound."""

log = structlog.get_logger("taskfactory.ingress")

T = TypeVar("T")


class Dependency:
    """One thing that ingress can't go on without."""

    def __init__(self, name: str, sleep: Callable[[float], Awaitable[None]] | None = None) -> None:
        self.name = name
        self._sleep = sleep or self._until_back
        self._problem: str | None = None
        self._waiting = 0
        self._back = asyncio.Event()

    def problem(self) -> str | None:
        """What the latest attempt failed with; None after a success. From any thread."""
        return self._problem

    async def insist(self, attempt: Callable[[], Awaitable[T]], *, unless: Callable[[], bool]) -> T:
        """Repeat the attempt for as long as it raises `Unavailable`, and return its result.

        Args:
            attempt: what is to succeed.
            unless: asked after a failure; True means that nobody waits for the result any longer.

        Raises:
            Unavailable: the last attempt's, if `unless` said so.
            Exception: whatever else the attempt raises, at once.
        """
        try:
            result = await attempt()  # the usual case, without a retrier of its own
        except Unavailable as failure:
            self._note_failure(failure)
            if unless():
                raise
            result = await self._keep_trying(attempt, unless)
        if self._problem is not None:
            log.info("dependency_back", dependency=self.name)
            self._problem = None
            self._back.set()
        return result

    async def _keep_trying(self, attempt: Callable[[], Awaitable[T]], unless: Callable[[], bool]) -> T:
        async def once() -> T:
            return await attempt()

        retrying = AsyncRetrying(
            sleep=self._sleep,
            wait=self._next_wait,
            retry=retry_if_exception_type(Unavailable),
            stop=lambda _: unless(),
            after=self._note_outcome,
            reraise=True,
        )
        self._waiting += 1
        try:
            await self._sleep(BACKOFF_SECONDS)
            result: T = await retrying(once)
        finally:
            self._waiting -= 1
        return result

    def _next_wait(self, state: RetryCallState) -> float:
        longest = min(max(MAX_BACKOFF_SECONDS, self._waiting / ATTEMPTS_PER_SECOND), MAX_CROWD_BACKOFF_SECONDS)
        return wait_random_exponential(multiplier=BACKOFF_SECONDS, max=longest)(state)

    async def _until_back(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._back.wait(), seconds)

    def _note_outcome(self, state: RetryCallState) -> None:
        failure = state.outcome.exception() if state.outcome else None
        if isinstance(failure, Unavailable):
            self._note_failure(failure)

    def _note_failure(self, failure: Unavailable) -> None:
        metrics.RETRIES.labels(self.name, failure.error).inc()
        # One line when it goes away, not one for each of many patient starts.
        if self._problem is None:
            log.warning("dependency_unavailable", dependency=self.name, error=failure.error, message=failure.message)
        self._problem = str(failure)
        self._back.clear()
