"""Runs as one looks for them to run them again: which failed when, and where the events that started them were read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from taskfactory.envelope import Trigger
from taskfactory.registry.run_model import RunState

_SELECT: Final = """
    SELECT run_id, activity_id, activity_name, version, generation, state, trigger, started_at, ended_at
    FROM activity_runs WHERE {conditions} ORDER BY started_at, run_id
"""
_CONDITIONS: Final = {
    "run_ids": "run_id = ANY(CAST(:run_ids AS text[]))",
    # A literal, so that the planner sees that the index of failed rows will do.
    "failed": "state = 'failed'",
    "definition": "activity_name = :definition",
    "since": "ended_at >= :since",
    "until": "ended_at < :until",
}


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that may be run again."""

    run_id: str
    activity_id: str
    activity_name: str
    version: int
    """That it ran in."""
    generation: int
    state: RunState
    trigger: Trigger
    """With the coordinates of the event's record."""
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunSelection:
    """Which runs; what is None or empty does not narrow down."""

    run_ids: Sequence[str] = ()
    """These, in whatever state."""
    failed: bool = False
    """Only failed ones."""
    definition: str | None = None
    since: datetime | None = None
    """Ended then or later."""
    until: datetime | None = None
    """Ended before then."""


def past_runs(connection: Connection, selection: RunSelection) -> list[PastRun]:
    """The runs, those that started first first."""
    given: dict[str, Any] = {
        "run_ids": list(selection.run_ids),
        "failed": selection.failed,
        "definition": selection.definition,
        "since": selection.since,
        "until": selection.until,
    }
    filters = {name: value for name, value in given.items() if value}
    where = " AND ".join(_CONDITIONS[name] for name in filters) or "true"
    rows = connection.execute(text(_SELECT.format(conditions=where)), filters)
    return [
        PastRun(
            run_id=row.run_id,
            activity_id=str(row.activity_id),
            activity_name=row.activity_name,
            version=row.version,
            generation=row.generation,
            state=row.state,
            trigger=Trigger.model_validate(row.trigger),
            started_at=row.started_at,
            ended_at=row.ended_at,
        )
        for row in rows
    ]
