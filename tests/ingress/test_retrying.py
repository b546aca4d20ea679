"""Patience, and what ends it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from taskfactory.ingress.retrying import (
    MAX_BACKOFF_SECONDS,
    MAX_CROWD_BACKOFF_SECONDS,
    Dependency,
    backoff_seconds,
)
from taskfactory.intake import Unavailable
from tests.ingress.fakes import PATIENCE, unavailable

HOURS = 36_000.0


def for_hours(_failures: int, _waiting: int) -> float:
    return HOURS


class Away:
    """Something that is away until it is said to be back."""

    def __init__(self) -> None:
        self.attempts = 0
        self.back = False

    async def attempt(self) -> None:
        self.attempts += 1
        await asyncio.sleep(0)
        if not self.back:
            raise unavailable()


async def succeed() -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def insisting(
    dependency: Dependency, *away: Away, unless: Callable[[], bool] = lambda: False
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Everybody has failed once and waits."""
    tasks = [asyncio.create_task(dependency.insist(each.attempt, unless=unless)) for each in away]
    async with asyncio.timeout(PATIENCE):
        while len(dependency._waits) < len(away):  # noqa: ASYNC110 -- waiting tells nobody that it begins
            await asyncio.sleep(0)
        yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def test_waits_grow_to_a_bound_that_is_higher_while_many_wait() -> None:
    assert max(backoff_seconds(1, 1) for _ in range(100)) <= 0.1
    assert 1 < max(backoff_seconds(50, 1) for _ in range(1000)) <= MAX_BACKOFF_SECONDS
    assert MAX_BACKOFF_SECONDS < max(backoff_seconds(50, 10**6) for _ in range(1000)) <= MAX_CROWD_BACKOFF_SECONDS


async def test_a_success_lets_everybody_try_who_waits() -> None:
    dependency, away = Dependency("temporal", for_hours), [Away() for _ in range(100)]
    async with insisting(dependency, *away) as tasks:
        for each in away:
            each.back = True
        await dependency.insist(succeed, unless=lambda: False)
        await asyncio.wait(tasks)
    assert [each.attempts for each in away] == [2] * 100


async def test_those_that_get_through_do_not_drive_those_that_do_not() -> None:
    dependency, away = Dependency("temporal", for_hours), [Away() for _ in range(10)]
    with capture_logs() as lines:
        async with insisting(dependency, *away):
            for _ in range(500):
                await dependency.insist(succeed, unless=lambda: False)
    assert [each.attempts for each in away] == [2] * 10
    assert len(lines) <= 2


async def test_who_waits_for_nothing_any_longer_ends_without_another_attempt() -> None:
    dependency, away, gone = Dependency("temporal", for_hours), Away(), False
    async with insisting(dependency, away, unless=lambda: gone) as [task]:
        gone = True
        with pytest.raises(Unavailable):
            await task
    assert away.attempts == 1


async def test_a_cancellation_at_the_moment_of_waking_is_one() -> None:
    dependency, away = Dependency("temporal", for_hours), Away()
    async with insisting(dependency, away) as [task]:
        dependency._note_success()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (away.attempts, dependency._waits, dependency._patient) == (1, set(), 0)
