"""The store of generations: the one place through which people let a key fire again or a run be repeated."""

from sqlalchemy import Engine

from taskfactory.definitions import DedupeKey, RunInput
from taskfactory.registry import generations
from taskfactory.registry.transactions import in_transaction


class DedupeStore:
    """Generations of dedupe keys in PostgreSQL. Safe to use from several threads; every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        """Use `engine`."""
        self._engine = engine

    def release(
        self, activity_id: str, key: DedupeKey, by: generations.ByHand, *, dry_run: bool = False
    ) -> generations.Release:
        """Let the key fire once more, for whichever event comes next; ingress knows within a second.

        Released again before an event has come, it stays as it is.

        Raises:
            KeyNeverSeen: no event had the key.
        """
        return in_transaction(
            self._engine,
            lambda c: generations.release(c, activity_id, key, by, dry_run=dry_run),
        )

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
