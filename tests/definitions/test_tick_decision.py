from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from taskfactory.definitions.calendar import ticks
from taskfactory.definitions.cron_trigger import CronTrigger
from taskfactory.definitions.tick_decision import (
    GRACE,
    MAX_WAITING,
    Fire,
    FireAfter,
    Skip,
    SkipReason,
    Standing,
    TickDecision,
    Wait,
    decide,
)
from taskfactory.definitions.ticks import Tick

TEN = datetime(2026, 11, 3, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OVERLAPS = ("skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all")
POLICIES = ("skip", "fire_once", "fire_all")


def trigger(overlap: str = "skip", policy: str = "fire_once", window: str = "10m", **fields: Any) -> CronTrigger:
    given = {"type": "cron", "every": [{"interval": "1m"}], "overlap": overlap}
    return CronTrigger.model_validate({**given, "misfire": {"policy": policy, "window": window}, **fields})


def scheduled(nominal: datetime = TEN) -> Tick:
    return Tick("scheduled", nominal)


@given(st.sampled_from(OVERLAPS), st.sampled_from(POLICIES), st.integers(0, 10))
def test_a_tick_on_time_fires_when_nothing_is_open_whatever_the_policies(overlap: str, policy: str, late: int) -> None:
    now = TEN + timedelta(seconds=late)
    assert decide(scheduled(), trigger(overlap, policy), Standing(), now) == Fire()


@given(st.sampled_from(OVERLAPS), st.sampled_from(POLICIES), st.integers(0, 3_600), st.integers(0, 3))
def test_of_the_ticks_that_were_missed_those_fire_that_the_policy_names_whatever_the_overlap(
    overlap: str, policy: str, late: int, open_runs: int
) -> None:
    asked = trigger(overlap, policy)
    now = TEN + timedelta(seconds=late)
    missed = list(ticks(asked.spec, TEN - timedelta(hours=1), now - GRACE - timedelta(seconds=1)))
    within = [tick for tick in missed if now - tick <= asked.misfire_window]
    passed = {
        "skip": [],
        "fire_once": within[-1:],
        "fire_all": within,
    }[policy]
    for nominal in missed:
        decision = decide(scheduled(nominal), asked, Standing(open_runs=open_runs), now)
        if nominal not in within:
            assert decision == Skip(SkipReason.OUTSIDE_WINDOW)
        elif nominal not in passed:
            assert decision == Skip(SkipReason.MISFIRE)
        else:
            on_time = decide(scheduled(nominal), asked, Standing(open_runs=open_runs), nominal)
            assert decision == on_time


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("skip", Skip(SkipReason.OVERLAP)),
        ("buffer_one", Wait()),
        ("buffer_all", Wait()),
        ("cancel_other", FireAfter("cancel")),
        ("terminate_other", FireAfter("terminate")),
        ("allow_all", Fire()),
    ],
)
@pytest.mark.parametrize("tick", [Tick("scheduled", TEN), Tick("manual", manual_key="k")])
def test_an_open_run_stands_in_the_way_as_the_overlap_policy_says(
    overlap: str, expected: TickDecision, tick: Tick
) -> None:
    assert decide(tick, trigger(overlap), Standing(open_runs=1), TEN) == expected
    assert decide(tick, trigger(overlap), Standing(open_runs=1), TEN, respect_overlap=False) == Fire()


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("standing", [Standing(open_runs=1), Standing(ahead=1, behind=2)])
def test_the_ticks_of_a_backfill_run_one_after_the_other_unless_all_may_run_at_once(
    overlap: str, standing: Standing
) -> None:
    expected = Fire() if overlap == "allow_all" else Wait()
    assert decide(Tick("backfill", TEN), trigger(overlap), standing, TEN) == expected
    assert decide(Tick("backfill", TEN), trigger(overlap), Standing(behind=3), TEN) == Fire()
    assert decide(Tick("backfill", TEN), trigger(overlap), standing, TEN, respect_overlap=False) == Fire()


def test_a_second_tick_does_not_wait_where_one_may() -> None:
    assert decide(scheduled(), trigger("buffer_one"), Standing(open_runs=1, ahead=1), TEN) == Skip(SkipReason.OVERLAP)


def test_a_tick_does_not_wait_where_as_many_wait_as_may() -> None:
    full = Standing(open_runs=1, ahead=MAX_WAITING)
    assert decide(scheduled(), trigger("buffer_all"), full, TEN) == Skip(SkipReason.BUFFER_FULL)
    assert decide(scheduled(), trigger("buffer_all"), full, TEN, waited=True) == Wait()


@pytest.mark.parametrize("overlap", ["cancel_other", "terminate_other"])
def test_a_tick_gives_way_to_the_one_after_it_which_would_end_its_run(overlap: str) -> None:
    standing = Standing(open_runs=1, behind=1)
    assert decide(scheduled(), trigger(overlap), standing, TEN, waited=True) == Skip(SkipReason.OVERLAP)


def test_a_tick_that_waited_is_never_late() -> None:
    hours_later = TEN + timedelta(hours=5)
    assert decide(scheduled(), trigger("buffer_all", "skip"), Standing(), hours_later, waited=True) == Fire()


