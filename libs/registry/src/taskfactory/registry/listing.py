"""What `get runs` and `get tasks` show: newest first, filtered."""

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, String, TextClause, bindparam, text

from taskfactory.envelope import Failure
from taskfactory.registry.ended_rows import failure
from taskfactory.registry.run_model import RunState, TaskState

ShownTaskState = TaskState | Literal["waiting_for_worker"]
"""A scheduled task on a queue that nobody polls is shown as waiting for a worker; its row stays `scheduled`."""


class RunRow(BaseModel):
    """A run as people see it."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    activity_name: str
    version: int
    generation: int
    """The how-manieth time its dedupe key fired, by releases and reruns."""
    state: RunState
    error: Failure | None
    dedupe_strategy: str
    dedupe_key: str
    """Readable: unprintable characters escaped, long keys cut."""
    event_source: str
    event_id: str
    event_type: str
    task_count: int
    started_at: datetime
    ended_at: datetime | None


class TaskRow(BaseModel):
    """A task as people see it."""

    model_config = ConfigDict(frozen=True)

    task_id: str
    run_id: str
    activity_name: str
    name: str
    index: int | None
    type: str
    handler: str
    queue: str
    state: ShownTaskState
    attempts: int | None
    """None while the task is open, and where it is not known how often it was tried."""
    error: Failure | None
    scheduled_at: datetime | None
    ended_at: datetime | None
    params: dict[str, Any] | None = None
    """None when it was not asked for."""
    result: Any = None
    """None also when it was not asked for."""


_RUNS: Final = f"""
    SELECT {", ".join(RunRow.model_fields)} FROM activity_runs r
    WHERE {{conditions}} ORDER BY started_at DESC, run_id LIMIT :limit
"""  # noqa: S608 -- conditions are this module's constants

_WAITING: Final = "(t.state = 'scheduled' AND q.waiting_since IS NOT NULL)"

TASK_COLUMNS: Final = f"""
    t.task_id, t.run_id, r.activity_name, t.name, t.index, t.type, t.handler, t.queue,
    CASE WHEN {_WAITING} THEN 'waiting_for_worker' ELSE t.state END AS state,
    t.attempts, t.error, t.scheduled_at, t.ended_at
"""
TASK_DATA_COLUMNS: Final = "t.params, t.result"

JOINED_TASKS: Final = """
    tasks t
    JOIN activity_runs r ON r.run_id = t.run_id AND r.started_at = t.started_at
    LEFT JOIN task_queues q ON q.queue = t.queue AND q.kind = t.type
"""
_FROM_TASKS: Final = (
    f"FROM {JOINED_TASKS} WHERE {{conditions}} ORDER BY t.started_at DESC, t.run_id, t.position LIMIT :limit"
)


def list_runs(
    connection: Connection, *, definition: str | None, state: RunState | None, run_id: str | None, limit: int
) -> list[RunRow]:
    """The newest runs that fit every filter given."""
    given = {"definition": definition, "state": state, "run_id": run_id}
    conditions = {
        "definition": "r.activity_name = :definition",
        "state": "r.state = :state",
        "run_id": "r.run_id = :run_id",
    }
    return [RunRow.model_validate(row) for row in _select(connection, _RUNS, conditions, given, limit)]


def list_tasks(  # noqa: PLR0913 -- the filters
    connection: Connection,
    *,
    definition: str | None,
    state: ShownTaskState | None,
    run_id: str | None,
    limit: int,
    with_data: bool,
) -> list[TaskRow]:
    """The tasks of the newest runs that fit every filter given, in the order of their plan."""
    columns = f"{TASK_COLUMNS}, {TASK_DATA_COLUMNS}" if with_data else TASK_COLUMNS
    conditions, given = task_conditions(definition=definition, state=state, run_id=run_id)
    query = f"SELECT {columns} {_FROM_TASKS}"
    return [TaskRow.model_validate(row) for row in _select(connection, query, conditions, given, limit)]


def task_conditions(
    *, definition: str | None, state: ShownTaskState | None, run_id: str | None
) -> tuple[dict[str, str], dict[str, Any]]:
    """SQL for each filter of tasks that may be given, and what is given: None where it is not."""
    given = {"definition": definition, "state": state, "run_id": run_id}
    conditions = {
        "definition": "r.activity_name = :definition",
        "state": f"t.state = :state AND NOT coalesce({_WAITING}, false)",
        "run_id": "t.run_id = :run_id",
    }
    if state == "waiting_for_worker":
        given["state"] = "scheduled"
        conditions["state"] = f"t.state = :state AND {_WAITING}"
    return conditions, given


def filtered(query: str, conditions: dict[str, str], given: dict[str, Any]) -> tuple[TextClause, dict[str, Any]]:
    """A query with the conditions of what is given, and its parameters.

    Args:
        query: with `{conditions}` where they belong.
        conditions: by name; constants.
        given: by name; those that are None do not narrow.
    """
    filters = {name: value for name, value in given.items() if value is not None}
    statement = text(query.format(conditions=" AND ".join(conditions[name] for name in filters) or "true"))
    if "state" in filters:  # as a literal, so that the planner sees that the index of failed or open rows will do
        statement = statement.bindparams(bindparam("state", type_=String, literal_execute=True))
    return statement, filters


def _select(
    connection: Connection, query: str, conditions: dict[str, str], given: dict[str, Any], limit: int
) -> list[dict[str, Any]]:
    statement, filters = filtered(query, conditions, given)
    rows = connection.execute(statement, {**filters, "limit": limit})
    return [{**row, "error": failure(row["error"])} for row in rows.mappings()]
