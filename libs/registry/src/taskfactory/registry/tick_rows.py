"""Decisions about ticks as rows: what is asked, what is stored, what is answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from taskfactory.definitions import RegisteredDefinition, Tick, TickKind

Decision = Literal["started", "skipped", "waiting"]

NOT_SCHEDULED: Final = "not_scheduled"
"""Reason of a skip: the definition fires by schedule no more."""
UNREADABLE: Final = "unreadable"
"""Reason of a skip: this version of taskfactory can't read the definition."""
LOST: Final = "lost"
"""Reason of a skip: the workflow in which the tick waited is gone."""

COLUMNS: Final = """
    activity_id, tick, kind, scheduled_for, manual_key, version, decision, reason, run_id, late_by, owner,
    workflow_id, asked_by, asked_at, decided_at
"""
"""Of `schedule_ticks`, those that a `TickRow` has."""


@dataclass(frozen=True, slots=True)
class TickRow:
    """What was decided about a tick."""

    activity_id: str
    tick: str
    """`tick:<nominal time>` or `manual:<key>`."""
    kind: TickKind
    scheduled_for: datetime | None
    manual_key: str | None
    version: int
    """Of the definition, at the time of the decision."""
    decision: Decision
    reason: str | None
    """Of a skip: a `SkipReason`, `not_scheduled`, `unreadable` or `lost`."""
    run_id: str | None
    """Of a start."""
    late_by: float
    """Seconds from the nominal time to the decision; 0 unless the schedule itself brought the tick."""
    owner: str
    """First execution run id of the workflow that decided."""
    workflow_id: str
    """Of the same."""
    asked_by: str
    """`schedule`, or who triggered or backfilled."""
    asked_at: datetime
    """When it was decided about first."""
    decided_at: datetime
    """When this was decided; of a tick that waits, when it asked last."""


@dataclass(frozen=True, slots=True)
class AskedTick:
    """A tick that is to be decided about."""

    activity_id: str
    tick: Tick
    owner: str
    """First execution run id (a UUID) of the workflow that asks; it may ask again and gets the same answer."""
    workflow_id: str
    asked_by: str = "schedule"
    respect_overlap: bool = True


@dataclass(frozen=True, slots=True)
class DecidedTick:
    """The answer."""

    row: TickRow
    registered: RegisteredDefinition | None
    """In the version that is to run; None unless the tick started."""
    end_by: Literal["cancel", "terminate"] | None = None
    """Set when the tick waits until other runs are ended, which is for who asked to do."""
    others: Sequence[str] = ()
    """The runs that are open, if it waits."""


class UnknownActivity(LookupError):  # noqa: N818 -- it names what is missing
    """The registry has no definition of this id; a tick of it can't be recorded."""


def parameters(row: TickRow) -> dict[str, Any]:
    """A row as a statement's parameters."""
    names = [name.strip() for name in COLUMNS.split(",")]
    fields = {name: getattr(row, name) for name in names}
    return {**fields, "activity_id": UUID(row.activity_id), "owner": UUID(row.owner)}


def tick_row(row: Any) -> TickRow:
    """What a statement that selects `COLUMNS` gave."""
    return TickRow(**{**row._mapping, "activity_id": str(row.activity_id), "owner": str(row.owner)})  # noqa: SLF001
