"""Windows of one dedupe key: whatever order events come in, no two runs within a window, and none for a replay."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from taskfactory.definitions import Duplicate, Opened, Standing, decide_window

START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = timedelta(hours=7)
HOURS = st.integers(0, 60)


def at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


def runs_of(hours: list[int]) -> list[int]:
    """The hours of the events that start runs, when they come in this order."""
    standing, started = Standing(), []
    for hour in hours:
        if isinstance(decide_window(standing, at(hour), WINDOW), Opened):
            standing = standing.opened(at(hour))
            started.append(hour)
    return started


def test_the_first_event_opens_a_window_and_the_next_one_a_windows_length_later() -> None:
    standing = Standing()
    assert decide_window(standing, at(5), WINDOW) == Opened(1)
    standing = standing.opened(at(5))
    assert decide_window(standing, at(11), WINDOW) == Duplicate()
    assert decide_window(standing, at(12), WINDOW) == Opened(2)


def test_a_late_event_opens_a_window_only_where_there_is_room_for_it() -> None:
    standing = Standing().opened(at(5)).opened(at(50))
    assert decide_window(standing, at(20), WINDOW) == Opened(3)
    assert decide_window(standing, at(44), WINDOW) == Duplicate(), "the window would reach into the one that is open"


def test_a_new_generation_opens_at_once_and_then_heeds_the_windows_of_all_generations() -> None:
    released = Standing(0, [at(50)])
    assert decide_window(released, at(51), WINDOW) == Opened(1)
    after = released.opened(at(51))
    assert decide_window(after, at(57), WINDOW) == Duplicate()
    assert decide_window(after, at(58), WINDOW) == Opened(2)


def test_before_the_line_nothing_opens() -> None:
    standing = Standing(1, [at(20)], line=at(20))
    assert decide_window(standing, at(3), WINDOW) == Duplicate()
    assert decide_window(standing, at(26), WINDOW) == Duplicate()
    assert decide_window(standing, at(27), WINDOW) == Opened(2)


@given(st.lists(HOURS, unique=True))
def test_in_any_order_every_event_has_a_run_within_a_window_and_runs_are_a_window_apart(hours: list[int]) -> None:
    started = runs_of(hours)
    assert all(any(abs(hour - run) < 7 for run in started) for hour in hours)
    assert all(later - earlier >= 7 for earlier, later in pairwise(sorted(started)))


@given(st.permutations([0, 8, 20, 27, 34, 60]))
def test_events_that_are_a_window_apart_all_run_whatever_their_order(hours: list[int]) -> None:
    assert runs_of(hours) == hours


class OneKey(RuleBasedStateMachine):
    """One key's events in any order, replays of what was asked before, and releases."""

    asked = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self.numbers = {1: 0}
        self.runs: list[tuple[int, datetime]] = []

    def ask(self, generation: int, moment: datetime) -> bool:
        standing = Standing(self.numbers[generation], [at for _, at in self.runs])
        decision = decide_window(standing, moment, WINDOW)
        if isinstance(decision, Opened):
            assert decision.number == self.numbers[generation] + 1
            self.numbers[generation] += 1
            self.runs.append((generation, moment))
        return isinstance(decision, Opened)

    @rule(target=asked, hour=HOURS)
    def event(self, hour: int) -> datetime:
        self.ask(max(self.numbers), at(hour))
        return at(hour)

    @rule(moment=asked)
    def replay(self, moment: datetime) -> None:
        released = self.numbers[max(self.numbers)] == 0
        assert self.ask(max(self.numbers), moment) is released, "only a release fires again, and once"

    @rule(moment=asked)
    def an_ingress_that_has_not_heard_of_the_release(self, moment: datetime) -> None:
        assert not self.ask(1, moment)

    @rule()
    def release(self) -> None:
        if self.numbers[max(self.numbers)]:
            self.numbers[max(self.numbers) + 1] = 0

    @invariant()
    def runs_are_a_window_apart_but_for_those_that_a_release_allowed(self) -> None:
        seen: set[int] = set()
        for place, (generation, moment) in enumerate(self.runs):
            if generation in seen:
                assert all(abs(moment - earlier) >= WINDOW for _, earlier in self.runs[:place])
            seen.add(generation)


TestOneKey = OneKey.TestCase
