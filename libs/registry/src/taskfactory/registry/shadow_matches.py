"""What shadow versions would have done, record by record, beside what the active versions did.

A row is known by its definition, version and record: a record that is decided again writes the same row again. There
is a row only where one of the two took the event, or failed. The table is bounded: only the newest shadow version of a
definition has rows, and no more than about `LIMIT` of them.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from taskfactory.registry.columns import arrays, unnest
from taskfactory.registry.stored_text import readable, readable_key
from taskfactory.registry.transactions import in_transaction

LIMIT: Final = 100_000
"""Rows of one shadow version. What comes after is evaluated, and not written down any more."""
COUNT_SECONDS: Final = 60.0
"""How long a count of rows is trusted. Other processes write too, so a version may have that much more than `LIMIT`."""
MESSAGE_LENGTH: Final = 500

ShadowVerdict = Literal["matched", "error", "none"]

_MATCH: Final = {
    "definition_id": "uuid",
    "version": "integer",
    "topic": "text",
    "partition": "integer",
    "record_offset": "bigint",
    "verdict": "text",
    "active_version": "integer",
    "active_verdict": "text",
    "event_source": "text",
    "event_id": "text",
    "event_type": "text",
    "dedupe_key": "text",
    "same_key": "boolean",
    "message": "text",
}
_KEY: Final = ("definition_id", "version", "topic", "partition", "record_offset")
_PUT: Final = text(f"""
    INSERT INTO shadow_matches ({", ".join(_MATCH)}) SELECT * FROM {unnest("m", _MATCH)}
    ON CONFLICT ({", ".join(_KEY)}) DO UPDATE
    SET {", ".join(f"{column} = excluded.{column}" for column in _MATCH if column not in _KEY)}, at = now()
""")  # noqa: S608 -- built from this module's constants
_COUNT: Final = text("SELECT count(*) FROM shadow_matches WHERE definition_id = :definition_id AND version = :version")
_NEWER: Final = {"id": "uuid", "version": "integer"}
_FORGET: Final = text(f"""
    DELETE FROM shadow_matches m USING {unnest("n", _NEWER)} WHERE m.definition_id = n.id AND m.version < n.version
""")  # noqa: S608 -- built from this module's constants


@dataclass(frozen=True, slots=True)
class ShadowMatch:
    """One record, as a shadow version and the active version saw it."""

    definition_id: str
    version: int
    """The shadow version."""
    topic: str
    partition: int
    offset: int
    verdict: ShadowVerdict
    """The shadow version's: `none` if it does not take the event."""
    active_version: int | None
    """None: no version was in force, or it reads other topics."""
    active_verdict: ShadowVerdict
    event_source: str
    event_id: str
    event_type: str
    dedupe_key: Sequence[Any] = ()
    """The parts of the shadow version's key, where it matched."""
    same_key: bool | None = None
    """Whether the active version's key is the same; None if not both have one."""
    message: str | None = None
    """What failed."""


@dataclass(slots=True)
class _Counted:
    rows: int
    at: float
    added: int = 0
    """Rows written since; some of them again, so that there may be fewer than it seems."""


@dataclass(slots=True)
class _Counts:
    """How many rows versions have, counted now and then."""

    known: dict[tuple[str, int], _Counted] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class ShadowMatches:
    """The table in PostgreSQL. Safe to use from several threads."""

    def __init__(self, engine: Engine, *, limit: int = LIMIT) -> None:
        """Use `engine`; keep about `limit` rows of a version."""
        self._engine = engine
        self._limit = limit
        self._counts = _Counts()

    def put(self, matches: Sequence[ShadowMatch]) -> None:
        """Write rows, or write them again; those of a version that has its fill are dropped.

        Raises:
            sqlalchemy.exc.DBAPIError: the database did not take them now; nothing was written.
        """
        by_version: dict[tuple[str, int], dict[tuple[Any, ...], ShadowMatch]] = {}
        for each in matches:
            of_version = by_version.setdefault((each.definition_id, each.version), {})
            of_version[each.topic, each.partition, each.offset] = each

        def put(connection: Connection) -> None:
            kept: list[ShadowMatch] = []
            # In the order of the keys, so that two who write the same rows wait for each other instead of deadlocking.
            for version, of_version in sorted(by_version.items()):
                ordered = [of_version[place] for place in sorted(of_version)]
                kept += ordered[: self._take_room(connection, version, len(ordered))]
            if kept:
                connection.execute(_PUT, arrays("m", _MATCH, map(_row, kept)))

        in_transaction(self._engine, put)

    def _take_room(self, connection: Connection, version: tuple[str, int], wanted: int) -> int:
        """How many rows the version may have more, `wanted` at most; they count as written from now on."""
        with self._counts.lock:
            counted = self._counts.known.get(version)
            if counted is None or time.monotonic() - counted.at > COUNT_SECONDS:
                counted = self._count(connection, version)
            if counted.added and counted.rows + counted.added + wanted > self._limit:
                counted = self._count(connection, version)
            room = min(wanted, max(0, self._limit - counted.rows - counted.added))
            counted.added += room
            return room

    def _count(self, connection: Connection, version: tuple[str, int]) -> _Counted:
        known, now = self._counts.known, time.monotonic()
        for key in [key for key, each in known.items() if now - each.at > COUNT_SECONDS]:
            del known[key]  # of versions that have ended, nobody asks again
        known[version] = _Counted(count_rows(connection, UUID(version[0]), version[1]), now)
        return known[version]


def count_rows(connection: Connection, definition_id: UUID, version: int) -> int:
    """How many rows a version has."""
    return int(connection.execute(_COUNT, {"definition_id": definition_id, "version": version}).scalar_one())


def forget(connection: Connection, newer: Sequence[tuple[UUID, int]]) -> None:
    """Drop the rows of definitions' versions that are lower than the ones given."""
    if newer:
        connection.execute(_FORGET, arrays("n", _NEWER, newer))


def _row(match: ShadowMatch) -> tuple[Any, ...]:
    return (
        UUID(match.definition_id),
        match.version,
        match.topic,
        match.partition,
        match.offset,
        match.verdict,
        match.active_version,
        match.active_verdict,
        readable(match.event_source),
        readable(match.event_id),
        readable(match.event_type),
        readable_key(match.dedupe_key) if match.verdict == "matched" else None,
        match.same_key,
        None if match.message is None else readable(match.message, MESSAGE_LENGTH),
    )
