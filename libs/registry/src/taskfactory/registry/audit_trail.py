"""The audit trail: who changed what, when and why. Lines are only ever appended; the database refuses anything else.

A line is written in the transaction of the change that it tells of, so that there is never one without the other. What
happens elsewhere (in Temporal, in Kafka) is told before it is done and again, with what came of it, afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from taskfactory.registry.columns import arrays, unnest
from taskfactory.registry.stored_text import json_text
from taskfactory.registry.transactions import in_transaction

_ENTRY: Final = {
    "actor": "text",
    "action": "text",
    "resource": "text",
    "name": "text",
    "reason": "text",
    "request_id": "text",
    "detail": "json",
}
_APPEND: Final = text(f"INSERT INTO audit_trail ({', '.join(_ENTRY)}) SELECT * FROM {unnest('a', _ENTRY)}")  # noqa: S608 -- constants
_READ: Final = text("""
    SELECT number, at, actor, action, resource, name, reason, request_id, detail FROM audit_trail
    WHERE (CAST(:before AS bigint) IS NULL OR number < :before)
      AND (CAST(:actor AS text) IS NULL OR actor = :actor)
      AND (CAST(:action AS text) IS NULL OR action = :action)
      AND (CAST(:resource AS text) IS NULL OR resource = :resource)
      AND (CAST(:name AS text) IS NULL OR name = :name)
      AND (CAST(:since AS timestamptz) IS NULL OR at >= :since)
      AND (CAST(:until AS timestamptz) IS NULL OR at < :until)
    ORDER BY number DESC LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change, as it is told to the trail."""

    actor: str
    """Who: `key:<name>`, `user:<subject>` for a bearer token, `local:<login>` for a command beside the database."""
    action: str
    """A verb: `create`, `update`, `delete`, `enable`, `disable`, `pause`, `resume`, `rollback`, …"""
    resource: str
    """What kind of thing: `definition`, `mapping`, `run`, `task`, `schedule`, `dead_letter`, `dedupe_key`, `key`."""
    name: str
    """Which one."""
    reason: str | None = None
    """Why, in the actor's own words."""
    request_id: str | None = None
    """The API request that it was part of."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """JSON; versions before and after, for example. Never a secret."""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """An entry as it stands in the trail."""

    number: int
    at: datetime
    entry: AuditEntry


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What narrows a reading down; None does not."""

    actor: str | None = None
    action: str | None = None
    resource: str | None = None
    name: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def append(connection: Connection, entries: Sequence[AuditEntry]) -> None:
    """Write the entries within the caller's transaction, in their order."""
    if not entries:
        return
    rows = [
        (each.actor, each.action, each.resource, each.name, each.reason, each.request_id, json_text(dict(each.detail)))
        for each in entries
    ]
    connection.execute(_APPEND, arrays("a", _ENTRY, rows))


def read(connection: Connection, only: AuditFilter, *, before: int | None, limit: int) -> list[AuditLine]:
    """Lines that fit, newest first.

    Args:
        connection: any.
        only: the filter.
        before: only lines with a lower number: the last one of the page before; None begins with the newest.
        limit: lines at most.
    """
    asked = {
        "before": before,
        "actor": only.actor,
        "action": only.action,
        "resource": only.resource,
        "name": only.name,
        "since": only.since,
        "until": only.until,
        "limit": limit,
    }
    return [AuditLine(row.number, row.at, AuditEntry(*row[2:])) for row in connection.execute(_READ, asked)]


class AuditTrail:
    """The trail for those who have no transaction of their own. Safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        """Use `engine`."""
        self._engine = engine

    def append(self, entries: Sequence[AuditEntry]) -> None:
        """Write the entries, in their order: of a change that is not made in this database.

        Raises:
            Refused: one holds a value that the database refuses; none was written.
        """
        in_transaction(self._engine, lambda connection: append(connection, entries))

    def read(self, only: AuditFilter, *, before: int | None, limit: int) -> list[AuditLine]:
        """As the function of that name."""
        return in_transaction(self._engine, lambda connection: read(connection, only, before=before, limit=limit))
