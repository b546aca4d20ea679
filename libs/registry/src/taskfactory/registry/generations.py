"""Generations of dedupe keys: which there are, and opening the next one, for the next event or to repeat one run.

Whoever opens one holds the registry's revision until it commits, so that two never open the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from taskfactory.definitions import (
    DedupeKey,
    RunInput,
    event_identity,
    event_occurrence,
    run_id_in_generation,
    workflow_id,
)
from taskfactory.registry.revisions import next_revision, take_turns
from taskfactory.registry.stored_text import json_text

_HIGHEST: Final = text("""
    SELECT coalesce(max(generation), 0) FROM (
        SELECT generation FROM dedupe_ledger
        WHERE activity_id = :activity_id AND digest = ANY(CAST(:digests AS bytea[]))
        UNION ALL
        SELECT generation FROM dedupe_windows
        WHERE activity_id = :activity_id AND digest = ANY(CAST(:digests AS bytea[]))
        UNION ALL
        SELECT generation FROM dedupe_releases
        WHERE activity_id = :activity_id AND digest = ANY(CAST(:digests AS bytea[]))
    ) known
""")
_UNUSED: Final = text("""
    SELECT 1 FROM dedupe_releases r
    WHERE r.activity_id = :activity_id AND r.digest = :digest AND r.generation = :generation AND r.rerun_of IS NULL
      AND NOT EXISTS (
          SELECT FROM dedupe_ledger l
          WHERE l.activity_id = :activity_id AND l.digest = :digest AND l.generation = :generation)
      AND NOT EXISTS (
          SELECT FROM dedupe_windows w
          WHERE w.activity_id = :activity_id AND w.digest = :digest AND w.generation = :generation)
""")
_OPEN: Final = text("""
    INSERT INTO dedupe_releases (activity_id, digest, generation, key, rerun_of, revision, by, reason)
    VALUES (:activity_id, :digest, :generation, CAST(:key AS json), :rerun_of, :revision, :by, :reason)
""")
_RERUN: Final = text("SELECT generation FROM dedupe_releases WHERE rerun_of = :run_id")
_RUNS: Final = text("""
    SELECT run_id, state FROM activity_runs WHERE run_id = ANY(CAST(:run_ids AS text[])) ORDER BY generation DESC
""")
_SHOW: Final = text("""
    SELECT g.generation, r.by, r.at, r.reason, r.rerun_of, w.number, w.opened_at, w.run_id
    FROM (
        SELECT generation FROM dedupe_ledger WHERE activity_id = :activity_id AND digest = :digest
        UNION SELECT generation FROM dedupe_windows WHERE activity_id = :activity_id AND digest = :digest
        UNION SELECT generation FROM dedupe_releases WHERE activity_id = :activity_id AND digest = :digest
    ) g
    LEFT JOIN dedupe_releases r
        ON r.activity_id = :activity_id AND r.digest = :digest AND r.generation = g.generation
    LEFT JOIN LATERAL (
        SELECT number, opened_at, run_id FROM dedupe_windows w
        WHERE w.activity_id = :activity_id AND w.digest = :digest AND w.generation = g.generation
        ORDER BY number DESC LIMIT 1
    ) w ON true
    ORDER BY g.generation
""")


@dataclass(frozen=True, slots=True)
class ByHand:
    """Who opens a generation, and why: kept with it."""

    author: str
    reason: str | None = None


class KeyNeverSeen(LookupError):  # noqa: N818 -- it names what is missing
    """No event with this key was ever decided about, so there is nothing to release: the next one fires anyway."""


@dataclass(frozen=True, slots=True)
class Release:
    """A key that may fire again."""

    generation: int
    """In which it does."""
    already: bool
    """It was released before, and no event has come since; nothing was changed."""


@dataclass(frozen=True, slots=True)
class RerunOpened:
    """The run may be started again, in this generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class NewerRun:
    """The run's key has fired again since, by a rerun or a release; nothing was changed."""

    run_id: str
    state: str


