# ruff: noqa: ARG002 -- they have the signatures of what they stand for
"""A registry and a Temporal in memory, as far as the audit of schedules and backfills ask."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from taskfactory.definitions import Tick, TickKind, TickRequest, tick_workflow_id, workflow_id
from taskfactory.intake import Start
from taskfactory.intake.executions import Execution
from taskfactory.registry import Decision, LedgerKey, ScheduleLine, TickFact, UndecidedRun

ACTIVITY = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
NAME = "nightly"


@dataclass
class FakeRegistry:
    """What was decided, and how the definition stood."""

    stood: list[ScheduleLine] = field(default_factory=list)
    decided: list[TickFact] = field(default_factory=list)
    orphans: list[UndecidedRun] = field(default_factory=list)
    seconds: list[tuple[datetime, bool]] = field(default_factory=list)
    ledger: set[LedgerKey] = field(default_factory=set)

    def lines(self, after: datetime, until: datetime, names: Sequence[str] | None = None) -> list[ScheduleLine]:
        return [line for line in self.stood if names is None or line.name in names]

    def facts(self, activity_ids: Collection[str], after: datetime, until: datetime) -> list[TickFact]:
        return [fact for fact in self.decided if after < fact.scheduled_for <= until]

    def runs_without_decision(
        self, activities: Collection[tuple[str, str]], after: datetime, until: datetime
    ) -> list[UndecidedRun]:
        return self.orphans

    def decided_seconds(self, since: datetime, until: datetime) -> list[tuple[datetime, bool]]:
        return [(at, missed) for at, missed in self.seconds if since <= at <= until]

    def claimed(self, keys: Collection[LedgerKey]) -> frozenset[LedgerKey]:
        return frozenset(keys) & self.ledger


@dataclass
class FakeTemporal:
    """Executions that there are; ticks that are asked for become open ones."""

    known: dict[str, Execution] = field(default_factory=dict)
    asked: list[TickRequest] = field(default_factory=list)

    async def find(self, run_ids: Collection[str]) -> Mapping[str, Execution | None]:
        return {run_id: self.known.get(run_id) for run_id in run_ids}

    async def ask(self, request: TickRequest, name: str) -> Start:
        identity = tick_workflow_id(request.activity_id, request.tick())
        if self.known.get(identity) is Execution.OPEN:
            return Start.ALREADY_STARTED
        self.known[identity] = Execution.OPEN
        self.asked.append(request)
        return Start.STARTED


def fact(
    nominal: datetime,
    decision: Decision = "started",
    reason: str | None = None,
    kind: TickKind = "scheduled",
    *,
    run_known: bool = True,
) -> TickFact:
    run_id = workflow_id(ACTIVITY, Tick("scheduled", nominal).key) if decision == "started" else None
    return TickFact(
        ACTIVITY, nominal, kind, decision, reason, run_id, nominal, run_known=run_known and run_id is not None
    )
