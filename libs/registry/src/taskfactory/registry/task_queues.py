"""Which task queues nobody polls: a projection of what the orchestrator sees in Temporal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

from sqlalchemy import Connection, text

from taskfactory.registry.columns import arrays, unnest

QueueKind = Literal["activity", "workflow"]


class OpenQueue(NamedTuple):
    """A task queue on which tasks are open."""

    queue: str
    kind: QueueKind
    open_tasks: int


@dataclass(frozen=True, slots=True)
class QueueCheck:
    """What a look at a task queue found."""

    queue: str
    kind: QueueKind
    polled: bool
    """Whether a worker has asked it for work lately."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """What is stored about a task queue."""

    queue: str
    kind: QueueKind
    waiting_since: datetime | None
    """Since when nobody was seen polling it; None: it is polled, or was last seen without open tasks."""


_CHECK: Final = {"queue": "text", "kind": "text", "polled": "boolean"}

_OPEN: Final = text("""
    SELECT queue, type, count(*) FROM tasks WHERE state = 'scheduled' AND scheduled_at < :before
    GROUP BY queue, type ORDER BY queue, type
""")
_CLEAR: Final = text(f"""
    UPDATE task_queues SET waiting_since = NULL
    WHERE waiting_since IS NOT NULL AND (queue, kind) NOT IN (SELECT c.queue, c.kind FROM {unnest("c", _CHECK)})
""")  # noqa: S608 -- built from this module's constants
_MARK: Final = text(f"""
    INSERT INTO task_queues AS q (queue, kind, waiting_since, checked_at)
    SELECT c.queue, c.kind, CASE WHEN c.polled THEN NULL ELSE now() END, now() FROM {unnest("c", _CHECK)}
    ON CONFLICT (queue, kind) DO UPDATE SET
        waiting_since = CASE WHEN excluded.waiting_since IS NULL THEN NULL
                             ELSE coalesce(q.waiting_since, excluded.waiting_since) END,
        checked_at = excluded.checked_at
    RETURNING queue, kind, waiting_since
""")  # noqa: S608 -- built from this module's constants


def open_queues(connection: Connection, scheduled_before: datetime) -> list[OpenQueue]:
    """Queues with tasks that were scheduled before then and are still open."""
    return [OpenQueue(*row) for row in connection.execute(_OPEN, {"before": scheduled_before})]


def mark_queues(connection: Connection, checks: Sequence[QueueCheck]) -> list[QueueState]:
    """Store what was found; a queue that goes on waiting keeps the time at which that began.

    A queue that was not looked at has no open tasks, so nothing waits there: the next task on it must not be shown as
    waiting because of what was found long ago.

    Args:
        connection: a transaction.
        checks: one per queue that has open tasks, all of them.

    Returns:
        What is stored now, for the queues that were looked at.
    """
    found = sorted({(check.queue, check.kind): check.polled for check in checks}.items())
    rows = [(queue, kind, polled) for (queue, kind), polled in found]
    parameters = arrays("c", _CHECK, rows)
    connection.execute(_CLEAR, parameters)
    return [QueueState(*row) for row in connection.execute(_MARK, parameters)]
