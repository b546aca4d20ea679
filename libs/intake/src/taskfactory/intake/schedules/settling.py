"""What an expected tick came to. Pure.

Each comes to exactly one thing: a run, a skip that is recorded, a skip that follows from the definition's state, or it
is pending because there was no time yet; or it is missing, and that is an alarm.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from taskfactory.definitions import Tick, nominal_text
from taskfactory.intake.schedules.periods import ExpectedTick
from taskfactory.registry import LedgerKey, TickFact

PATIENCE: Final = timedelta(minutes=2)
"""A tick is decided about, and its run begun, so soon after it is due: Temporal's schedules follow a change within half
a minute, and what was missed meanwhile is made up for right after that."""
STARTED: Final = "started"
WAITING: Final = "waiting"
PENDING: Final = "pending"
MISSING: Final = "missing"
"""What a tick came to is one of these or the reason of a skip."""
LOST: Final = frozenset({"lost", "unreadable"})
"""Reasons of skips that nobody meant: alarms."""


class TickTrouble(StrEnum):
    """What does not add up."""

    TICK_MISSING = "tick_missing"
    """Nothing was decided about it, and there is no run of it."""
    TICK_LOST = "tick_lost"
    """It was skipped though nobody meant that."""
    RUN_MISSING = "run_missing"
    """It was to start a run, and there is none."""
    DECISION_MISSING = "decision_missing"
    """It has a run, and no decision is recorded."""
    TICK_UNEXPECTED = "tick_unexpected"
    """It fired, and no schedule that was in force has it."""


@dataclass(frozen=True, slots=True)
class TickDiscrepancy:
    """One thing that does not add up."""

    definition: str
    tick: str
    """`tick:<nominal time>`."""
    trouble: TickTrouble
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Came:
    """What a tick came to."""

    to: str
    trouble: TickTrouble | None = None
    found: str = ""
    """With a trouble: what there is instead."""


class Unknown(StrEnum):
    """What must be looked up before a tick is settled."""

    RUN = "run"
    """A run should be there, and has no row."""
    ANYTHING = "anything"
    """Nothing is recorded of a tick that was due."""


def settle(tick: ExpectedTick, fact: TickFact | None, now: datetime) -> Came | Unknown:
    """What a tick came to, as far as the decision about it tells.

    Args:
        tick: which one.
        fact: the decision about it; of several, the one that counts most.
        now: aware.
    """
    if fact is None:
        return _undecided(tick, now)
    match fact.decision:
        case "started":
            return Came(STARTED) if fact.run_known else Unknown.RUN
        case "waiting":
            return Came(WAITING)
    reason = fact.reason or ""
    return Came(reason, TickTrouble.TICK_LOST, f"skipped: {reason}") if reason in LOST else Came(reason)


def counts_most(facts: list[TickFact]) -> TickFact:
    """Of decisions about one tick, by its schedule and by a backfill, the one that says what it came to."""
    return min(facts, key=lambda fact: (_RANK[fact.decision], fact.kind != "scheduled"))


def settle_run(fact: TickFact, *, claimed: bool, known_to_temporal: bool, now: datetime) -> Came:
    """What a tick came to that was to start a run of which there is no row.

    Args:
        fact: the decision.
        claimed: its key is in the ledger, so that a run there was.
        known_to_temporal: the run was started.
        now: aware.
    """
    if claimed:
        return Came(STARTED)
    if known_to_temporal or now - fact.decided_at < PATIENCE:
        return Came(PENDING)
    return Came(MISSING, TickTrouble.RUN_MISSING, f"no run {fact.run_id}, though it was decided to start it")


def settle_anything(*, claimed: bool, asked: bool) -> Came:
    """What a tick came to about which no decision is recorded.

    Args:
        claimed: its key is in the ledger, so that a run there was.
        asked: its workflow is open in Temporal and will decide.
    """
    if claimed:
        return Came(STARTED, TickTrouble.DECISION_MISSING, "a run, and no decision")
    return Came(PENDING) if asked else Came(MISSING, TickTrouble.TICK_MISSING, "neither a decision nor a run")


def tick_id(nominal: datetime) -> str:
    """What a tick is known by."""
    return Tick("scheduled", nominal).id


def ledger_key(activity_id: str, nominal: datetime) -> LedgerKey:
    """What the run of a tick claims."""
    return LedgerKey(UUID(activity_id), Tick("scheduled", nominal).key.digest, 1)


def told_expected(tick: ExpectedTick) -> str:
    """An expectation, for people."""
    return f"a run or a recorded skip: the schedule was {tick.period.state} and due at {nominal_text(tick.nominal)}"


_RANK: Final = {"started": 0, "waiting": 1, "skipped": 2}


def _undecided(tick: ExpectedTick, now: datetime) -> Came | Unknown:
    if tick.period.state in {"paused", "disabled"}:
        return Came(tick.period.state)
    jitter = tick.period.trigger.spec.jitter if tick.period.trigger else timedelta(0)
    return Came(PENDING) if now - (tick.nominal + jitter) < PATIENCE else Unknown.ANYTHING
