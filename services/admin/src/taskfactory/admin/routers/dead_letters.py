"""`/v1/dead-letters`: what could not become a run, why, and what is to be done about it.

Each answer is read from the dead letter topic anew; narrowing it by `since` spares reading what is older.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from taskfactory.admin.ascii_json import ascii_json
from taskfactory.admin.interventions import Intervening, Why
from taskfactory.admin.letter_shapes import (
    MOST_LETTERS,
    LetterModel,
    LetterSummary,
    Outcome,
    Selection,
    summary,
    with_record,
)
from taskfactory.admin.moments import Moment
from taskfactory.admin.operating import disposer_of, history_of
from taskfactory.admin.pages import Page, Paging
from taskfactory.admin.problems import InputError, Problem
from taskfactory.admin.roles import OPERATOR, VIEWER
from taskfactory.admin.routing import ApiRouter
from taskfactory.admin.services import Services, Using
from taskfactory.intake import (
    History,
    LetterDesk,
    LetterFilter,
    Listed,
    NoLetter,
    NotNarrowed,
    Redriven,
    Redriver,
    RehearsedResolutions,
    ResolvedAlready,
    definition_id,
    load_in_force,
    redrive_all,
)
from taskfactory.registry import DeadLetterResolutions, Resolution

router = ApiRouter(prefix="/v1/dead-letters", tag="dead letters")

Text = Annotated[str | None, Query(max_length=1000)]
_EXAMPLE: Final[dict[str, Any]] = {
    "selection": {"reason": "when_error", "definition": "order-fulfilment"},
    "reason": "mended in version 7",
}


class ToRedrive(BaseModel):
    """Which letters are to be decided about anew."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{**_EXAMPLE, "dry_run": True}]})

    selection: Selection
    reason: Why
    dry_run: bool = Field(default=False, description="Say what would come of it, and change nothing.")
    rate: float = Field(default=100, ge=0.1, le=10_000, description="Starts and letters per second at most.")
    limit: int = Field(
        default=100, ge=1, le=MOST_LETTERS, description="Letters at most, the oldest first; ask again for the others."
    )


class RedrivenLetter(BaseModel):
    """What came of one letter."""

    id: str
    outcome: Outcome = Field(description="`failed` and `refused` letters stay on the list.")
    message: str
    resolved: bool = Field(description="Whether it is off the list.")


class RedrivenLetters(BaseModel):
    """What came of the letters."""

    items: list[RedrivenLetter]
    counts: dict[Outcome, int]
    remaining: int = Field(description="Letters that fit and were beyond `limit`.")
    dry_run: bool


