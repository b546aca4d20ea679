"""Rows of runs and tasks as they may be shown: scrubbed of the secrets of their runs' contexts."""

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import Connection

from taskfactory.registry.context_rows import scrubbers
from taskfactory.registry.listing import RunRow, TaskRow
from taskfactory.registry.run_context import scrubbed_failure

SomeRun = TypeVar("SomeRun", bound=RunRow)


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
