"""The store of generations: the one place through which people let a key fire again or a run be repeated."""

from dataclasses import replace

from sqlalchemy import Connection, Engine

from taskfactory.definitions import DedupeKey, RunInput
from taskfactory.registry import audit_trail, generations
from taskfactory.registry.audit_trail import AuditEntry
from taskfactory.registry.transactions import in_transaction


class DedupeStore:
    """Generations of dedupe keys in PostgreSQL. Safe to use from several threads; every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        """Use `engine`."""
        self._engine = engine

    def release(
        self,
        activity_id: str,
        key: DedupeKey,
        by: generations.ByHand,
        *,
        dry_run: bool = False,
        told: AuditEntry | None = None,
    ) -> generations.Release:
        """Let the key fire once more, for whichever event comes next; ingress knows within a second.

        Released again before an event has come, it stays as it is.

        Args:
            activity_id: the definition's.
            key: as the definition's present version makes it.
            by: kept with the generation.
            dry_run: only say what would be done.
            told: for the audit trail, in the same transaction, if anything is changed.

        Raises:
            KeyNeverSeen: no event had the key.
        """

        def release(connection: Connection) -> generations.Release:
            released = generations.release(connection, activity_id, key, by, dry_run=dry_run)
            if told is not None and not (dry_run or released.already):
                detail = {**told.detail, "generation": released.generation}
                audit_trail.append(connection, [replace(told, detail=detail)])
            return released

        return in_transaction(self._engine, release)

    def open_rerun(
        self, before: RunInput, by: generations.ByHand, *, dry_run: bool = False
    ) -> generations.RerunOpened | generations.NewerRun:
        """Let a run that ended, and nothing else, start once more.

        Asked again before that run has claimed its keys, it gives the same generation, so that two never start.
        """
        return in_transaction(self._engine, lambda c: generations.open_rerun(c, before, by, dry_run=dry_run))

    def show(self, activity_id: str, key: DedupeKey) -> list[generations.GenerationRow]:
        """The key's generations, oldest first; none for a key that was never seen."""
        return in_transaction(self._engine, lambda c: generations.show(c, activity_id, key))
