"""What becomes of a tick: does it fire, is it skipped and why, or does it wait? Pure.

Three questions, in this order; each is asked of a tick once, but for the last, which a waiting tick is asked again.

1. Is the definition in force? A paused one skips what its schedule brings. Who triggers or backfills has asked for it,
   so that fires though it is paused; nothing fires of one that is disabled or deleted.
2. Is the tick late? Only what the schedule itself brings can be. A tick is *missed* when it is decided about more than
   `GRACE` after it was due, its jitter included. One that is late by more than the misfire window never fires. Within
   the window, the policy `skip` lets no missed tick fire, `fire_all` all of them. `fire_once` lets **the latest** fire:
   a missed tick is skipped if the one after it is missed too. Whoever is asked first does not matter, since each answer
   follows from the calendar and the clock alone.
3. Is a run of the definition open? Then the overlap policy says what happens, to missed ticks as to any other, and to
   triggers too, unless whoever asked wants it otherwise. A backfill is there to leave nothing out, so unless all may
   run at once (`allow_all`), its ticks run one after the other, and end nothing that is under way.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, assert_never

from taskfactory.definitions.calendar import next_ticks
from taskfactory.definitions.cron_trigger import CronTrigger
from taskfactory.definitions.ticks import Tick

GRACE: Final = timedelta(seconds=10)
"""A tick that is decided about so soon after it was due is on time.

Temporal's timers are right within a second; a worker that is restarted, or a leader that changes, takes a few.
"""
MAX_WAITING: Final = 1_000
"""Ticks of one definition that may wait at once; each holds a workflow. Temporal's own schedules buffer as many."""

DefinitionStanding = Literal["enabled", "paused", "disabled", "deleted"]


class SkipReason(StrEnum):
    """Why a tick does not fire."""

    PAUSED = "paused"
    DISABLED = "disabled"
    DELETED = "deleted"
    MISFIRE = "misfire"
    """It was missed, and the misfire policy does not make up for it."""
    OUTSIDE_WINDOW = "outside_window"
    """It was missed for longer than the misfire window."""
    OVERLAP = "overlap"
    """A run was open, or a tick was waiting, and the overlap policy lets no other in."""
    BUFFER_FULL = "buffer_full"
    """As many ticks wait as may wait at once."""


@dataclass(frozen=True, slots=True)
class Fire:
    """Start the run now."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Start nothing, and say why."""

    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again when a run or a tick before this one has ended."""


@dataclass(frozen=True, slots=True)
class FireAfter:
    """End the open runs, then ask again as a tick that waits."""

    end_by: Literal["cancel", "terminate"]


TickDecision = Fire | Skip | Wait | FireAfter


@dataclass(frozen=True, slots=True)
class Standing:
    """How a definition stands when one of its ticks is asked about."""

    state: DefinitionStanding = "enabled"
    open_runs: int = 0
    """Runs of the definition that have not ended."""
    ahead: int = 0
    """Ticks that wait, and were there before this one."""
    behind: int = 0
    """Ticks that wait, and came after this one."""

    @property
    def is_free(self) -> bool:
        """Whether a tick may fire that waits for those before it."""
        return not self.open_runs and not self.ahead


def decide(  # noqa: PLR0913 -- what is known of a tick
    tick: Tick,
    trigger: CronTrigger,
    standing: Standing,
    now: datetime,
    *,
    waited: bool = False,
    respect_overlap: bool = True,
) -> TickDecision:
    """What becomes of a tick.

    Args:
        tick: which one.
        trigger: of the definition's version that would run.
        standing: as read now; without the tick itself.
        now: aware.
        waited: the tick was told to wait, or to fire after others, before: it can't be late any more.
        respect_overlap: False lets it fire beside whatever is open, for those who ask for it by hand.
    """
    if (out_of_force := _out_of_force(tick, standing)) is not None:
        return Skip(out_of_force)
    if not waited and (missed := _missed(tick, trigger, now)) is not None:
        return Skip(missed)
    if not respect_overlap or trigger.overlap == "allow_all":
        return Fire()
    return _in_turn(standing) if tick.kind == "backfill" else _beside_others(trigger, standing, waited=waited)


def is_missed(due: datetime, now: datetime) -> bool:
    """Whether a tick is missed that is asked about now.

    Args:
        due: its nominal time, its jitter added; aware.
        now: aware.
    """
    return now - due > GRACE


def _out_of_force(tick: Tick, standing: Standing) -> SkipReason | None:
    match standing.state:
        case "enabled":
            return None
        case "paused":
            return SkipReason.PAUSED if tick.kind == "scheduled" else None
        case "disabled":
            return SkipReason.DISABLED
        case "deleted":
            return SkipReason.DELETED
        case _:
            assert_never(standing.state)


def _missed(tick: Tick, trigger: CronTrigger, now: datetime) -> SkipReason | None:
    if tick.kind != "scheduled" or tick.nominal is None:
        return None
    due = tick.nominal + trigger.spec.jitter
    if not is_missed(due, now):
        return None
    if now - due > trigger.misfire_window:
        return SkipReason.OUTSIDE_WINDOW
    match trigger.misfire.policy:
        case "skip":
            return SkipReason.MISFIRE
        case "fire_all":
            return None
        case "fire_once":
            later = next_ticks(trigger.spec, tick.nominal, 1)
            return SkipReason.MISFIRE if later and is_missed(later[0] + trigger.spec.jitter, now) else None
        case _:
            assert_never(trigger.misfire.policy)


def _in_turn(standing: Standing) -> TickDecision:
    return Fire() if standing.is_free else Wait()


def _beside_others(trigger: CronTrigger, standing: Standing, *, waited: bool) -> TickDecision:  # noqa: PLR0911
    if trigger.overlap in {"cancel_other", "terminate_other"} and standing.behind:
        # The tick after it ends whatever this one would start.
        return Skip(SkipReason.OVERLAP)
    if standing.is_free:
        return Fire()
    match trigger.overlap:
        case "skip":
            return Skip(SkipReason.OVERLAP)
        case "buffer_one":
            # A tick that waits already keeps its place, though others came to wait before the policy was changed.
            return Wait() if waited or not standing.ahead + standing.behind else Skip(SkipReason.OVERLAP)
        case "buffer_all":
            full = standing.ahead + standing.behind >= MAX_WAITING
            return Skip(SkipReason.BUFFER_FULL) if full and not waited else Wait()
        case "cancel_other":
            return FireAfter("cancel")
        case "terminate_other":
            return FireAfter("terminate")
        case "allow_all":
            return Fire()
        case _:
            assert_never(trigger.overlap)
