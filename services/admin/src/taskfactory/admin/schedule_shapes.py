"""How schedules and their ticks look in requests and answers."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from taskfactory.admin.interventions import Why
from taskfactory.definitions import CronTrigger, TickKind
from taskfactory.intake.schedules import (
    MAX_TICKS,
    BackfillResult,
    BackfillTick,
    TickDiscrepancy,
    TickReport,
    TickTrouble,
    UpcomingTicks,
)
from taskfactory.registry import Decision, DefinitionRow, DefinitionState, TickRow

_TRIGGER = {"type": "cron", "cron": ["0 6 * * MON-FRI"], "timezone": "Europe/Berlin"}
_COUNTS = {"started": 22, "overlap": 1, "paused": 1}


class TickModel(BaseModel):
    """What was decided about a tick."""

    tick: str = Field(examples=["tick:2026-11-03T09:00:00Z"])
    kind: TickKind
    scheduled_for: datetime | None = Field(description="Null for one that was triggered by hand.")
    version: int
    decision: Decision
    reason: str | None = Field(description="Of a skip.", examples=["overlap"])
    run_id: str | None
    late_by: float = Field(description="Seconds.")
    asked_by: str = Field(description="`schedule`, or who triggered or backfilled.")
    decided_at: datetime

    @classmethod
    def of(cls, row: TickRow) -> Self:
        """From the registry's row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class ScheduleSummary(BaseModel):
    """A definition that fires by schedule."""

    name: str = Field(examples=["nightly-report"])
    id: str
    version: int
    etag: str | None
    state: DefinitionState
    reason: str | None = Field(description="Of the latest change; of a paused one, why it is.")
    updated_at: datetime
    updated_by: str
    trigger: dict[str, Any] = Field(description="As in the definition, defaults written out.", examples=[_TRIGGER])
    next_tick: datetime | None = Field(description="By the calendar; null unless it is enabled, and after its end.")
    last_tick: TickModel | None = Field(description="The latest that was decided about, by hand not counted.")

    @classmethod
    def of(
        cls, row: DefinitionRow, trigger: CronTrigger | None, next_tick: datetime | None, last: TickRow | None
    ) -> Self:
        """From what the registry and the calendar say."""
        same = ("name", "id", "version", "etag", "state", "reason", "updated_at", "updated_by")
        return cls(
            **{name: getattr(row, name) for name in same},
            trigger={} if trigger is None else trigger.model_dump(mode="json"),
            next_tick=next_tick,
            last_tick=None if last is None else TickModel.of(last),
        )


class ScheduleModel(BaseModel):
    """A schedule and what became of its latest ticks."""

    schedule: ScheduleSummary
    recent: list[TickModel] = Field(
        description="The latest ticks that were decided about, those by hand too; the latest first."
    )


class UpcomingModel(BaseModel):
    """A tick to come."""

    scheduled_for: datetime = Field(description="Its nominal time.")
    fires_at: datetime = Field(description="When it fires: later than the nominal time by its jitter.")


class NextTicks(BaseModel):
    """The next ticks of a schedule."""

    source: Literal["temporal", "calendar"] = Field(
        description="`temporal`: as Temporal will fire; `calendar`: Temporal has no schedule yet; jitter is not known."
    )
    items: list[UpcomingModel]

    @classmethod
    def of(cls, found: UpcomingTicks) -> Self:
        """From the intake library's value."""
        items = [UpcomingModel(scheduled_for=tick.scheduled_for, fires_at=tick.fires_at) for tick in found.ticks]
        return cls(source=found.source, items=items)


class ToTrigger(BaseModel):
    """Why a tick is wanted now, and whether it may run beside others."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "the report is wanted now"}]})

    reason: Why
    respect_overlap: bool = Field(default=True, description="False: run beside open runs, whatever the policy says.")


class Triggered(BaseModel):
    """What became of a tick that was triggered by hand."""

    key: str = Field(description="What it is known by: the request's `Idempotency-Key`, or one made for it.")
    result: Literal["started", "skipped", "waiting", "pending"] = Field(
        description="`waiting`: for runs before it; `pending`: nobody has decided yet, as the orchestrator is away."
    )
    reason: str | None = Field(description="Of a skip.")
    run_id: str | None


class ToBackfill(BaseModel):
    """Which range is to be made up for."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        json_schema_extra={
            "examples": [
                {
                    "from": "2026-11-01T00:00:00Z",
                    "to": "2026-11-02T00:00:00Z",
                    "reason": "it was paused over the migration",
                    "dry_run": True,
                }
            ]
        },
    )

    first: AwareDatetime = Field(alias="from", description="Inclusive.")
    last: AwareDatetime = Field(alias="to", description=f"Inclusive; the range has at most {MAX_TICKS:,} ticks.")
    reason: Why
    dry_run: bool = Field(default=False, description="Say what would be asked for, and do nothing.")
    rate: float = Field(default=20, ge=0.1, le=100, description="Ticks asked for per second.")


class Backfilled(BaseModel):
    """One tick of a backfill."""

    scheduled_for: datetime
    result: BackfillResult = Field(
        description="`ran`: it has a run; `waiting`: for runs before it; `would_ask`: in a dry run; `asked`: somebody "
        "decides about it now; `being_asked`: the same, since an earlier backfill."
    )
    run_id: str | None

    @classmethod
    def of(cls, tick: BackfillTick) -> Self:
        """From the intake library's value."""
        return cls(scheduled_for=tick.nominal, result=tick.result, run_id=tick.run_id)


class BackfillReport(BaseModel):
    """What a backfill found and did."""

    items: list[Backfilled] = Field(description="Every tick of the range, the earliest first.")
    counts: dict[str, int] = Field(examples=[{"ran": 22, "asked": 2}])


class AuditedSchedule(BaseModel):
    """What the ticks of a schedule came to."""

    definition: str
    expected: int
    counts: dict[str, int] = Field(
        description="By `started`, `waiting`, `pending`, `missing`, or the reason of a skip.", examples=[_COUNTS]
    )


class ScheduleDiscrepancy(BaseModel):
    """One thing that does not add up."""

    definition: str
    tick: str = Field(examples=["tick:2026-11-03T09:00:00Z"])
    trouble: TickTrouble
    expected: str
    found: str

    @classmethod
    def of(cls, discrepancy: TickDiscrepancy) -> Self:
        """From the intake library's value."""
        return cls(**{name: getattr(discrepancy, name) for name in cls.model_fields})


class ScheduleAudit(BaseModel):
    """Every tick of a range, accounted for."""

    model_config = ConfigDict(populate_by_name=True)

    after: datetime = Field(serialization_alias="from")
    until: datetime = Field(serialization_alias="to")
    definitions: list[AuditedSchedule]
    alarms: int = Field(description="How many discrepancies there are; 0: all is well.")
    discrepancies: list[ScheduleDiscrepancy] = Field(description="The first 10,000.")

    @classmethod
    def of(cls, report: TickReport) -> Self:
        """From the intake library's value."""
        return cls(
            after=report.after,
            until=report.until,
            definitions=[
                AuditedSchedule(definition=name, expected=counts.total(), counts=dict(counts))
                for name, counts in report.books.items()
            ],
            alarms=report.alarms,
            discrepancies=list(map(ScheduleDiscrepancy.of, report.discrepancies)),
        )
