"""Patience with what is away: who waits how long, and until when."""

import asyncio
from itertools import count

import pytest
from prometheus_client import REGISTRY

from taskfactory.ingress.retrying import MAX_BACKOFF_SECONDS, Dependency
from taskfactory.intake import Unavailable
from tests.ingress.fakes import PATIENCE, unavailable


class Door:
    """Something that is away until it is opened; it counts who asked."""

    def __init__(self) -> None:
        self.is_open = False
        self.asked = 0

    async def __call__(self) -> str:
        self.asked += 1
        if not self.is_open:
            raise unavailable()
        return "done"


async def turns() -> None:
    """Let everybody who does not really wait go on."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits, waits for longer than a test may take."""
    monkeypatch.setattr("taskfactory.ingress.retrying.BACKOFF_SECONDS", 60.0)


@pytest.mark.usefixtures("far")
async def test_the_first_who_gets_through_wakes_all_who_wait() -> None:
    dependency, door = Dependency("temporal"), Door()
    waiting = [asyncio.create_task(dependency.insist(door, unless=lambda: False)) for _ in range(3)]
    await turns()
    door.is_open = True
    assert await dependency.insist(door, unless=lambda: False) == "done"
    assert await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE) == ["done"] * 3


@pytest.mark.usefixtures("far")
async def test_an_outage_after_an_earlier_one_is_waited_out_as_patiently() -> None:
    dependency, door = Dependency("temporal"), Door()
    first = asyncio.create_task(dependency.insist(door, unless=lambda: False))
    await turns()
    door.is_open = True
    await dependency.insist(door, unless=lambda: False)
    await asyncio.wait_for(first, PATIENCE)
    door.is_open, door.asked = False, 0
    second = asyncio.create_task(dependency.insist(door, unless=lambda: False))
    await turns()
    assert door.asked == 1
    second.cancel()


@pytest.mark.parametrize("failures", [1, 4])
async def test_an_effect_that_nobody_waits_for_any_more_is_given_up_after_a_failure(failures: int) -> None:
    attempts = count(1)

    async def attempt() -> None:
        if next(attempts) > failures:
            raise AssertionError("nobody waits for this")
        raise unavailable()

    left = iter([False] * (failures - 1))
    with pytest.raises(Unavailable):
        await Dependency("temporal", lambda _: asyncio.sleep(0)).insist(attempt, unless=lambda: next(left, True))


async def test_the_more_are_waiting_the_longer_each_one_waits_and_a_few_later_ones_do_not() -> None:
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    async def fail(dependency: Dependency, times: int) -> None:
        left = iter([unavailable()] * times)

        async def attempt() -> None:
            if (failure := next(left, None)) is not None:
                raise failure

        await dependency.insist(attempt, unless=lambda: False)

    crowded = Dependency("temporal", note)
    await asyncio.gather(*(fail(crowded, 12) for _ in range(600)))
    assert max(waits) > 2 * MAX_BACKOFF_SECONDS
    waits.clear()
    await fail(crowded, 100)
    assert max(waits) <= MAX_BACKOFF_SECONDS


async def test_every_failed_attempt_is_counted_by_dependency_and_error() -> None:
    labels = {"dependency": "the moon", "error": "UNAVAILABLE"}
    left = iter([unavailable()] * 3)

    async def attempt() -> None:
        if (failure := next(left, None)) is not None:
            raise failure

    await Dependency("the moon", lambda _: asyncio.sleep(0)).insist(attempt, unless=lambda: False)
    assert REGISTRY.get_sample_value("taskfactory_ingress_retries_total", labels) == 3
