"""Pages of a run's tasks, bounded by number and size: a page must fit into a Temporal payload.

Sizes are bytes of the params' JSON as it is stored: ASCII, with all other characters escaped, which takes more than the
UTF-8 of a payload. What else belongs to a task is bounded by the definition's limits, at about a kilobyte.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, text

from taskfactory.registry.columns import arrays, unnest
from taskfactory.registry.run_model import StoredTask, TaskPage


@dataclass(frozen=True, slots=True)
class PageLimit:
    """How much goes into one page; a task that alone exceeds the size has a page to itself."""

    tasks: int = 100
    params_bytes: int = 512 * 1024
    """Sum of the params' JSON texts, in bytes."""


_FROM: Final = {"run_id": "text", "position": "integer"}

_PAGES: Final = text(f"""
    SELECT r.run_id, r.task_count, page.position, page.state, page.params, page.options
    FROM {unnest("wanted", _FROM)}
    JOIN activity_runs r ON r.run_id = wanted.run_id
    LEFT JOIN LATERAL (
        SELECT t.position, t.state, t.params, t.options,
               sum(octet_length(t.params::text)) OVER (ORDER BY t.position) AS params_bytes
        FROM tasks t
        WHERE t.run_id = wanted.run_id AND t.position >= wanted.position
        ORDER BY t.position
        LIMIT :tasks
    ) page ON page.params_bytes <= :params_bytes OR page.position = wanted.position
    ORDER BY r.run_id, page.position
""")  # noqa: S608 -- built from this module's constants


def first_page(tasks: Iterable[StoredTask], params_bytes: Iterable[int], limit: PageLimit) -> TaskPage:
    """Cut a run's tasks, which start at position 0, the same way as `read_pages` does."""
    page: list[StoredTask] = []
    total = 0
    for task, size in zip(tasks, params_bytes, strict=True):
        total += size
        if page and (len(page) == limit.tasks or total > limit.params_bytes):
            return TaskPage(tasks=page, next_position=task.position)
        page.append(task)
    return TaskPage(tasks=page, next_position=None)


def read_pages(connection: Connection, starts: Mapping[str, int], limit: PageLimit) -> dict[str, TaskPage]:
    """One page of each run.

    Args:
        connection: a transaction.
        starts: run id to the position at which its page begins.
        limit: the size of each page.

    Returns:
        By run id; runs without a row are left out.
    """
    rows = connection.execute(
        _PAGES,
        {
            **arrays("wanted", _FROM, sorted(starts.items())),
            "tasks": limit.tasks,
            "params_bytes": limit.params_bytes,
        },
    )
    tasks: dict[str, list[StoredTask]] = {}
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.run_id] = row.task_count
        page = tasks.setdefault(row.run_id, [])
        if row.position is not None:
            page.append(_stored(row.options, row.params, row.position, row.state))
    return {run_id: TaskPage(tasks=page, next_position=_next(page, counts[run_id])) for run_id, page in tasks.items()}


def _stored(options: Mapping[str, Any], params: Any, position: int, state: str) -> StoredTask:
    return StoredTask.model_validate({**options, "params": params, "position": position, "state": state})


def _next(page: list[StoredTask], task_count: int) -> int | None:
    after = page[-1].position + 1 if page else task_count
    return after if after < task_count else None
