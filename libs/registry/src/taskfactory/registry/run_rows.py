"""Rows of runs and their tasks, written in one statement and found again by run or by event."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from taskfactory.definitions import ContextValue, PlannedTask, RenderedRun, RunInput
from taskfactory.envelope import Failure
from taskfactory.registry.claims import LedgerKey
from taskfactory.registry.columns import arrays, unnest
from taskfactory.registry.context_rows import insert_context
from taskfactory.registry.run_model import AwaitsContext, EventAttributes, PlannedRun, StoredTask, TaskPage
from taskfactory.registry.stored_text import json_text, json_text_or_null, readable, readable_key
from taskfactory.registry.task_pages import PageLimit, first_page

_RUN: Final = {
    "run_id": "text",
    "activity_id": "uuid",
    "activity_name": "text",
    "version": "integer",
    "generation": "integer",
    "owner": "uuid",
    "state": "text",
    "error": "json",
    "dedupe_strategy": "text",
    "dedupe_key": "text",
    "trigger": "json",
    "event_attributes": "json",
    "event_digest": "bytea",
    "event_source": "text",
    "event_id": "text",
    "event_type": "text",
    "task_count": "integer",
    "awaits_context": "boolean",
}

_TASK: Final = {
    "task_id": "text",
    "run_id": "text",
    "position": "integer",
    "name": "text",
    "index": "integer",
    "type": "text",
    "handler": "text",
    "queue": "text",
    "params": "json",
    "options": "json",
    "state": "text",
}

# `outcomes` is copied from the version that runs, which never changes: the row then says all that publishing needs.
_INSERT: Final = text(f"""
    WITH inserted AS (
        INSERT INTO activity_runs ({", ".join(_RUN)}, outcomes, task_counts, started_at, ended_at)
        SELECT r.*, v.outcomes, CASE WHEN r.state = 'running' THEN NULL ELSE CAST('{{}}' AS json) END,
               now(), CASE WHEN r.state = 'running' THEN NULL ELSE now() END
        FROM {unnest("r", _RUN)}
        LEFT JOIN activity_definition_versions v ON v.definition_id = r.activity_id AND v.version = r.version
    )
    INSERT INTO tasks ({", ".join(_TASK)}, started_at, scheduled_at, ended_at)
    SELECT t.*, now(), CASE WHEN t.state = 'scheduled' THEN now() END, CASE WHEN t.state = 'skipped' THEN now() END
    FROM {unnest("t", _TASK)}
""")  # noqa: S608 -- built from this module's constants

_FIND: Final = text("""
    SELECT run_id, activity_id, event_digest, generation, owner, state, error, task_count, awaits_context
    FROM activity_runs
    WHERE run_id = ANY(CAST(:run_ids AS text[])) OR event_digest = ANY(CAST(:event_digests AS bytea[]))
    ORDER BY started_at, run_id
""")

# In this order: the row is locked, then looked at.
_OPEN_CLAIM: Final = text("""
    SELECT started_at FROM activity_runs
    WHERE run_id = :run_id AND awaits_context AND ended_at IS NULL FOR UPDATE
""")

_PLAN_CLAIMED: Final = text(f"""
    WITH planned AS (
        UPDATE activity_runs
        SET awaits_context = false, task_count = :task_count,
            state = CAST(:state AS text), error = CAST(:error AS json),
            task_counts = CASE WHEN CAST(:state AS text) = 'running' THEN NULL ELSE CAST('{{}}' AS json) END,
            ended_at = CASE WHEN CAST(:state AS text) = 'running' THEN NULL ELSE now() END
        WHERE run_id = :run_id AND started_at = :started_at
    )
    INSERT INTO tasks ({", ".join(_TASK)}, started_at, scheduled_at, ended_at)
    SELECT t.*, :started_at,
           CASE WHEN t.state = 'scheduled' THEN now() END, CASE WHEN t.state = 'skipped' THEN now() END
    FROM {unnest("t", _TASK)}
""")  # noqa: S608 -- built from this module's constants

_OWNER: Final = {"taken_run_id": "text", "new_owner": "uuid"}

# The state is looked at again once the row is locked: a run that has ended in the meantime is not taken.
_TAKE_OVER: Final = text(f"""
    UPDATE activity_runs r SET owner = o.new_owner
    FROM {unnest("o", _OWNER)}
    WHERE r.run_id = o.taken_run_id AND r.ended_at IS NULL
    RETURNING r.run_id
""")  # noqa: S608 -- built from this module's constants


@dataclass(frozen=True, slots=True)
class Windowed:
    """What a run whose key has a window asks with."""

    occurrence: LedgerKey
    """The event at its time."""
    at: datetime
    """The event's time, aware."""
    window: timedelta


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that asks to be planned."""

    run: RunInput
    owner: UUID
    """First execution run id of the workflow that carries it."""
    identity: LedgerKey
    """The event's own key."""
    strategy: LedgerKey
    """The definition's key; the same as `identity` where the definition dedupes by event."""
    windowed: Windowed | None = None
    """None: the key is remembered forever."""

    @property
    def admission(self) -> LedgerKey:
        """What lets the event ask once: its identity, or, where that is the key that fires again, its occurrence."""
        if self.windowed is not None and self.strategy == self.identity:
            return self.windowed.occurrence
        return self.identity


@dataclass(frozen=True, slots=True)
class StoredRun:
    """What is known of a run that already has a row."""

    run_id: str
    event: LedgerKey
    owner: UUID
    state: str
    error: Failure | None
    task_count: int
    awaits_context: bool


