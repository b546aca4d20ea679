"""`/v1/dedupe-keys`: what is known of a definition's dedupe key, and letting it fire again."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from taskfactory.admin.interventions import Intervening, Why
from taskfactory.admin.problems import InputError, Problem
from taskfactory.admin.roles import OPERATOR, VIEWER
from taskfactory.admin.routing import ApiRouter
from taskfactory.admin.services import Services, Using
from taskfactory.definitions import DedupeKey
from taskfactory.definitions.dedupe import EVENT_ID, EXPRESSION, SUBJECT, canonical_json
from taskfactory.registry import DedupeStore, DefinitionRow, KeyNeverSeen, RunState

router = ApiRouter(prefix="/v1/dedupe-keys", tag="dedupe keys")

PARTS: Final = {EVENT_ID: "its source and its id", SUBJECT: "a subject", EXPRESSION: "the expression's value"}
NEVER: Final = "No event of {} ever had the key {}; what was never seen fires without a release."
LONGEST: Final = 10_000


class Generation(BaseModel):
    """One generation of a key."""

    generation: int = Field(description="The how-manieth time the key may fire.")
    opened_by: str | None = Field(description="Who released the key or repeated a run; null for the first.")
    opened_at: datetime | None
    reason: str | None
    rerun_of: str | None = Field(description="The run that it was opened to repeat; null: for the next event.")
    windows: int = Field(description="Windows opened in it; 0 where the key is remembered forever.")
    newest_window: datetime | None
    run_id: str | None = Field(description="The run of the newest window, or of the generation.")
    run_state: RunState | None


class Generations(BaseModel):
    """What is known of a key."""

    definition: str
    strategy: str
    key: list[Any]
    items: list[Generation] = Field(description="The oldest first.")


class ToRelease(BaseModel):
    """Which key is to fire once more."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"definition": "order-fulfilment", "key": ["/shop", "evt-1"], "reason": "the parcel was lost"},
                {"definition": "one-per-order", "key": ["order-7"], "reason": "the flood", "dry_run": True},
            ]
        },
    )

    definition: Annotated[str, Field(min_length=1, max_length=200)]
    key: Annotated[list[Any], Field(min_length=1, max_length=2)] = Field(
        description="Its parts: `[source, id]`, `[subject]` or `[value]`, as the definition's strategy makes them."
    )
    reason: Why
    dry_run: bool = False


class Released(BaseModel):
    """A key that may fire again."""

    definition: str
    key: list[Any]
    generation: int = Field(description="In which it fires.")
    already: bool = Field(description="It was released before, and no event has come since.")
    dry_run: bool


@router.get("", roles=VIEWER)
def show_key(
    services: Using,
    definition: Annotated[str, Query(min_length=1, max_length=200)],
    key: Annotated[
        str,
        Query(
            max_length=LONGEST,
            description='Its parts as a JSON array: `["/shop","evt-1"]`, `["order-7"]`, `[17]`.',
            examples=['["/shop","evt-1"]'],
        ),
    ],
) -> Generations:
    """The generations of one key: who opened them, their newest window, and the run that has it."""
    row = _definition(services, definition)
    asked = _key(row, _parts(key), "query.key")
    found = DedupeStore(services.engine).show(row.id, asked)
    if not found:
        raise Problem("not-found", NEVER.format(definition, key))
    items = [
        Generation.model_validate({name: getattr(each, name) for name in Generation.model_fields}) for each in found
    ]
    return Generations(definition=definition, strategy=asked.strategy, key=list(asked.parts), items=items)


@router.post("/release", roles=OPERATOR)
def release_key(services: Using, intervention: Intervening, asked: ToRelease) -> Released:
    """Let one key fire once more, for whichever event with it comes next; ingress knows within a second."""
    row = _definition(services, asked.definition)
    key = _key(row, asked.key, "body.key")
    told = intervention.entry("release", "dedupe_key", asked.definition, asked.reason, key=list(key.parts))
    try:
        released = DedupeStore(services.engine).release(
            row.id, key, intervention.by_hand(asked.reason), dry_run=asked.dry_run, told=told
        )
    except KeyNeverSeen as error:
        raise Problem("not-found", NEVER.format(asked.definition, canonical_json(asked.key))) from error
    return Released(
        definition=asked.definition,
        key=asked.key,
        generation=released.generation,
        already=released.already,
        dry_run=asked.dry_run,
    )


def _definition(services: Services, name: str) -> DefinitionRow:
    rows = services.definitions.list(name)
    if not rows:
        raise Problem("not-found", f"There is no definition named {name!r}; GET /v1/definitions lists them.")
    return rows[0]


def _parts(text: str) -> Sequence[Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        message = f'found {text!r}; allowed is a JSON array, such as ["/shop","evt-1"]'
        raise Problem("invalid", "The key can't be read.", [InputError("query.key", message)])
    return found


def _key(row: DefinitionRow, parts: Sequence[Any], path: str) -> DedupeKey:
    strategy = row.dedupe_key_strategy if row.dedupe_key_strategy in PARTS else EXPRESSION
    wanted = 2 if strategy == EVENT_ID else 1
    texts = strategy == EXPRESSION or all(isinstance(part, str) for part in parts)
    try:
        canonical_json(list(parts))  # Python reads NaN and 1e999 too, of which no key is made
    except (ValueError, RecursionError) as error:
        raise Problem("invalid", "The key can't be made.", [InputError(path, f"{error}")]) from error
    if len(parts) != wanted or not texts:
        message = f"found {len(parts)} part(s); keys of {row.name} by {strategy} are made of {PARTS[strategy]}"
        raise Problem("invalid", "The key is none of this definition's.", [InputError(path, message)])
    return DedupeKey(strategy, tuple(parts))
