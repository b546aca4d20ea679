"""Which dead letters are off the list, and why. The letters themselves stay on their topic.

A resolution covers the letter's attempts up to its own: a letter that is dead-lettered once more is on the list again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import Connection, Engine, text

from taskfactory.registry import audit_trail
from taskfactory.registry.audit_trail import AuditEntry
from taskfactory.registry.columns import arrays, unnest
from taskfactory.registry.transactions import in_transaction

ResolutionKind = Literal["redriven", "discarded"]

_ROW: Final = {
    "letter_key": "text",
    "attempts": "integer",
    "resolution": "text",
    "reason": "text",
    "by": "text",
}
_PUT: Final = text(f"""
    INSERT INTO dead_letter_resolutions ({", ".join(_ROW)}) SELECT * FROM {unnest("r", _ROW)}
    ON CONFLICT (letter_key, attempts) DO NOTHING
""")  # noqa: S608 -- built from this module's constants
_NEWEST: Final = text("""
    SELECT DISTINCT ON (letter_key) letter_key, attempts, resolution, reason, by, at FROM dead_letter_resolutions
    WHERE letter_key = ANY(CAST(:ids AS text[])) ORDER BY letter_key, attempts DESC
""")
_CHUNK: Final = 5_000
"""Ids asked for in one statement."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """How a dead letter left the list."""

    letter_key: str
    attempts: int
    """The letter's attempts that it covers, and all before."""
    resolution: ResolutionKind
    reason: str | None
    """Why it was discarded, or what came of it, for people."""
    by: str
    at: datetime | None = None
    """When; set by the database."""


class DeadLetterResolutions:
    """The resolutions in PostgreSQL. Safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        """Use `engine`."""
        self._engine = engine

    def put(self, resolutions: Sequence[Resolution], told: Sequence[AuditEntry] = ()) -> None:
        """Record resolutions; of two for the same attempt of a letter the first one stands.

        Args:
            resolutions: what is to be off the list.
            told: for the audit trail, in the same transaction.

        Raises:
            Refused: one holds a value that the database refuses; none was recorded.
        """
        rows = [tuple(getattr(item, column) for column in _ROW) for item in resolutions]

        def put(connection: Connection) -> None:
            connection.execute(_PUT, arrays("r", _ROW, rows))
            audit_trail.append(connection, told)

        in_transaction(self._engine, put)

    def newest(self, letter_keys: Sequence[str]) -> dict[str, Resolution]:
        """The resolution with the most attempts of each letter that has one, by id."""

        def read(connection: Connection) -> dict[str, Resolution]:
            found: dict[str, Resolution] = {}
            for start in range(0, len(letter_keys), _CHUNK):
                asked = {"ids": list(letter_keys[start : start + _CHUNK])}
                for row in connection.execute(_NEWEST, asked).mappings():
                    found[row["letter_key"]] = Resolution(**row)
            return found

        return in_transaction(self._engine, read)
