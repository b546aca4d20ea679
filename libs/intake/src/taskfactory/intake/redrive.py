"""Redriving a dead letter: its original record is decided about anew, and what follows is done.

Invariants:
- Nothing is written to the producers' topics: runs are started as ingress starts them, with the origin's coordinates.
- A letter is resolved only after everything that follows from it is durable; one that fails again is written again
  under its id, with one attempt more. Interrupted anywhere, doing it again goes on: starts are refused as duplicates.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

from taskfactory.definitions import RegisteredDefinition
from taskfactory.intake.dead_letters import DeadLetter, StoredLetter
from taskfactory.intake.disposer import Disposer
from taskfactory.intake.disposition import Disposition
from taskfactory.intake.history import Progress
from taskfactory.intake.in_force import InForce
from taskfactory.intake.loading import applied_to_the_past
from taskfactory.intake.pacing import in_parallel
from taskfactory.intake.records import Record
from taskfactory.registry import Resolution

GONE: Final = (
    "its original record is gone: retention took it. Discard the letter, or let its producer send the event again"
)

Outcome = Literal["started", "already_started", "filtered", "failed", "refused"]


class Resolutions(Protocol):
    """What is used of the registry's `DeadLetterResolutions`."""

    def put(self, resolutions: Sequence[Resolution]) -> None:
        """Record them; of two for the same attempt of a letter the first one stands."""

    def newest(self, letter_keys: Sequence[str]) -> dict[str, Resolution]:
        """The resolution with the most attempts of each letter that has one, by id."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """What came of one letter."""

    letter: StoredLetter
    outcome: Outcome
    """`failed`: it stays, or letters of single definitions took its place. `refused`: it stays, nothing was tried."""
    message: str
    """A sentence, for people."""
    resolved: bool
    """Whether it is off the list."""


class Redriver:
    """Redrives letters under one revision of the registry."""

    def __init__(self, in_force: InForce, disposer: Disposer, resolutions: Resolutions, by: str) -> None:
        """Wire it.

        Args:
            in_force: what decides now.
            disposer: makes it durable.
            resolutions: where resolved letters are recorded.
            by: who redrives.
        """
        self._in_force = in_force
        self._disposer = disposer
        self._resolutions = resolutions
        self._by = by
        self._definitions = {item.id: item for item in in_force.definitions.definitions}
        self._all = applied_to_the_past(in_force, self._definitions.values())
        self._single: dict[str, InForce] = {}

    async def redrive(self, letter: StoredLetter, original: Record, only: str | None = None) -> Redriven:
        """Decide about the letter's original again and do what follows, for its definition or for all.

        Args:
            letter: unresolved.
            original: the record as it was at its origin.
            only: id of the one definition to ask about a letter of the record itself, which then stays on the list
                for the others.

        Raises:
            Unavailable: Temporal or Kafka is away; the letter is as it was.
            WriterFailed: the producer of dead letters is broken for good.
            sqlalchemy.exc.DBAPIError: the resolution could not be recorded.
        """
        asked = letter.definition_id or only
        definition = None if asked is None else self._definitions.get(asked)
        if asked is not None and definition is None:
            return _refused(letter, f"definition {letter.definition_name or asked} is not enabled: enable it first")
        if definition is not None and definition.paused:
            name = definition.definition.name
            return _refused(letter, f"definition {name} is paused: `taskfactory resume {name}` first")

        async def revise(new: DeadLetter) -> DeadLetter:
            own = definition if letter.definition_id is not None and new.definition is None else new.definition
            return await counted_on(self._resolutions, replace(new, definition=own, earlier=letter.attempts))

        in_force = self._all if definition is None else self._only(definition)
        dispositions = await self._disposer.dispose(original, in_force, revise)
        done = _told(letter, dispositions, definition, stays=letter.definition_id is None and only is not None)
        if done.resolved:
            resolution = Resolution(letter.key, letter.attempts, "redriven", _storable(done.message), self._by)
            await asyncio.to_thread(self._resolutions.put, [resolution])
        return done

    def _only(self, definition: RegisteredDefinition) -> InForce:
        if definition.id not in self._single:
            self._single[definition.id] = applied_to_the_past(self._in_force, [definition])
        return self._single[definition.id]


def definition_id(in_force: InForce, asked: str | None) -> str | None:
    """The id of the definition that is meant by a name or an id.

    The text itself when none in force has it, so that each letter is told why; None when nobody was asked for.
    """
    found = (item.id for item in in_force.definitions.definitions if asked in {item.id, item.definition.name})
    return None if asked is None else next(found, asked)


async def redrive_all(  # noqa: PLR0913 -- what there is to know
    redriver: Redriver,
    letters: Sequence[StoredLetter],
    originals: Iterator[Sequence[tuple[StoredLetter, Record]]],
    done: list[Redriven],
    *,
    only: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Redrive letters, some at the same time.

    Args:
        redriver: does each.
        letters: all of them.
        originals: of these, in batches, as `read_originals` gives them; read in threads.
        done: what came of each is appended as it is done, so that it is known whatever ends this early.
        only: see `Redriver.redrive`.
        progress: told how many are done, and of how many.

    Raises:
        Unavailable: Temporal or Kafka is away; the letters that are not in `done` are as they were.
        WriterFailed: the producer of dead letters is broken for good.
        KafkaException: the originals can't be read on.
        sqlalchemy.exc.DBAPIError: a resolution could not be recorded.
    """

    async def one(found: tuple[StoredLetter, Record]) -> None:
        done.append(await redriver.redrive(*found, only))
        if progress is not None:
            progress(len(done), len(letters))

    while (batch := await asyncio.to_thread(next, originals, None)) is not None:
        await in_parallel(batch, one)
    seen = {item.letter.key for item in done}
    done.extend(Redriven(letter, "refused", GONE, resolved=False) for letter in letters if letter.key not in seen)