class ToDiscard(BaseModel):
    """Which letters are to leave the list for good."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    selection: Selection
    reason: Why
    dry_run: bool = False


class DiscardedLetters(BaseModel):
    """Letters that are off the list."""

    ids: list[str]
    dry_run: bool


@router.get("", roles=VIEWER, response_model=Page[LetterSummary])
async def list_letters(
    services: Using,
    page: Paging,
    reason: Annotated[str | None, Query(max_length=1000, description="The code that says why.")] = None,
    definition: Annotated[str | None, Query(max_length=1000, description="A definition's name or id.")] = None,
    topic: Annotated[str | None, Query(max_length=1000, description="Where it came from, as the next two.")] = None,
    partition: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
    offset: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
    since: Annotated[Moment | None, Query(description="Dead-lettered then or later.")] = None,
    until: Annotated[Moment | None, Query(description="Dead-lettered before.")] = None,
    resolved: Annotated[bool, Query(description="Redriven and discarded letters too.")] = False,  # noqa: FBT002 -- a query's
) -> Response:
    """Dead letters that fit every filter given, newest first."""
    wanted = LetterFilter(frozenset(), reason, definition, since, until, topic, partition, offset)
    after = page.after(tuple[int, str])
    async with history_of(services) as history:
        desk = _desk(services, history)
        listing = await asyncio.to_thread(desk.listing, wanted, resolved=resolved)
    rows = [row for row in listing.letters if after is None or row.place > after]
    return ascii_json(page.page_of(rows, summary, lambda row: row.place).model_dump())


@router.post("/redrive", roles=OPERATOR, response_model=RedrivenLetters)
async def redrive_letters(services: Using, intervention: Intervening, asked: ToRedrive) -> Response:
    """Decide about letters anew, by the definitions of now, and start what follows.

    Nothing is written to the producers' topics. A letter that fails again stays on the list, with its new reason.
    Asking again after an answer that never came goes on where the first request ended.
    """
    done: list[Redriven] = []
    async with history_of(services) as history:
        desk = _desk(services, history)
        fitting = await _chosen(desk, asked.selection)
        letters = [row.letter for row in reversed(fitting)][: asked.limit]
        in_force = await asyncio.to_thread(load_in_force, services.engine)
        only = definition_id(in_force, asked.selection.definition)
        if not asked.dry_run:
            requested = {letter.id: {"result": "requested"} for letter in letters}
            await intervention.tell("redrive", "dead_letter", requested, asked.reason)
        resolutions = RehearsedResolutions() if asked.dry_run else DeadLetterResolutions(services.engine)
        try:
            async with disposer_of(services, asked.rate, dry_run=asked.dry_run) as disposer:
                redriver = Redriver(in_force, disposer, resolutions, intervention.actor)
                await redrive_all(redriver, letters, desk.originals(letters), done, only=only)
        finally:
            if not asked.dry_run:  # whatever ends it, what was done is told
                results = {item.letter.id: {"result": item.outcome, "resolved": item.resolved} for item in done}
                await intervention.tell("redrive", "dead_letter", results, asked.reason)
    return ascii_json(
        {
            "items": [
                {"id": item.letter.id, "outcome": item.outcome, "message": item.message, "resolved": item.resolved}
                for item in done
            ],
            "counts": Counter(item.outcome for item in done),
            "remaining": len(fitting) - len(letters),
            "dry_run": asked.dry_run,
        }
    )


@router.post("/discard", roles=OPERATOR)
async def discard_letters(services: Using, intervention: Intervening, asked: ToDiscard) -> DiscardedLetters:
    """Take letters off the list, with the reason why. The records stay on their topic."""
    async with history_of(services) as history:
        fitting = await _chosen(_desk(services, history), asked.selection)
    letters = [row.letter for row in fitting]
    if len(letters) > MOST_LETTERS:
        many = f"Found {len(letters):,} letters; at most {MOST_LETTERS:,} are discarded at once. Narrow the selection."
        raise Problem("invalid", many, [InputError("body.selection", "fits too many letters")])
    if not asked.dry_run:
        resolved = [
            Resolution(letter.key, letter.attempts, "discarded", asked.reason, intervention.actor) for letter in letters
        ]
        told = [intervention.entry("discard", "dead_letter", letter.id, asked.reason) for letter in letters]
        await asyncio.to_thread(DeadLetterResolutions(services.engine).put, resolved, told)
    return DiscardedLetters(ids=[letter.id for letter in letters], dry_run=asked.dry_run)


# Last: a path that takes everything would otherwise answer for those above.
@router.get("/{letter:path}", roles=VIEWER, response_model=LetterModel)
async def show_letter(services: Using, letter: str) -> Response:
    """A dead letter with its original record, and what to do about it."""
    async with history_of(services) as history:
        desk = _desk(services, history)
        listing = await asyncio.to_thread(desk.listing, LetterFilter(ids=frozenset([letter])), resolved=True)
        if not listing.letters:
            raise Problem("not-found", f"There is no dead letter {letter!r}; GET /v1/dead-letters lists them.")
        row = listing.letters[0]
        originals = await asyncio.to_thread(lambda: [*desk.originals([row.letter])])
    original = next((record for batch in originals for _, record in batch), None)
    return ascii_json(with_record(row, original))


def _desk(services: Services, history: History) -> LetterDesk:
    return LetterDesk(history, services.settings.dlq_topic, DeadLetterResolutions(services.engine))


async def _chosen(desk: LetterDesk, selection: Selection) -> Sequence[Listed]:
    try:
        return await asyncio.to_thread(desk.chosen, selection.filter())
    except NotNarrowed as error:
        message = "nothing narrows it; give ids, reason, definition, topic, partition, offset, since or until"
        raise Problem("invalid", "Say which letters.", [InputError("body.selection", message)]) from error
    except NoLetter as error:
        which = "the selection" if error.letter_id is None else f"the id {error.letter_id!r} and the rest of it"
        raise Problem("not-found", f"No open dead letter fits {which}; GET /v1/dead-letters lists them.") from error
    except ResolvedAlready as error:
        raise Problem("conflict", f"Found: {error}; only letters on the list can be redriven or discarded.") from error
