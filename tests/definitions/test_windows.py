"""Windows of one dedupe key: whatever order events come in, at most one run for each window, and none for a replay."""

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


def test_the_first_event_opens_a_window_and_the_next_one_a_windows_length_later() -> None:
    standing = Standing()
    assert decide_window(standing, at(5), WINDOW) == Opened(1)
    standing = standing.opened(at(5))
    assert decide_window(standing, at(11), WINDOW) == Duplicate()
    assert decide_window(standing, at(12), WINDOW) == Opened(2)


def test_an_event_older_than_the_newest_window_opens_none_however_much_older() -> None:
    standing = Standing().opened(at(5)).opened(at(50))
    assert decide_window(standing, at(20), WINDOW) == Duplicate()
    assert decide_window(standing, at(0), WINDOW) == Duplicate()


def test_a_new_generation_opens_at_once_and_then_heeds_the_windows_of_all_generations() -> None:
    released = Standing(0, at(50))
    assert decide_window(released, at(5), WINDOW) == Opened(1)
    after = released.opened(at(5))
    assert decide_window(after, at(51), WINDOW) == Duplicate()
    assert decide_window(after, at(57), WINDOW) == Opened(2)


@given(st.lists(HOURS), HOURS)
def test_a_shorter_window_never_makes_fewer_runs(hours: list[int], shorter: int) -> None:
    def runs(window: timedelta) -> int:
        standing = Standing()
        for hour in sorted(hours):
            if isinstance(decide_window(standing, at(hour), window), Opened):
                standing = standing.opened(at(hour))
        return standing.number

    assert runs(timedelta(hours=shorter) + timedelta(milliseconds=1)) >= runs(timedelta(hours=61))


class OneKey(RuleBasedStateMachine):
    """One key's events in any order, replays of what was asked before, and releases."""

    asked = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self.standings = {1: Standing()}
        self.runs: list[tuple[int, datetime]] = []

    def ask(self, generation: int, moment: datetime) -> None:
        standing = self.standings[generation]
        decision = decide_window(standing, moment, WINDOW)
        if isinstance(decision, Opened):
            assert decision.number == standing.number + 1
            self.runs.append((generation, moment))
            opened = standing.opened(moment)
            self.standings[generation] = opened
            # The newest opening is the key's, not the generation's.
            self.standings = {g: Standing(s.number, opened.latest) for g, s in self.standings.items()}

    @rule(target=asked, hour=HOURS)
    def event(self, hour: int) -> datetime:
        self.ask(max(self.standings), at(hour))
        return at(hour)

    @rule(moment=asked)
    def replay(self, moment: datetime) -> None:
        before = list(self.runs)
        self.ask(max(self.standings), moment)
        assert self.runs == before or self.standings[max(self.standings)].number == 1, "only a release fires again"

    @rule(moment=asked)
    def an_ingress_that_has_not_heard_of_the_release(self, moment: datetime) -> None:
        before = list(self.runs)
        self.ask(1, moment)
        assert self.runs == before or self.standings[1].number == 1

    @rule()
    def release(self) -> None:
        newest = max(self.standings)
        if self.standings[newest].number:
            self.standings[newest + 1] = Standing(0, self.standings[newest].latest)

    @invariant()
    def runs_of_one_generation_are_a_window_apart(self) -> None:
        for generation in self.standings:
            times = [moment for g, moment in self.runs if g == generation]
            assert all(later - earlier >= WINDOW for earlier, later in pairwise(times))

    @invariant()
    def only_a_generations_first_run_may_be_older_than_another(self) -> None:
        first = {generation: next((r for r in self.runs if r[0] == generation), None) for generation in self.standings}
        rest = [run for run in self.runs if run != first[run[0]]]
        for run in rest:
            earlier = self.runs[: self.runs.index(run)]
            assert all(run[1] - moment >= WINDOW for _, moment in earlier)


TestOneKey = OneKey.TestCase
