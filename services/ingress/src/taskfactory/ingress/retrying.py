"""Patience with a dependency that is away: back off with jitter, never give up, and say so meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from taskfactory.ingress import metrics
from taskfactory.intake import Unavailable

BACKOFF_SECONDS: Final = 0.1
"""Upper end of the first wait; it doubles from attempt to attempt."""
MAX_BACKOFF_SECONDS: Final = 5.0

log = structlog.get_logger("taskfactory.ingress")

T = TypeVar("T")


class Dependency:
    """One thing that ingress can't go on without."""

    def __init__(self, name: str, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.name = name
        self._sleep = sleep
        self._problem: str | None = None

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

        async def once() -> T:
            return await attempt()

        retrying = AsyncRetrying(
            sleep=self._sleep,
            wait=wait_random_exponential(multiplier=BACKOFF_SECONDS, max=MAX_BACKOFF_SECONDS),
            retry=retry_if_exception_type(Unavailable),
            stop=lambda _: unless(),
            before_sleep=self._note_failure,
            reraise=True,
        )
        result: T = await retrying(once)
        if self._problem is not None:
            log.info("dependency_back", dependency=self.name)
            self._problem = None
        return result

    def _note_failure(self, state: RetryCallState) -> None:
        failure = state.outcome.exception() if state.outcome else None
        if not isinstance(failure, Unavailable):
            return
        metrics.RETRIES.labels(self.name, failure.error).inc()
        # One line when it goes away, not one for each of many patient starts.
        if self._problem is None:
            log.warning("dependency_unavailable", dependency=self.name, error=failure.error, message=failure.message)
        self._problem = str(failure)
