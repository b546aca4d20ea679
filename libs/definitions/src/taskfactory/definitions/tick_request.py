"""What a tick's workflow is started with: by Temporal's schedule, or by who triggers or backfills."""

from datetime import UTC, datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

from taskfactory.definitions.schedule_spec import nominal_text
from taskfactory.definitions.ticks import Tick, TickKind

TICK_WORKFLOW: Final = "ScheduledTickWorkflow"
"""The workflow type that decides about a tick."""
SCHEDULE: Final = "schedule"
"""Who asks for the ticks that the schedule itself brings."""


def schedule_id(activity_id: str) -> str:
    """The id of a definition's schedule in Temporal."""
    return f"schedule-{activity_id}"


def tick_workflow_prefix(activity_id: str) -> str:
    """What Temporal makes the ids of scheduled ticks' workflows of: it appends a hyphen and the nominal time."""
    return f"tick-{activity_id}"


def tick_workflow_id(activity_id: str, tick: Tick) -> str:
    """The id of the workflow that decides about a tick which somebody asked for, or which a backfill brings."""
    if tick.nominal is None:
        return f"{tick_workflow_prefix(activity_id)}-manual-{tick.manual_key}"
    suffix = "" if tick.kind == "scheduled" else f"-{tick.kind}"
    return f"{tick_workflow_prefix(activity_id)}-{nominal_text(tick.nominal)}{suffix}"


class TickRequest(BaseModel):
    """The argument of `ScheduledTickWorkflow`."""

    model_config = ConfigDict(frozen=True)

    activity_id: str
    """The definition's UUID."""
    kind: TickKind = "scheduled"
    scheduled_for: datetime | None = None
    """The nominal time of a backfill's tick; the schedule's own are told by Temporal."""
    manual_key: str | None = None
    """The idempotency key of a manual tick."""
    asked_by: str = SCHEDULE
    """Who triggered or backfilled."""
    respect_overlap: bool = True
    """False lets the tick fire beside open runs, whatever the overlap policy."""

    def tick(self, nominal: datetime | None = None) -> Tick:
        """The tick that is asked about.

        Args:
            nominal: what Temporal says of a scheduled one, aware.

        Raises:
            ValueError: It is none: a time or a key is missing.
        """
        at = self.scheduled_for or nominal
        return Tick(self.kind, None if self.kind == "manual" or at is None else at.astimezone(UTC), self.manual_key)
