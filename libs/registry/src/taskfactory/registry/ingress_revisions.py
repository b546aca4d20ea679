"""Which revision of the registry decided about a partition's records, from which offset on. The log only grows.

A consumer group's member writes a line before it decides the first record of a partition under a revision. A later line
that begins at a lower offset means that records were read again: from there on both may have decided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, text

from taskfactory.registry.columns import arrays, unnest
from taskfactory.registry.transactions import in_transaction

_LINE: Final = {
    "group_id": "text",
    "topic": "text",
    "partition": "integer",
    "from_offset": "bigint",
    "revision": "bigint",
    "member": "text",
}
_PUT: Final = text(f"""
    INSERT INTO ingress_revisions ({", ".join(_LINE)}) SELECT * FROM {unnest("l", _LINE)}
""")  # noqa: S608 -- built from this module's constants
_OF_PARTITION: Final = text("""
    SELECT group_id, topic, partition, from_offset, revision, member, at FROM ingress_revisions
    WHERE group_id = :group_id AND topic = :topic AND partition = :partition ORDER BY number
""")


@dataclass(frozen=True, slots=True)
class IngressRevision:
    """One line of the log."""

    group_id: str
    topic: str
    partition: int
    from_offset: int
    revision: int
    member: str
    """Who decided, for people."""
    at: datetime | None = None
    """When it was written; set by the database."""


class IngressRevisions:
    """The log in PostgreSQL. Safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        """Use `engine`."""
        self._engine = engine

    def put(self, lines: Sequence[IngressRevision]) -> None:
        """Append lines."""
        rows = [tuple(getattr(line, column) for column in _LINE) for line in lines]
        in_transaction(self._engine, lambda connection: connection.execute(_PUT, arrays("l", _LINE, rows)))

    def of_partition(self, group_id: str, topic: str, partition: int) -> list[IngressRevision]:
        """The lines of one partition, in the order in which they were written."""
        asked = {"group_id": group_id, "topic": topic, "partition": partition}

        def read(connection: Connection) -> list[IngressRevision]:
            return [IngressRevision(**row) for row in connection.execute(_OF_PARTITION, asked).mappings()]

        return in_transaction(self._engine, read)