async def counted_on(resolutions: Resolutions, letter: DeadLetter) -> DeadLetter:
    """The letter with more attempts than were ever resolved of it, so that it is on the list."""
    found = (await asyncio.to_thread(resolutions.newest, [letter.key])).get(letter.key)
    return letter if found is None else replace(letter, earlier=max(letter.earlier, found.attempts))


def _storable(message: str) -> str:
    """The message without what PostgreSQL refuses: an event's own words may be in it."""
    return message.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def _refused(letter: StoredLetter, message: str) -> Redriven:
    return Redriven(letter, "refused", message, resolved=False)


def _told(
    letter: StoredLetter, dispositions: Sequence[Disposition], definition: RegisteredDefinition | None, *, stays: bool
) -> Redriven:
    """Sum up what became of a letter.

    Args:
        letter: the one.
        dispositions: of its original.
        definition: the one that was asked; None: all.
        stays: whether it stays on the list even if all went well.
    """
    failed = [item.letter for item in dispositions if item.letter is not None]
    paused = [item for item in dispositions if item.kind == "paused"]
    again = any(item.id == letter.id for item in failed)
    told = [_sentence(item) for item in dispositions]
    if not dispositions:
        asked = "no definition matches" if definition is None else f"{definition.definition.name} does not match"
        told = [f"{asked} it"]
    if stays and not again:
        told.append("stays on the list for the other definitions")
    return Redriven(letter, _outcome(dispositions), "; ".join(told), resolved=not (again or paused or stays))


def _outcome(dispositions: Sequence[Disposition]) -> Outcome:
    kinds = {item.kind for item in dispositions}
    if kinds & {"dead_lettered", "paused"}:
        return "failed"
    if "started" in kinds:
        return "started"
    return "already_started" if kinds else "filtered"


def _sentence(item: Disposition) -> str:
    name = "the record" if item.definition is None else item.definition.definition.name
    if item.letter is not None:
        return f"{name}: {item.letter.reason}: {item.letter.message}"
    if item.kind == "paused":
        return f"{name} is paused: `taskfactory resume {name}`, then redrive again"
    return f"{item.kind.replace('_', ' ')} {item.run_id}"