def test_jitter_is_no_lateness() -> None:
    put_off = trigger(policy="skip", jitter="30s")
    assert decide(scheduled(), put_off, Standing(), TEN + timedelta(seconds=39)) == Fire()
    assert decide(scheduled(), put_off, Standing(), TEN + timedelta(seconds=41)) == Skip(SkipReason.MISFIRE)


@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=1)])
def test_triggers_and_backfills_are_never_late_and_fire_while_the_definition_is_paused(late: timedelta) -> None:
    paused = Standing(state="paused")
    assert decide(Tick("backfill", TEN), trigger(policy="skip"), paused, TEN + late) == Fire()
    assert decide(Tick("manual", manual_key="k"), trigger(policy="skip"), paused, TEN + late) == Fire()
    assert decide(scheduled(), trigger(policy="skip"), paused, TEN + late) == Skip(SkipReason.PAUSED)


@given(st.sampled_from(OVERLAPS), st.sampled_from(["disabled", "deleted"]), st.booleans())
def test_nothing_fires_of_a_definition_that_is_not_in_force(overlap: str, state: Any, respect: bool) -> None:  # noqa: FBT001
    for tick in (scheduled(), Tick("backfill", TEN), Tick("manual", manual_key="k")):
        decision = decide(tick, trigger(overlap), Standing(state=state), TEN, respect_overlap=respect)
        assert decision == Skip(SkipReason(state))


class Ticking(RuleBasedStateMachine):
    """A definition whose ticks come, wait, fire and end, in whatever order and under policies that change."""

    @initialize(overlap=st.sampled_from(OVERLAPS), policy=st.sampled_from(POLICIES))
    def begin(self, overlap: str, policy: str) -> None:
        self.trigger = trigger(overlap, policy)
        self.overlap = overlap
        self.now = TEN
        self.next = TEN
        self.waiting: list[Tick] = []
        self.open: list[Tick] = []
        self.skipped: list[Tick] = []
        self.fired: list[Tick] = []
        self.came = 0

    @rule(seconds=st.sampled_from([0, 5, 30, 60, 300]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.next <= self.now)
    @rule()
    def a_tick_comes(self) -> None:
        tick = scheduled(self.next)
        self.next += MINUTE
        self.came += 1
        standing = Standing(open_runs=len(self.open), ahead=len(self.waiting))
        self._settle(tick, decide(tick, self.trigger, standing, self.now), waits=False)

    @precondition(lambda self: self.waiting)
    @rule(place=st.integers(0, 50))
    def a_waiting_tick_asks_again(self, place: int) -> None:
        ahead = place % len(self.waiting)
        tick = self.waiting[ahead]
        standing = Standing(open_runs=len(self.open), ahead=ahead, behind=len(self.waiting) - ahead - 1)
        self._settle(tick, decide(tick, self.trigger, standing, self.now, waited=True), waits=True)

    @precondition(lambda self: self.open)
    @rule()
    def a_run_ends(self) -> None:
        self.open.pop(0)

    def _settle(self, tick: Tick, decision: TickDecision, *, waits: bool) -> None:
        if not waits and isinstance(decision, Wait | FireAfter):
            self.waiting.append(tick)
        if waits and not isinstance(decision, Wait | FireAfter):
            self.waiting.remove(tick)
        if isinstance(decision, Fire):
            self.open.append(tick)
            self.fired.append(tick)
        elif isinstance(decision, Skip):
            self.skipped.append(tick)

    @invariant()
    def every_tick_is_in_one_place(self) -> None:
        if hasattr(self, "came"):
            assert self.came == len(self.fired) + len(self.skipped) + len(self.waiting)
            assert len({*self.fired, *self.skipped, *self.waiting}) == self.came

    @invariant()
    def runs_overlap_only_where_they_may(self) -> None:
        if hasattr(self, "overlap") and self.overlap != "allow_all":
            assert len(self.open) <= 1

    @invariant()
    def ticks_wait_only_where_they_may(self) -> None:
        if hasattr(self, "overlap"):
            if self.overlap == "buffer_one":
                assert len(self.waiting) <= 1
            if self.overlap in {"skip", "allow_all"}:
                assert not self.waiting

    @invariant()
    def whoever_waits_fires_once_all_before_it_has_ended(self) -> None:
        if hasattr(self, "waiting") and self.waiting and not self.open:
            last_or_first = -1 if self.overlap in {"cancel_other", "terminate_other"} else 0
            tick = self.waiting[last_or_first]
            assert decide(tick, self.trigger, Standing(), self.now, waited=True) == Fire()


TestTicking = Ticking.TestCase


def test_what_was_decided_does_not_depend_on_which_missed_tick_asks_first() -> None:
    asked = trigger("allow_all", "fire_once")
    now = TEN + timedelta(minutes=5, seconds=30)
    came = [TEN + minute * MINUTE for minute in range(6)]
    fired = [nominal for nominal in came if decide(scheduled(nominal), asked, Standing(), now) == Fire()]
    assert fired == [came[-1]]