@dataclass(frozen=True, slots=True)
class GenerationRow:
    """One generation of a key, as `dedupe show` lists it."""

    generation: int
    opened_by: str | None
    """Who released the key or ran a run again; None for the first generation."""
    opened_at: datetime | None
    reason: str | None
    rerun_of: str | None
    """The run that it was opened to repeat."""
    windows: int
    """Windows opened in it; 0 where the key is remembered forever, or nothing came yet."""
    newest_window: datetime | None
    """The time of the event that opened the newest."""
    run_id: str | None
    """The run of the newest window, or of the generation; None where there is none, or none any more."""
    run_state: str | None


def release(connection: Connection, activity_id: str, key: DedupeKey, by: ByHand, *, dry_run: bool) -> Release:
    """Open the key's next generation for whichever event comes next.

    Raises:
        KeyNeverSeen: no event had it.
    """
    take_turns(connection)
    highest = _highest(connection, activity_id, [key.digest])
    if highest == 0:
        raise KeyNeverSeen
    newest = {"activity_id": UUID(activity_id), "digest": key.digest, "generation": highest}
    if connection.execute(_UNUSED, newest).first() is not None:
        return Release(highest, already=True)
    if not dry_run:
        _open(connection, activity_id, key, generation=highest + 1, revision=next_revision(connection), by=by)
    return Release(highest + 1, already=False)


def open_rerun(connection: Connection, before: RunInput, by: ByHand, *, dry_run: bool) -> RerunOpened | NewerRun:
    """Open a generation to repeat one run alone; asked again, it gives the same one until that has a run.

    Args:
        connection: a transaction.
        before: what the run was started with.
        by: what is to be recorded.
        dry_run: only say what would be opened.
    """
    revision = take_turns(connection)
    key = DedupeKey(before.dedupe_strategy, tuple(before.dedupe_parts))
    # Not only the key's own: the event may have been claimed in a later generation under another strategy.
    keys = [key, event_identity(before.event), *([] if before.window is None else [event_occurrence(before.event)])]
    highest = max(_highest(connection, before.activity_id, [each.digest for each in keys]), before.generation)
    later = range(before.generation + 1, highest + 1)
    ids = [run_id_in_generation(before.run_id, before.generation, generation) for generation in later]
    newer = connection.execute(_RUNS, {"run_ids": ids}).first()
    if newer is not None:
        return NewerRun(newer.run_id, newer.state)
    known = connection.execute(_RERUN, {"run_id": before.run_id}).scalar()
    if known is not None:
        return RerunOpened(known)
    if not dry_run:
        _open(
            connection,
            before.activity_id,
            key,
            generation=highest + 1,
            revision=revision,
            by=by,
            rerun_of=before.run_id,
        )
    return RerunOpened(highest + 1)


def show(connection: Connection, activity_id: str, key: DedupeKey) -> list[GenerationRow]:
    """The key's generations, oldest first; none for a key that was never seen."""
    asked = {"activity_id": UUID(activity_id), "digest": key.digest}
    rows = connection.execute(_SHOW, asked).all()
    ids = {row.generation: row.run_id or workflow_id(activity_id, key, row.generation) for row in rows}
    states = {row.run_id: row.state for row in connection.execute(_RUNS, {"run_ids": sorted(ids.values())})}
    return [
        GenerationRow(
            generation=row.generation,
            opened_by=row.by,
            opened_at=row.at,
            reason=row.reason,
            rerun_of=row.rerun_of,
            windows=row.number or 0,
            newest_window=row.opened_at,
            run_id=ids[row.generation] if ids[row.generation] in states else None,
            run_state=states.get(ids[row.generation]),
        )
        for row in rows
    ]


def _highest(connection: Connection, activity_id: str, digests: Sequence[bytes]) -> int:
    asked: dict[str, Any] = {"activity_id": UUID(activity_id), "digests": list(digests)}
    return int(connection.execute(_HIGHEST, asked).scalar_one())


def _open(  # noqa: PLR0913 -- what a row says
    connection: Connection,
    activity_id: str,
    key: DedupeKey,
    *,
    generation: int,
    revision: int,
    by: ByHand,
    rerun_of: str | None = None,
) -> None:
    connection.execute(
        _OPEN,
        {
            "activity_id": UUID(activity_id),
            "digest": key.digest,
            "generation": generation,
            "key": json_text(list(key.parts)),
            "rerun_of": rerun_of,
            "revision": revision,
            "by": by.author,
            "reason": by.reason,
        },
    )