@dataclass(frozen=True, slots=True)
class NewRun:
    """The rows of a run that is about to be inserted, and what its caller will be told."""

    planned: PlannedRun
    row: tuple[Any, ...]
    task_rows: Sequence[tuple[Any, ...]]
    context: Sequence[ContextValue]


Rendering = RenderedRun | AwaitsContext | Failure
"""A run's tasks and context; that its context has to be fetched first; or why there are no tasks."""


def new_run(candidate: Candidate, rendered: Rendering, limit: PageLimit) -> NewRun:
    """Compose the rows.

    Args:
        candidate: the run that won its keys.
        rendered: its tasks, or why there are none (yet): with a failure the run has failed.
        limit: the size of the first page of tasks.

    Raises:
        Unstorable: a task's params or options have no JSON form.
    """
    failure = rendered if isinstance(rendered, Failure) else None
    done = rendered if isinstance(rendered, RenderedRun) else RenderedRun(())
    tasks = [_stored(task, place) for place, task in enumerate(done.tasks)]
    params = [json_text(task.params) for task in tasks]
    sizes = [len(text.encode()) for text in params]
    page = first_page(tasks, sizes, limit) if tasks else TaskPage(tasks=[], next_position=None)
    planned = PlannedRun(
        run_id=candidate.run.run_id,
        state="failed" if failure else "claimed" if isinstance(rendered, AwaitsContext) else "running",
        error=failure,
        task_count=len(tasks),
        tasks=page.tasks,
        next_position=page.next_position,
    )
    task_rows = [_task_row(candidate.run.run_id, task, text) for task, text in zip(tasks, params, strict=True)]
    return NewRun(planned, _run_row(candidate, planned), task_rows, done.context)


def insert_runs(connection: Connection, runs: Iterable[NewRun]) -> None:
    """Write runs and tasks; all of one call start at the same instant, the transaction's."""
    ordered = sorted(runs, key=lambda run: run.planned.run_id)
    if not ordered:
        return
    tasks = [row for run in ordered for row in run.task_rows]
    connection.execute(_INSERT, {**arrays("r", _RUN, (run.row for run in ordered)), **arrays("t", _TASK, tasks)})
    for run in ordered:
        insert_context(connection, run.planned.run_id, run.context)


def plan_claimed(connection: Connection, run: NewRun) -> bool:
    """Write tasks and context of a run that was claimed before them; whether it still waited for that."""
    planned = run.planned
    claim = connection.execute(_OPEN_CLAIM, {"run_id": planned.run_id}).one_or_none()
    if claim is None:
        return False
    fields = {
        "run_id": planned.run_id,
        "started_at": claim.started_at,
        "task_count": planned.task_count,
        "state": planned.state,
        "error": json_text_or_null(planned.error and planned.error.model_dump()),
    }
    connection.execute(_PLAN_CLAIMED, {**fields, **arrays("t", _TASK, run.task_rows)})
    insert_context(connection, planned.run_id, run.context)
    return True


def find_runs(connection: Connection, candidates: Collection[Candidate]) -> list[StoredRun]:
    """Rows that have a candidate's run id or event."""
    if not candidates:
        return []
    rows = connection.execute(
        _FIND,
        {
            "run_ids": sorted({candidate.run.run_id for candidate in candidates}),
            "event_digests": sorted({candidate.identity.digest for candidate in candidates}),
        },
    )
    return [
        StoredRun(
            run_id=row.run_id,
            event=LedgerKey(row.activity_id, bytes(row.event_digest), row.generation),
            owner=row.owner,
            state=row.state,
            error=Failure.model_validate(row.error) if row.error else None,
            task_count=row.task_count,
            awaits_context=row.awaits_context,
        )
        for row in rows
    ]


def take_over(connection: Connection, candidates: Collection[Candidate]) -> frozenset[str]:
    """Make the candidates' owners the owners of their runs' rows; the ledger keeps who claimed first.

    Returns:
        Ids of the runs that were still open and are taken over now.
    """
    if not candidates:
        return frozenset()
    rows = sorted((candidate.run.run_id, candidate.owner) for candidate in candidates)
    return frozenset(connection.execute(_TAKE_OVER, arrays("o", _OWNER, rows)).scalars())


def _stored(task: PlannedTask, position: int) -> StoredTask:
    state = "skipped" if task.skipped else "scheduled"
    return StoredTask.model_validate({**dict(task), "position": position, "state": state})


def _run_row(candidate: Candidate, planned: PlannedRun) -> tuple[Any, ...]:
    run = candidate.run
    attributes = EventAttributes.model_validate({**run.event, "key": run.key})
    return (
        run.run_id,
        candidate.identity.activity_id,
        run.activity_name,
        run.version,
        run.generation,
        candidate.owner,
        "running" if planned.state == "claimed" else planned.state,
        json_text_or_null(planned.error and planned.error.model_dump()),
        run.dedupe_strategy,
        readable_key(run.dedupe_parts),
        json_text(run.trigger.model_dump()),
        json_text(attributes.model_dump(exclude_none=True)),
        candidate.identity.digest,
        readable(run.trigger.source),
        readable(run.trigger.id),
        readable(run.trigger.type),
        planned.task_count,
        planned.state == "claimed",
    )


def _task_row(run_id: str, task: StoredTask, params: str) -> tuple[Any, ...]:
    return (
        task.task_id,
        run_id,
        task.position,
        task.name,
        task.index,
        task.type,
        task.handler,
        task.queue,
        params,
        json_text(task.model_dump(mode="json", exclude={"params", "position", "state"})),
        task.state,
    )
