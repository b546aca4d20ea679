"""One run with everything that its rows say, and which runs were run again as which."""

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, text

from taskfactory.definitions import run_id_in_generation
from taskfactory.envelope import Trigger
from taskfactory.registry.ended_rows import failure
from taskfactory.registry.listing import JOINED_TASKS, TASK_COLUMNS, TASK_DATA_COLUMNS, RunRow, TaskRow
from taskfactory.registry.run_model import TaskState

_RUN: Final = text("SELECT * FROM activity_runs WHERE run_id = :run_id ORDER BY started_at DESC LIMIT 1")
_RERUN_AS: Final = text("SELECT generation, by, at, reason FROM dedupe_releases WHERE rerun_of = :run_id")
_RERUN_OF: Final = text("""
    SELECT rerun_of, by, at, reason FROM dedupe_releases
    WHERE rerun_of = ANY(CAST(:run_ids AS text[])) AND generation = :generation
""")
_TASK: Final = text(
    f"SELECT {TASK_COLUMNS}, {TASK_DATA_COLUMNS} FROM {JOINED_TASKS} "  # noqa: S608 -- constants
    "WHERE t.task_id = :task_id ORDER BY t.started_at DESC LIMIT 1"
)


class RerunLink(BaseModel):
    """A run that was run again, seen from either side."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    """The other run's."""
    by: str
    at: datetime
    reason: str | None


class RunDetail(RunRow):
    """A run with what lists leave out."""

    activity_id: str
    trigger: Trigger
    """The event that started it, with the coordinates of its record."""
    task_counts: dict[TaskState, int] | None
    """Number of tasks by state; None while it runs."""
    rerun_of: RerunLink | None
    """The run that it repeats."""
    rerun_as: RerunLink | None
    """The run that repeats it; opened, and perhaps not started yet."""


def run_detail(connection: Connection, run_id: str) -> RunDetail | None:
    """The run; None when there is none, or none any more."""
    row = connection.execute(_RUN, {"run_id": run_id}).mappings().first()
    if row is None:
        return None
    generation: int = row["generation"]
    again = connection.execute(_RERUN_AS, {"run_id": run_id}).first()
    earlier = [run_id_in_generation(run_id, generation, number) for number in range(1, generation)]
    before = connection.execute(_RERUN_OF, {"run_ids": earlier, "generation": generation}).first() if earlier else None
    return RunDetail.model_validate(
        {
            **row,
            "activity_id": str(row["activity_id"]),
            "error": failure(row["error"]),
            "rerun_of": before and RerunLink(run_id=before.rerun_of, by=before.by, at=before.at, reason=before.reason),
            "rerun_as": again
            and RerunLink(
                run_id=run_id_in_generation(run_id, generation, again.generation),
                by=again.by,
                at=again.at,
                reason=again.reason,
            ),
        }
    )


def task_detail(connection: Connection, task_id: str) -> TaskRow | None:
    """The task with its params and result; None when there is none, or none any more."""
    row = connection.execute(_TASK, {"task_id": task_id}).mappings().first()
    return None if row is None else TaskRow.model_validate({**row, "error": failure(row["error"])})
