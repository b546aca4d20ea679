"""Ends of tasks and runs, one transaction: the first terminal state wins, and what is returned is what is stored."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from taskfactory.envelope import Failure
from taskfactory.registry.columns import arrays, unnest
from taskfactory.registry.ended_rows import (
    RUN_COLUMNS,
    TASK_COLUMNS,
    ended_task_rows,
    failure,
    finished,
    run_rows,
    task_rows,
)
from taskfactory.registry.masked_rows import masked_ends
from taskfactory.registry.run_end import FAILING, TaskTally, derive_status, failure_of_closed, failure_of_task
from taskfactory.registry.run_model import Finished, RunEnd, TaskEnd, TaskState
from taskfactory.registry.stored_text import json_text, json_text_or_null

_END: Final = {"end_task_id": "text", "status": "text", "attempts": "integer", "result": "json", "error": "json"}
_CLOSE: Final = {"end_run_id": "text", "status": "text", "error": "json"}
_RUN_END: Final = {"end_run_id": "text", "status": "text", "error": "json", "counts": "json"}
_AT: Final = {"run_id": "text", "position": "integer"}


def _returning(columns: str, table: str) -> str:
    return ", ".join(f"{table}.{column}" for column in columns.split(", "))


# Open is written `ended_at IS NULL`, which the tables check to be the same as the open state: with the state, a plan
# made while little was open would read the whole index of open rows, and keep doing so when there is a backlog.

_END_TASKS: Final = text(f"""
    UPDATE tasks t
    SET state = e.status, attempts = e.attempts, result = e.result, error = e.error, ended_at = now()
    FROM {unnest("e", _END)}
    WHERE t.task_id = e.end_task_id AND t.ended_at IS NULL
    RETURNING {_returning(TASK_COLUMNS, "t")}
""")  # noqa: S608 -- built from this package's constants

_CLOSE_TASKS: Final = text(f"""
    UPDATE tasks t SET state = e.status, error = e.error, ended_at = now()
    FROM {unnest("e", _CLOSE)}
    WHERE t.run_id = e.end_run_id AND t.ended_at IS NULL
""")  # noqa: S608 -- built from this package's constants

_TALLY: Final = text("""
    SELECT run_id, state, count(*) AS tasks, min(position) AS first
    FROM tasks WHERE run_id = ANY(CAST(:run_ids AS text[])) GROUP BY run_id, state
""")

_TASKS_AT: Final = text(f"""
    SELECT t.run_id, t.name, t.index, t.state, t.error
    FROM {unnest("at", _AT)} JOIN tasks t ON t.run_id = at.run_id AND t.position = at.position
""")  # noqa: S608 -- built from this package's constants

_END_RUNS: Final = text(f"""
    UPDATE activity_runs r SET state = e.status, error = e.error, task_counts = e.counts, ended_at = now()
    FROM {unnest("e", _RUN_END)}
    WHERE r.run_id = e.end_run_id AND r.ended_at IS NULL
    RETURNING {_returning(RUN_COLUMNS, "r")}
