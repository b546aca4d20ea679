"""What shadow versions would have done, record by record, beside what the active versions did.

A row is known by its definition, version and record: a record that is decided again writes the same row again. There
is a row only where one of the two took the event, or failed. The table is bounded: only the newest shadow version of a
definition has rows, and no more than about `LIMIT` of them.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
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
Comparison = Literal["both", "only_active", "only_shadow", "errors"]

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
_COUNT: Final = text("""
    SELECT count(*) FROM shadow_matches WHERE definition_id = :definition_id AND version = :version
""")
_NEWER: Final = {"id": "uuid", "version": "integer"}
_FORGET: Final = text(f"""
    DELETE FROM shadow_matches m USING {unnest("n", _NEWER)} WHERE m.definition_id = n.id AND m.version < n.version
""")  # noqa: S608 -- built from this module's constants
_COMPARED: Final = """
    SELECT m.*, record_offset AS "offset",
           CASE WHEN 'error' IN (verdict, active_verdict) THEN 'errors' WHEN verdict = 'none' THEN 'only_active'
                     WHEN active_verdict = 'none' THEN 'only_shadow' ELSE 'both' END AS comparison
    FROM shadow_matches m
    WHERE definition_id = :definition_id AND version = :version
      AND (CAST(:since AS timestamptz) IS NULL OR at >= :since)
"""
_NEWEST: Final = text("""
    SELECT d.id, coalesce(d.shadow_version, max(m.version)) AS version
    FROM activity_definitions d LEFT JOIN shadow_matches m ON m.definition_id = d.id
    WHERE d.name = :name GROUP BY d.id, d.shadow_version
""")
_TOTALS: Final = text(f"""
    SELECT comparison, count(*) AS number, count(*) FILTER (WHERE same_key = false) AS other_key,
           min(at) AS first, max(at) AS last
    FROM ({_COMPARED}) c GROUP BY comparison
""")  # noqa: S608 -- built from this module's constants
_EXAMPLES: Final = text(f"""
    SELECT * FROM (
        SELECT c.*, row_number() OVER (
            PARTITION BY comparison, same_key ORDER BY at DESC, topic, partition, record_offset
        ) AS place
        FROM ({_COMPARED}) c
    ) numbered WHERE place <= :examples ORDER BY comparison, same_key, place
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


@dataclass(frozen=True, slots=True)
class ShadowExample:
    """A record that a report shows."""

    comparison: Comparison
    topic: str
    partition: int
    offset: int
    event_source: str
    event_id: str
    event_type: str
    verdict: ShadowVerdict
    active_version: int | None
    active_verdict: ShadowVerdict
    dedupe_key: str | None
    same_key: bool | None
    message: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """A shadow version beside the active one, as far as records were decided while it stood."""

    name: str
    version: int | None
    """The shadow version, or the one that was it last; None: there was none, or nothing of it is kept."""
    both: int
    """Records that both take."""
    only_active: int
    only_shadow: int
    errors: int
    """Records at which one of the two failed."""
    other_key: int
    """Of those that both take: with another dedupe key, so that other events would count as the same."""
    first: datetime | None
    """When the first of these records was written down."""
    last: datetime | None
    full: bool
    """No more records are written down: there are as many as are kept."""
    examples: tuple[ShadowExample, ...]
    """The newest of each kind."""


@dataclass(slots=True)
class _Counted:
    rows: int
    at: float


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
        newest = {
            (each.definition_id, each.version, each.topic, each.partition, each.offset): _row(each) for each in matches
        }
        in_transaction(self._engine, lambda connection: self._put(connection, newest))

    def _put(self, connection: Connection, rows: Mapping[tuple[Any, ...], tuple[Any, ...]]) -> None:
        # The order of the keys, so that two who write the same rows wait for each other instead of deadlocking.
        kept = [rows[key] for key in sorted(rows) if self._has_room(connection, key[0], key[1])]
        if kept:
            connection.execute(_PUT, arrays("m", _MATCH, kept))

    def _has_room(self, connection: Connection, definition_id: str, version: int) -> bool:
        with self._counts.lock:
            known, now = self._counts.known, time.monotonic()
            counted = known.get((definition_id, version))
            if counted is None or now - counted.at > COUNT_SECONDS:
                for key in [key for key, each in known.items() if now - each.at > COUNT_SECONDS]:
                    del known[key]  # of versions that have ended, nobody asks again
                asked = {"definition_id": UUID(definition_id), "version": version}
                counted = _Counted(int(connection.execute(_COUNT, asked).scalar_one()), now)
                known[definition_id, version] = counted
            counted.rows += 1
            return counted.rows <= self._limit


def forget(connection: Connection, newer: Sequence[tuple[UUID, int]]) -> None:
    """Drop the rows of definitions' versions that are lower than the ones given."""
    if newer:
        connection.execute(_FORGET, arrays("n", _NEWER, newer))


def report_of(
    connection: Connection, name: str, since: datetime | None, examples: int, limit: int = LIMIT
) -> ShadowReport | None:
    """Compare a shadow version with the active one.

    Args:
        connection: any.
        name: the definition's.
        since: only records that were written down then or later.
        examples: how many of each kind at most.
        limit: rows that are kept.

    Returns:
        None if no definition ever had the name.
    """
    newest = connection.execute(_NEWEST, {"name": name}).first()
    if newest is None:
        return None
    asked = {"definition_id": newest.id, "version": newest.version, "since": since}
    totals = {row.comparison: row for row in connection.execute(_TOTALS, asked)}
    kept = int(connection.execute(_COUNT, {"definition_id": newest.id, "version": newest.version}).scalar_one())
    shown = connection.execute(_EXAMPLES, {**asked, "examples": examples}).mappings()

    def number(kind: Comparison) -> int:
        return totals[kind].number if kind in totals else 0

    return ShadowReport(
        name=name,
        version=newest.version,
        both=number("both"),
        only_active=number("only_active"),
        only_shadow=number("only_shadow"),
        errors=number("errors"),
        other_key=totals["both"].other_key if "both" in totals else 0,
        first=min((row.first for row in totals.values()), default=None),
        last=max((row.last for row in totals.values()), default=None),
        full=kept >= limit,
        examples=tuple(
            ShadowExample(**{column: row[column] for column in ShadowExample.__dataclass_fields__}) for row in shown
        ),
    )


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
