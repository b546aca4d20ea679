"""What this package needs of the registry; `TickEvidence` and `Evidence` have it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from taskfactory.registry import LedgerKey, ScheduleLine, TickFact, UndecidedRun


class DecidedTicks(Protocol):
    """Knows what was decided about ticks."""

    def facts(self, activity_ids: Collection[str], after: datetime, until: datetime) -> list[TickFact]:
        """What was decided about ticks of schedules within a range: exclusive, inclusive."""


class ScheduleEvidence(DecidedTicks, Protocol):
    """Knows besides how definitions stood, and which runs nobody decided about."""

    def lines(self, after: datetime, until: datetime, names: Sequence[str] | None = None) -> list[ScheduleLine]:
        """How definitions stood at `after`, and each change up to `until`; by name, in the order of changes."""

    def runs_without_decision(
        self, activities: Collection[tuple[str, str]], after: datetime, until: datetime
    ) -> list[UndecidedRun]:
        """Runs of ticks within a range about which no decision is recorded; of activities by id and name."""

    def decided_seconds(self, since: datetime, until: datetime) -> list[tuple[datetime, bool]]:
        """Seconds in which ticks of any schedule were decided about, in order; and whether the first was missed."""


class Ledger(Protocol):
    """Knows what ran, for ever."""

    def claimed(self, keys: Collection[LedgerKey]) -> frozenset[LedgerKey]:
        """Those of the keys that are claimed."""
