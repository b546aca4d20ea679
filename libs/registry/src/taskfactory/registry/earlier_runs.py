"""What a run may know about runs before it: how they ended, and what their tasks gave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from taskfactory.registry.context_rows import scrubbers

_RUNS: Final = text("""
    SELECT r.run_id, r.version, r.state, r.trigger, r.started_at, r.ended_at
    FROM activity_runs r, (SELECT started_at FROM activity_runs WHERE run_id = :run_id) AS me
    WHERE r.activity_name = :definition AND r.started_at < me.started_at AND r.ended_at IS NOT NULL
      AND r.state = ANY(CAST(:states AS text[]))
      AND (CAST(:within AS interval) IS NULL OR r.started_at >= me.started_at - CAST(:within AS interval))
    ORDER BY r.started_at DESC, r.run_id LIMIT :limit
""")
_SIZE: Final = text("""
    SELECT coalesce(sum(octet_length(CAST(result AS text))), 0) AS bytes, count(*) AS tasks
    FROM tasks WHERE run_id = ANY(CAST(:run_ids AS text[]))
""")
_TASKS: Final = text("""
    SELECT run_id, name, index, state, result
    FROM tasks WHERE run_id = ANY(CAST(:run_ids AS text[])) ORDER BY run_id, position
""")
_ABOUT_A_TASK: Final = 100
"""Bytes of a task besides its result."""


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """Which runs, seen from one of them."""

    run_id: str
    """Only runs that started before this one."""
    definition: str
    states: Sequence[str]
    limit: int
    within: timedelta | None
    """Started so long before or less; None: whenever."""


class ResultsTooLarge(ValueError):  # noqa: N818 -- it names what is wrong
    """The tasks of the runs asked for gave more than may be read at once.

    Attributes:
        size: bytes that were found.
    """

    def __init__(self, size: int) -> None:
        """Keep the size."""
        self.size = size
        super().__init__(f"the tasks of these runs gave {size} bytes")


def earlier_runs(connection: Connection, asked: EarlierRuns, max_bytes: int) -> list[dict[str, Any]]:
    """The runs with their tasks, the newest first, as JSON; secrets of their contexts are masked.

    Raises:
        ResultsTooLarge: nothing was read but its size.
    """
    runs = connection.execute(
        _RUNS,
        {
            "run_id": asked.run_id,
            "definition": asked.definition,
            "states": list(asked.states),
            "limit": asked.limit,
            "within": asked.within,
        },
    ).all()
    ids = [run.run_id for run in runs]
    size = connection.execute(_SIZE, {"run_ids": ids}).one()
    total = int(size.bytes) + size.tasks * _ABOUT_A_TASK
    if total > max_bytes:
        raise ResultsTooLarge(total)
    hidden = scrubbers(connection, ids)
    tasks: dict[str, list[dict[str, Any]]] = {run_id: [] for run_id in ids}
    for task in connection.execute(_TASKS, {"run_ids": ids}).mappings():
        shown = hidden[task["run_id"]].scrub(task["result"]) if task["run_id"] in hidden else task["result"]
        tasks[task["run_id"]].append(
            {"name": task["name"], "index": task["index"], "state": task["state"], "result": shown}
        )
    return [_run(run, run.trigger, tasks[run.run_id]) for run in runs]


def _run(run: Row[Any], trigger: Mapping[str, Any], tasks: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "version": run.version,
        "state": run.state,
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat(),
        "trigger": {name: trigger.get(name) for name in ("source", "id", "type", "subject")},
        "tasks": tasks,
    }
