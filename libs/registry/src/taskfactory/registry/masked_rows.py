"""Rows of runs and tasks as they may be shown or published: scrubbed of the secrets of their runs' contexts."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from taskfactory.definitions import Scrubber
from taskfactory.registry.context_rows import scrubbers
from taskfactory.registry.listing import RunRow, TaskRow
from taskfactory.registry.run_context import scrubbed_failure
from taskfactory.registry.run_model import EndedRun, EndedTask, Finished

SomeRun = TypeVar("SomeRun", bound=RunRow)
SomeEnd = TypeVar("SomeEnd", EndedTask, EndedRun)


def masked_runs(connection: Connection, rows: Sequence[SomeRun]) -> list[SomeRun]:
    """The rows, their errors without secrets."""
    hidden = scrubbers(connection, [row.run_id for row in rows])
    return [
        row.model_copy(update={"error": scrubbed_failure(hidden[row.run_id], row.error)})
        if row.run_id in hidden
        else row
        for row in rows
    ]


def masked_tasks(connection: Connection, rows: Sequence[TaskRow]) -> list[TaskRow]:
    """The rows, their params, results and errors without secrets."""
    hidden = scrubbers(connection, {row.run_id for row in rows})
    return [
        row.model_copy(
            update={
                "params": hidden[row.run_id].scrub(row.params),
                "result": hidden[row.run_id].scrub(row.result),
                "error": scrubbed_failure(hidden[row.run_id], row.error),
            }
        )
        if row.run_id in hidden
        else row
        for row in rows
    ]


def masked_ends(connection: Connection, finished: Finished) -> Finished:
    """The ends, their errors without secrets.

    An error may quote what a handler was given, so it is scrubbed before it is published. Results are not: they are
    the handlers' own, and subscribers need them as they are.
    """
    run_ids = {task.run_id for task in finished.tasks if task.error is not None}
    run_ids |= {run.run_id for run in finished.runs if run.error is not None}
    hidden = scrubbers(connection, run_ids) if run_ids else {}
    if not hidden:
        return finished
    return finished.model_copy(
        update={"tasks": _masked_ends(finished.tasks, hidden), "runs": _masked_ends(finished.runs, hidden)}
    )


def _masked_ends(ends: Sequence[SomeEnd], hidden: Mapping[str, Scrubber]) -> list[SomeEnd]:
    return [
        end.model_copy(update={"error": scrubbed_failure(hidden[end.run_id], end.error)})
        if end.run_id in hidden
        else end
        for end in ends
    ]
