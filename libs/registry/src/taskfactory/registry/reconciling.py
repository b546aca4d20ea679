"""What the reconciler asks: open runs, who claimed what, watermarks, and which process leads."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from taskfactory.registry.run_model import RunState


class RunCursor(NamedTuple):
    """A place in the order in which open runs are read: oldest first."""

    started_at: datetime
    run_id: str


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run whose row says that it is under way."""

    run_id: str
    started_at: datetime

    @property
    def cursor(self) -> RunCursor:
        """Where to go on after this one."""
        return RunCursor(self.started_at, self.run_id)


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """A run that has a row, so its keys were claimed."""

    state: RunState


@dataclass(frozen=True, slots=True)
class Lead:
    """Leadership: it lasts as long as the connection that holds the lock."""

    connection: Connection

    def held(self) -> bool:
        """Whether it is still ours; a database restart or a cut connection ends it, for good."""
        if self.connection.invalidated:  # the next statement would connect anew, without the lock
            return False
        try:
            self.connection.execute(text("SELECT 1"))
        except DBAPIError:
            return False
        return True


_OPEN: Final = """
    SELECT run_id, started_at FROM activity_runs
    WHERE state = 'running' AND started_at < :before {after} ORDER BY started_at, run_id LIMIT :limit
"""
_OPEN_FIRST: Final = text(_OPEN.format(after=""))
_OPEN_NEXT: Final = text(_OPEN.format(after="AND (started_at, run_id) > (:after_started_at, :after_run_id)"))
_CLAIMED: Final = text("SELECT run_id, state FROM activity_runs WHERE run_id = ANY(CAST(:run_ids AS text[]))")
_WATERMARK: Final = text("SELECT watermark FROM reconciler_state WHERE name = :name")
_SET_WATERMARK: Final = text("""
    INSERT INTO reconciler_state (name, watermark, updated_at) VALUES (:name, :watermark, now())
    ON CONFLICT (name) DO UPDATE SET watermark = excluded.watermark, updated_at = excluded.updated_at
""")
_TRY_LOCK: Final = text("SELECT pg_try_advisory_lock(hashtextextended('taskfactory_lead/' || :name, 0))")
_UNLOCK: Final = text("SELECT pg_advisory_unlock(hashtextextended('taskfactory_lead/' || :name, 0))")


def open_runs(
    connection: Connection, *, after: RunCursor | None, started_before: datetime, limit: int
) -> list[OpenRun]:
    """Open runs in the order of their start, from `after` on."""
    parameters = {"before": started_before, "limit": limit}
    if after is None:
        rows = connection.execute(_OPEN_FIRST, parameters)
    else:
        place = {"after_started_at": after.started_at, "after_run_id": after.run_id}
        rows = connection.execute(_OPEN_NEXT, parameters | place)
    return [OpenRun(row.run_id, row.started_at) for row in rows]


def claimed(connection: Connection, run_ids: Collection[str]) -> dict[str, ClaimedRun]:
    """Those of the runs that have a row."""
    rows = connection.execute(_CLAIMED, {"run_ids": sorted(run_ids)})
    return {row.run_id: ClaimedRun(row.state) for row in rows}


def watermark(connection: Connection, name: str) -> datetime | None:
    """How far the named sweep has come; None before its first."""
    return connection.execute(_WATERMARK, {"name": name}).scalar()


def set_watermark(connection: Connection, name: str, value: datetime) -> None:
    """Remember how far the named sweep has come."""
    connection.execute(_SET_WATERMARK, {"name": name, "watermark": value})


@contextmanager
def try_lead(engine: Engine, name: str) -> Iterator[Lead | None]:
    """Leadership of `name` while the block runs, or None when another session has it.

    The lock is the session's, on a connection outside the pool: it goes with the process, whatever way that ends.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()
        won = connection.execute(_TRY_LOCK, {"name": name}).scalar()
        try:
            yield Lead(connection) if won else None
        finally:
            # Closing alone would do, but only when the server gets round to noticing it.
            if won and not connection.invalidated:
                with suppress(DBAPIError):
                    connection.execute(_UNLOCK, {"name": name})
