import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from taskfactory.intake import Pace


class Clock:
    """Time that passes only when somebody waits, or says so."""

    def __init__(self) -> None:
        self.now = 100.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def turns(pace: Pace, clock: Clock, pauses: list[float]) -> list[float]:
    taken = []
    for pause in pauses:
        clock.now += pause
        await pace.turn()
        taken.append(clock.now)
    return taken


@given(st.floats(0.5, 1000), st.lists(st.floats(0, 5), min_size=1, max_size=30))
def test_two_turns_are_never_closer_than_the_rate_allows(rate: float, pauses: list[float]) -> None:
    clock = Clock()
    taken = asyncio.run(turns(Pace(rate, lambda: clock.now, clock.sleep), clock, pauses))
    assert all(later - earlier >= 1 / rate - 1e-6 for earlier, later in pairwise(taken))


def test_time_that_nobody_used_makes_no_burst() -> None:
    clock = Clock()
    taken = asyncio.run(turns(Pace(10, lambda: clock.now, clock.sleep), clock, [0, 60, 0, 0]))
    assert [round(moment - 100, 3) for moment in taken] == [0, 60, 60.1, 60.2]


def test_the_first_turn_is_free_and_an_infinite_rate_never_waits() -> None:
    clock = Clock()
    assert asyncio.run(turns(Pace(float("inf"), lambda: clock.now, clock.sleep), clock, [0] * 5)) == [100.0] * 5
