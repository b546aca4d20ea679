"""The store of context values: what sources gave to each run, and what of it may be shown."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Engine

from taskfactory.definitions import ContextValue, Scrubber, mask, secrets_of
from taskfactory.envelope import Failure
from taskfactory.registry import context_rows
from taskfactory.registry.context_rows import ContextState, StoredContext
from taskfactory.registry.earlier_runs import EarlierRuns, earlier_runs
from taskfactory.registry.transactions import in_transaction


class ShownContext(BaseModel):
    """A context value as people see it: secrets are masked, and scrubbed from values that were made with them."""

    model_config = ConfigDict(frozen=True)

    name: str
    type: str
    """The source's: `event`, `static`, `http`, `sql`, `runs` or `plugin`."""
    state: ContextState
    """`given`; `fallback`: the source failed and `on_error` says what stands for it; `failed`: the run failed by it."""
    value: Any
    error: Failure | None
    """Why the source gave no value; None when it gave one."""
    at: datetime
    """When the value was stored."""


class RunContextStore:
    """Context values in PostgreSQL. Safe to use from several threads.

    Methods raise `sqlalchemy.exc.DBAPIError` when the database can't be reached; trying again later is always right.
    """

    def __init__(self, engine: Engine) -> None:
        """Use `engine`."""
        self._engine = engine

    def values(self, run_id: str) -> list[StoredContext]:
        """The stored values of a run, secrets included, in the definition's order; for planning, never for people."""
        return in_transaction(self._engine, lambda c: context_rows.read_context(c, run_id))

    def put(
        self, run_id: str, value: ContextValue, *, state: ContextState = "given", error: Failure | None = None
    ) -> StoredContext | None:
        """Store a value unless the run has one of that name; the value that is stored then.

        Args:
            run_id: of a run that was claimed.
            value: what the source gave, or what stands for it.
            state: whether the source gave it.
            error: why it didn't.

        Returns:
            None when the run has no row.

        Raises:
            Refused: the value can't be stored.
        """

        def write(connection: Connection) -> StoredContext | None:
            context_rows.insert_context(connection, run_id, [value], state=state, error=error)
            stored = context_rows.read_context(connection, run_id)
            return next((each for each in stored if each.name == value.name), None)

        return in_transaction(self._engine, write)

    def earlier_runs(self, asked: EarlierRuns, max_bytes: int) -> list[dict[str, Any]]:
        """Runs before this one with what their tasks gave, the newest first, as JSON; secrets are masked.

        Raises:
            ResultsTooLarge: their tasks gave more than `max_bytes`.
        """
        return in_transaction(self._engine, lambda c: earlier_runs(c, asked, max_bytes))

    def snapshot(self, run_id: str) -> list[ShownContext]:
        """The context of a run as it may be shown, in the definition's order; empty when there is none."""
        stored = self.values(run_id)
        scrubber = _scrubber_of(stored)
        return [
            ShownContext(
                name=each.name,
                type=each.type,
                state=each.state,
                value=scrubber.scrub(mask(each.value, each.secret)),
                error=scrubbed_failure(scrubber, each.error),
                at=each.at,
            )
            for each in stored
        ]

    def scrubbers(self, run_ids: Collection[str]) -> Mapping[str, Scrubber]:
        """By run, what takes its secrets out of params, results and messages that are shown; only runs with secrets."""
        return in_transaction(self._engine, lambda c: context_rows.scrubbers(c, run_ids))


def _scrubber_of(values: Sequence[StoredContext]) -> Scrubber:
    """What takes the secrets of these values out of whatever is shown."""
    return Scrubber(secret for each in values for secret in secrets_of(each.value, each.secret))


def scrubbed_failure(scrubber: Scrubber, failure: Failure | None) -> Failure | None:
    """The failure without secrets in its message."""
    return failure and failure.model_copy(update={"message": scrubber.text(failure.message)})
