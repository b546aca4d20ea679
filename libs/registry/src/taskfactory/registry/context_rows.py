"""Rows of context values: written once, read back for planning, for showing, and for keeping secrets unseen."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, text

from taskfactory.definitions import ContextValue, Scrubber, secrets_of
from taskfactory.envelope import Failure
from taskfactory.registry.columns import arrays, unnest
from taskfactory.registry.stored_text import json_text, json_text_or_null

ContextState = Literal["given", "fallback", "failed"]
"""The source gave the value; it gave none, and `on_error` says what stands for it; it gave none, and the run failed."""

_VALUE: Final = {
    "run_id": "text",
    "name": "text",
    "position": "integer",
    "type": "text",
    "state": "text",
    "value": "json",
    "secret": "json",
    "error": "json",
}

# The first value stays: a step that is repeated, or a reset, must plan from what was planned from before.
_INSERT: Final = text(f"""
    INSERT INTO run_context ({", ".join(_VALUE)}, started_at)
    SELECT c.*, r.started_at FROM {unnest("c", _VALUE)} JOIN activity_runs r ON r.run_id = c.run_id
    ON CONFLICT DO NOTHING
""")  # noqa: S608 -- built from this module's constants
_SELECT: Final = text("""
    SELECT name, position, type, state, value, secret, error, at
    FROM run_context WHERE run_id = :run_id ORDER BY position
""")
_SECRETS: Final = text("""
    SELECT run_id, value, secret FROM run_context
    WHERE run_id = ANY(CAST(:run_ids AS text[])) AND CAST(secret AS text) <> '[]'
""")


class StoredContext(BaseModel):
    """A context value as its row has it, secrets included."""

    model_config = ConfigDict(frozen=True)

    name: str
    position: int
    """Place within the definition's `context`, from 0."""
    type: str
    """The source's: `event`, `static`, `http`, `sql`, `runs` or `plugin`."""
    state: ContextState
    value: Any
    secret: tuple[str, ...]
    error: Failure | None
    """Why the source gave no value; None when it gave one."""
    at: datetime
    """When the value was stored."""


def insert_context(
    connection: Connection,
    run_id: str,
    values: Sequence[ContextValue],
    *,
    state: ContextState = "given",
    error: Failure | None = None,
) -> None:
    """Store values of a run that has a row; what is stored already stays as it is.

    Raises:
        Unstorable: a value has no JSON form.
    """
    if not values:
        return
    rows = [
        (
            run_id,
            value.name,
            value.position,
            value.type,
            state,
            json_text_or_null(value.value),
            json_text(list(value.secret)),
            json_text_or_null(error and error.model_dump()),
        )
        for value in sorted(values, key=lambda value: value.name)
    ]
    connection.execute(_INSERT, arrays("c", _VALUE, rows))


def read_context(connection: Connection, run_id: str) -> list[StoredContext]:
    """The values of one run, in the definition's order."""
    rows = connection.execute(_SELECT, {"run_id": run_id}).mappings()
    return [StoredContext.model_validate(dict(row)) for row in rows]


def scrubbers(connection: Connection, run_ids: Collection[str]) -> Mapping[str, Scrubber]:
    """What keeps the secrets of these runs from being shown; runs without secrets are left out."""
    secrets: dict[str, frozenset[str | float]] = {}
    for row in connection.execute(_SECRETS, {"run_ids": sorted(set(run_ids))}):
        secrets[row.run_id] = secrets.get(row.run_id, frozenset()) | secrets_of(row.value, row.secret)
    return {run_id: Scrubber(found) for run_id, found in secrets.items()}
