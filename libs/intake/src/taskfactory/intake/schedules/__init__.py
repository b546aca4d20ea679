"""Schedules, for operators: the audit of their ticks, ticks to come, triggers and backfills.

Reading order: `periods` (how definitions stood, and so what was to be expected), `settling` (what a tick came to),
`tick_audit`; `asking` (a tick asked for by hand), `backfill`, `upcoming`.
"""

from taskfactory.intake.schedules.asking import TemporalTicks, TickDesk, TickOutcome
from taskfactory.intake.schedules.backfill import (
    MAX_TICKS,
    Backfill,
    BackfillRefused,
    BackfillResult,
    BackfillTick,
)
from taskfactory.intake.schedules.settling import TickDiscrepancy, TickTrouble
from taskfactory.intake.schedules.tick_audit import TickAuditor, TickReport
from taskfactory.intake.schedules.upcoming import MAX_COUNT, Upcoming, UpcomingTicks, upcoming_ticks

__all__ = [
    "MAX_COUNT",
    "MAX_TICKS",
    "Backfill",
    "BackfillRefused",
    "BackfillResult",
    "BackfillTick",
    "TemporalTicks",
    "TickAuditor",
    "TickDesk",
    "TickDiscrepancy",
    "TickOutcome",
    "TickReport",
    "TickTrouble",
    "Upcoming",
    "UpcomingTicks",
    "upcoming_ticks",
]