""")  # noqa: S608 -- built from this package's constants


class UnknownIds(LookupError):  # noqa: N818 -- it names what is wrong with the input
    """Tasks or runs were to end that have no row: never planned, or long expired.

    Attributes:
        kind: `task` or `run`.
        ids: the ids without a row, sorted.
    """

    def __init__(self, kind: str, ids: Iterable[str]) -> None:
        """Name the first few."""
        self.kind = kind
        self.ids = tuple(sorted(ids))
        shown = ", ".join(self.ids[:3]) + (", …" if len(self.ids) > 3 else "")  # noqa: PLR2004 -- a few
        super().__init__(f"{len(self.ids)} {kind} ids have no row: {shown}")


def finish(connection: Connection, ends: Sequence[TaskEnd], run_ends: Sequence[RunEnd]) -> Finished:
    """Write what is still open, return what is stored; errors without the secrets of the runs' contexts.

    Raises:
        OpenTasks: a run is to end as its tasks say, and some are open.
        UnknownIds: a task or run has no row.
        Unstorable: a result has no JSON form.
    """
    tasks = _end_tasks(connection, {end.task_id: end for end in reversed(ends)})
    run_end_by_id = {end.run_id: end for end in reversed(run_ends)}
    if closing := [
        (run_id, end.status, _error(end.error or failure_of_closed(end.status)))
        for run_id, end in sorted(run_end_by_id.items())
        if end.status
    ]:
        connection.execute(_CLOSE_TASKS, arrays("e", _CLOSE, closing))
        # All of them, not just those that were closed now: whoever ended them before may not have published them.
        again = ended_task_rows(connection, [run_id for run_id, _, _ in closing])
        tasks = {**tasks, **{row.task_id: row for row in again}}
    runs = _end_runs(connection, run_end_by_id)
    mentioned = {row.run_id for row in tasks.values()}
    contexts = {**runs, **{row.run_id: row for row in run_rows(connection, mentioned - runs.keys())}}
    return masked_ends(connection, finished(tasks.values(), runs.values(), contexts.values()))


def ended(connection: Connection, run_ids: Collection[str]) -> Finished:
    """Every terminal row of these runs, for publishing again; errors as `finish` gives them."""
    runs = run_rows(connection, run_ids)
    ended_runs = [row for row in runs if row.state != "running"]
    return masked_ends(connection, finished(ended_task_rows(connection, run_ids), ended_runs, runs))


def _end_tasks(connection: Connection, ends: Mapping[str, TaskEnd]) -> dict[str, Row[Any]]:
    if not ends:
        return {}
    rows = [
        (task_id, end.status, end.attempts, json_text_or_null(end.result), _error(end.error))
        for task_id, end in sorted(ends.items())
    ]
    ended_now = {row.task_id: row for row in connection.execute(_END_TASKS, arrays("e", _END, rows))}
    before = {row.task_id: row for row in task_rows(connection, ends.keys() - ended_now.keys())}
    if unknown := ends.keys() - ended_now.keys() - before.keys():
        raise UnknownIds("task", unknown)
    return {**ended_now, **before}


def _end_runs(connection: Connection, ends: Mapping[str, RunEnd]) -> dict[str, Row[Any]]:
    if not ends:
        return {}
    tallies = _tallies(connection, ends.keys())
    status = {run_id: end.status or derive_status(run_id, tallies[run_id]) for run_id, end in sorted(ends.items())}
    error = {run_id: end.error if end.status else None for run_id, end in ends.items()}
    derived = {run_id for run_id, end in ends.items() if not end.status}
    error |= _failures(connection, {run_id: tallies[run_id] for run_id in derived if status[run_id] == "failed"})
    rows = [
        (run_id, status[run_id], _error(error[run_id]), json_text(dict(tallies[run_id].counts)))
        for run_id in sorted(ends)
    ]
    ended_now = {row.run_id: row for row in connection.execute(_END_RUNS, arrays("e", _RUN_END, rows))}
    before = {row.run_id: row for row in run_rows(connection, ends.keys() - ended_now.keys())}
    if unknown := ends.keys() - ended_now.keys() - before.keys():
        raise UnknownIds("run", unknown)
    return {**ended_now, **before}


def _tallies(connection: Connection, run_ids: Collection[str]) -> dict[str, TaskTally]:
    counts: dict[str, dict[TaskState, int]] = defaultdict(dict)
    failed: dict[str, int] = {}
    for row in connection.execute(_TALLY, {"run_ids": sorted(run_ids)}):
        counts[row.run_id][row.state] = row.tasks
        if row.state in FAILING:
            failed[row.run_id] = min(row.first, failed.get(row.run_id, row.first))
    return {run_id: TaskTally(counts[run_id], failed.get(run_id)) for run_id in run_ids}


def _failures(connection: Connection, tallies: Mapping[str, TaskTally]) -> dict[str, Failure]:
    """The first failed task of each run, as the run's own error."""
    if not tallies:
        return {}
    places = sorted((run_id, tally.first_failed) for run_id, tally in tallies.items())
    return {
        run_id: failure_of_task(name, index, state, failure(error))
        for run_id, name, index, state, error in connection.execute(_TASKS_AT, arrays("at", _AT, places))
    }


def _error(error: Failure | None) -> str | None:
    return json_text_or_null(error and error.model_dump())
