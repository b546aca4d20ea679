"""Runs and tasks in pages, newest first, for those who leaf through them.

A page begins behind the last row of the page before (keyset, never OFFSET): however many rows are inserted meanwhile,
no row comes twice, and none that was there when the first page was read is passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Connection

from taskfactory.definitions import event_identity
from taskfactory.registry.ended_rows import failure
from taskfactory.registry.listing import (
    JOINED_TASKS,
    TASK_COLUMNS,
    RunRow,
    ShownTaskState,
    TaskRow,
    filtered,
    task_conditions,
)
from taskfactory.registry.run_model import RunState
from taskfactory.registry.stored_text import readable

TICK: Final = "io.taskfactory.schedule.tick"
"""The type of the event that a schedule's tick is."""

RunKind = Literal["event", "cron"]


class RunPlace(NamedTuple):
    """A run's place among all: the next page goes on behind it."""

    started_at: datetime
    run_id: str


class TaskPlace(NamedTuple):
    """A task's place among all."""

    started_at: datetime
    """Its run's."""
    run_id: str
    position: int


@dataclass(frozen=True, slots=True)
class RunFilter:
    """What narrows runs down; None does not."""

    definition: str | None = None
    """Its name."""
    state: RunState | None = None
    since: datetime | None = None
    """Started then or later."""
    until: datetime | None = None
    """Started before."""
    event_id: str | None = None
    event_source: str | None = None
    dedupe_key: str | None = None
    """Its readable parts, joined by a space, as runs show them."""
    kind: RunKind | None = None
    """`cron`: started by a schedule's tick; `event`: by anything else."""


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """What narrows tasks down; None does not."""

    run_id: str | None = None
    definition: str | None = None
    state: ShownTaskState | None = None


# A backward scan of `activity_runs_newest`, or of the index of a filter.
_RUNS: Final = f"""
    SELECT {", ".join(RunRow.model_fields)} FROM activity_runs r
    WHERE {{conditions}} ORDER BY started_at DESC, run_id DESC LIMIT :limit
"""  # noqa: S608 -- conditions are this module's constants
_KINDS: Final[Mapping[RunKind, str]] = {"cron": f"r.event_type = '{TICK}'", "event": f"r.event_type <> '{TICK}'"}
_RUN_CONDITIONS: Final = {
    "definition": "r.activity_name = :definition",
    "state": "r.state = :state",
    "since": "r.started_at >= :since",
    "until": "r.started_at < :until",
    "event_digest": "r.event_digest = :event_digest",
    "event_id": "r.event_id = :event_id",
    "event_source": "r.event_source = :event_source",
    "dedupe_key": "r.dedupe_key = :dedupe_key",
    "after_run_id": "(r.started_at, r.run_id) < (:after_started_at, :after_run_id)",
    "after_started_at": "true",
}

_TASKS: Final = f"""
    SELECT {TASK_COLUMNS}, t.started_at, t.position FROM {JOINED_TASKS}
    WHERE {{conditions}} ORDER BY t.started_at DESC, t.run_id DESC, t.position LIMIT :limit
"""  # noqa: S608 -- constants
_TASKS_BEHIND: Final = {
    "after_run_id": """(
        (t.started_at, t.run_id) < (:after_started_at, :after_run_id)
        OR (t.started_at, t.run_id) = (:after_started_at, :after_run_id) AND t.position > :after_position
    )""",
    # Follows from the one above, which the planner does not see: these are what an index is searched by.
    "after_started_at": "t.started_at <= :after_started_at",
    "after_position": "true",
}


def runs_page(connection: Connection, only: RunFilter, *, after: RunPlace | None, limit: int) -> list[RunRow]:
    """Runs that fit, newest first.

    Args:
        connection: a transaction.
        only: the filter.
        after: the last run of the page before; None begins with the newest.
        limit: rows at most.
    """
    given: dict[str, Any] = {
        "definition": only.definition,
        "state": only.state,
        "since": only.since,
        "until": only.until,
        **_event(only),
        "dedupe_key": None if only.dedupe_key is None else readable(only.dedupe_key),
        "after_run_id": None if after is None else after.run_id,
        "after_started_at": None if after is None else after.started_at,
    }
    # A literal, so that the planner sees that the index of ticks will do.
    kind = "true" if only.kind is None else _KINDS[only.kind]
    statement, filters = filtered(_RUNS.replace("{conditions}", f"{kind} AND {{conditions}}"), _RUN_CONDITIONS, given)
    rows = connection.execute(statement, {**filters, "limit": limit})
    return [RunRow.model_validate({**row, "error": failure(row["error"])}) for row in rows.mappings()]


def tasks_page(
    connection: Connection, only: TaskFilter, *, after: TaskPlace | None, limit: int
) -> list[tuple[TaskPlace, TaskRow]]:
    """Tasks that fit, those of the newest runs first, each run's in the order of its plan, without params and results.

    Args:
        connection: a transaction.
        only: the filter.
        after: the last task of the page before; None begins with the newest run's first.
        limit: rows at most.
    """
    conditions, given = task_conditions(definition=only.definition, state=only.state, run_id=only.run_id)
    behind = (
        {}
        if after is None
        else {
            "after_started_at": after.started_at,
            "after_run_id": after.run_id,
            "after_position": after.position,
        }
    )
    statement, filters = filtered(_TASKS, {**conditions, **_TASKS_BEHIND}, {**given, **behind})
    rows = connection.execute(statement, {**filters, "limit": limit})
    return [
        (
            TaskPlace(row["started_at"], row["run_id"], row["position"]),
            TaskRow.model_validate({**row, "error": failure(row["error"])}),
        )
        for row in rows.mappings()
    ]


def _event(only: RunFilter) -> dict[str, Any]:
    """Source and id together are found by their digest, exactly, however long they are; one alone by its text."""
    if only.event_id is not None and only.event_source is not None:
        return {"event_digest": event_identity({"source": only.event_source, "id": only.event_id}).digest}
    return {
        "event_id": None if only.event_id is None else readable(only.event_id),
        "event_source": None if only.event_source is None else readable(only.event_source),
    }
