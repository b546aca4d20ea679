"""A shadow version beside the active one: counts and examples from what was written down of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import Connection, text

from taskfactory.registry.shadow_matches import LIMIT, ShadowVerdict, count_rows

Comparison = Literal["both", "only_active", "only_shadow", "errors"]

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
    kept = count_rows(connection, newest.id, newest.version)
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
