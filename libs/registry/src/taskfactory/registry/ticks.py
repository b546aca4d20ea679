"""The store of decisions about ticks."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from taskfactory.registry.tick_deciding import decide_tick
from taskfactory.registry.tick_rows import COLUMNS, LOST, AskedTick, DecidedTick, TickRow, tick_row
from taskfactory.registry.transactions import in_transaction

FORGOTTEN_AT_ONCE: Final = 10_000
"""Old decisions that one transaction deletes."""

# In any order, so that runs that live long unplanned do not keep the others from being looked at for ever.
_UNPLANNED: Final = text(f"""
    SELECT {COLUMNS} FROM schedule_ticks t
    WHERE activity_id = :activity_id AND open AND decided_at < :before
      AND NOT EXISTS (SELECT 1 FROM activity_runs r WHERE r.run_id = t.run_id)
    ORDER BY random() LIMIT :limit
""")  # noqa: S608 -- built from this module's constants
_LATEST: Final = text("""
    SELECT a.id, t.scheduled_for FROM unnest(CAST(:activity_ids AS uuid[])) a (id)
    CROSS JOIN LATERAL (
        SELECT scheduled_for FROM schedule_ticks
        WHERE activity_id = a.id AND kind = 'scheduled'
        ORDER BY tick DESC LIMIT 1) t
""")
_ENDED: Final = text("""
    UPDATE schedule_ticks SET open = false
    WHERE activity_id = :activity_id AND open AND run_id = ANY(CAST(:run_ids AS text[]))
""")
_LONG_WAITING: Final = text(f"""
    SELECT {COLUMNS} FROM schedule_ticks
    WHERE decision = 'waiting' AND decided_at < :before ORDER BY decided_at LIMIT :limit
""")  # noqa: S608 -- built from this module's constants
_GIVE_UP: Final = text("""
    UPDATE schedule_ticks SET decision = 'skipped', reason = :reason, decided_at = :now
    WHERE activity_id = :activity_id AND tick = :tick AND kind = :kind AND decision = 'waiting' AND owner = :owner
""")
# A schedule's next tick sees which runs ended. One that is no more has none, and what never began there never will.
_SEE_ENDS_OF_OLD: Final = text("""
    UPDATE schedule_ticks SET open = false WHERE ctid = ANY(ARRAY(
        SELECT t.ctid FROM schedule_ticks t
        JOIN activity_definitions d ON d.id = t.activity_id
        LEFT JOIN activity_runs r ON r.run_id = t.run_id
        WHERE t.open AND t.decided_at < :before
          AND (r.state <> 'running' OR r.run_id IS NULL AND (d.deleted_at IS NOT NULL OR d.trigger_type <> 'cron'))
        FOR UPDATE OF t SKIP LOCKED))
""")
_FORGET: Final = text("""
    DELETE FROM schedule_ticks WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM schedule_ticks WHERE decided_at < :before AND decision <> 'waiting' AND NOT open LIMIT :limit))
""")


class TickStore:
    """Decisions about ticks in PostgreSQL. Safe to use from several threads; every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        """Use `engine`."""
        self._engine = engine

    def decide(self, asked: AskedTick, now: datetime) -> DecidedTick:
        """Decide about a tick, or say what was decided before.

        Raises:
            UnknownActivity: there is no such definition.
        """
        return in_transaction(self._engine, lambda connection: decide_tick(connection, asked, now))

    def unplanned(self, activity_id: str, before: datetime, limit: int = 20) -> list[TickRow]:
        """Ticks that were started before then, and whose run has neither begun nor been seen to end; at random."""
        asked = {"activity_id": UUID(activity_id), "before": before, "limit": limit}
        return in_transaction(self._engine, lambda c: [tick_row(row) for row in c.execute(_UNPLANNED, asked)])

    def latest(self, activity_ids: Collection[str]) -> dict[str, datetime]:
        """The newest tick of the schedule that was decided about, by activity; of those that have any."""
        asked = {"activity_ids": [UUID(activity_id) for activity_id in activity_ids]}
        return in_transaction(
            self._engine, lambda c: {str(activity): latest for activity, latest in c.execute(_LATEST, asked)}
        )

    def saw_end(self, activity_id: str, run_ids: Collection[str]) -> None:
        """Let these runs keep no tick waiting any more: they ended, or will never begin."""
        asked = {"activity_id": UUID(activity_id), "run_ids": sorted(run_ids)}
        in_transaction(self._engine, lambda c: c.execute(_ENDED, asked))

    def long_waiting(self, before: datetime, limit: int = 100) -> list[TickRow]:
        """Ticks that wait, and have not asked since then whether it is their turn; the oldest first."""
        asked = {"before": before, "limit": limit}
        return in_transaction(self._engine, lambda c: [tick_row(row) for row in c.execute(_LONG_WAITING, asked)])

    def give_up(self, row: TickRow, now: datetime) -> None:
        """Skip a tick whose workflow is gone, so that it keeps no other waiting; unless another has it now."""
        asked = {
            "activity_id": UUID(row.activity_id),
            "tick": row.tick,
            "kind": row.kind,
            "owner": UUID(row.owner),
            "reason": LOST,
            "now": now,
        }
        in_transaction(self._engine, lambda c: c.execute(_GIVE_UP, asked))

    def forget(self, before: datetime, limit: int = FORGOTTEN_AT_ONCE) -> int:
        """Delete decisions that are older and whose runs do not go on, at most `limit`; how many there were."""
        asked = {"before": before, "limit": limit}

        def forget(connection: Connection) -> int:
            connection.execute(_SEE_ENDS_OF_OLD, {"before": before})
            return connection.execute(_FORGET, asked).rowcount

        return in_transaction(self._engine, forget)
