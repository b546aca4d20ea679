"""Terminal rows, read back in the form in which outcomes are published."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from taskfactory.envelope import ActivityRef, Failure
from taskfactory.registry.run_model import EndedRun, EndedTask, EventAttributes, Finished, OutcomesConfig, RunContext

TASK_COLUMNS: Final = "run_id, task_id, name, index, position, type, state, attempts, result, error, ended_at"
RUN_COLUMNS: Final = (
    "run_id, activity_id, activity_name, version, generation, state, error, trigger, event_attributes, outcomes, "
    "task_counts, started_at, ended_at"
)

_RUNS: Final = text(f"SELECT {RUN_COLUMNS} FROM activity_runs WHERE run_id = ANY(CAST(:run_ids AS text[]))")  # noqa: S608
_TASKS: Final = text(
    f"SELECT {TASK_COLUMNS} FROM tasks WHERE task_id = ANY(CAST(:task_ids AS text[]))"  # noqa: S608 -- constants
)
_TASKS_OF_RUNS: Final = text(
    f"SELECT {TASK_COLUMNS} FROM tasks "  # noqa: S608 -- constants
    "WHERE run_id = ANY(CAST(:run_ids AS text[])) AND state NOT IN ('scheduled', 'skipped')"
)


def run_rows(connection: Connection, run_ids: Collection[str]) -> list[Row[Any]]:
    """Rows of these runs, in whatever state."""
    return list(connection.execute(_RUNS, {"run_ids": sorted(run_ids)})) if run_ids else []


def task_rows(connection: Connection, task_ids: Collection[str]) -> list[Row[Any]]:
    """Rows of these tasks, in whatever state."""
    return list(connection.execute(_TASKS, {"task_ids": sorted(task_ids)})) if task_ids else []


def ended_task_rows(connection: Connection, run_ids: Collection[str]) -> list[Row[Any]]:
    """Rows of all tasks of these runs that reached an end which has an outcome."""
    return list(connection.execute(_TASKS_OF_RUNS, {"run_ids": sorted(run_ids)})) if run_ids else []


def finished(tasks: Iterable[Row[Any]], ended_runs: Iterable[Row[Any]], runs: Iterable[Row[Any]]) -> Finished:
    """Put rows together.

    Args:
        tasks: rows of tasks; those that have no outcome (skipped, still open) are left out.
        ended_runs: rows of the runs whose end is to be published.
        runs: a row of every run that `tasks` and `ended_runs` mention.
    """
    return Finished(
        tasks=sorted(
            (_ended_task(row) for row in tasks if row.state not in {"skipped", "scheduled"}),
            key=lambda task: (task.run_id, task.position),
        ),
        runs=sorted((_ended_run(row) for row in ended_runs), key=lambda run: run.run_id),
        contexts={row.run_id: _context(row) for row in runs},
    )


def failure(value: Any) -> Failure | None:
    """A row's `error`."""
    return None if value is None else Failure.model_validate(value)


def _ended_task(row: Row[Any]) -> EndedTask:
    return EndedTask(
        run_id=row.run_id,
        task_id=row.task_id,
        name=row.name,
        index=row._mapping["index"],  # noqa: SLF001 -- public API; `.index` is the tuple's method
        position=row.position,
        type=row.type,
        status=row.state,
        attempts=row.attempts,
        result=row.result,
        error=failure(row.error),
        ended_at=row.ended_at,
    )


def _ended_run(row: Row[Any]) -> EndedRun:
    return EndedRun(
        run_id=row.run_id,
        status=row.state,
        error=failure(row.error),
        task_counts=row.task_counts,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def _context(row: Row[Any]) -> RunContext:
    return RunContext(
        activity=ActivityRef(id=str(row.activity_id), name=row.activity_name, version=row.version),
        generation=row.generation,
        trigger=row.trigger,
        event_attributes=EventAttributes.model_validate(row.event_attributes),
        outcomes=OutcomesConfig.model_validate(row.outcomes or {}),
    )
