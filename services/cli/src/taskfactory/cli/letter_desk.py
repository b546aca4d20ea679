"""The dead letter topic together with what was resolved, for the length of one command."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from taskfactory.cli.alike import unknown_definition
from taskfactory.cli.database import registry
from taskfactory.cli.errors import BadInput, OperationFailed
from taskfactory.cli.history import history
from taskfactory.cli.progress import progress
from taskfactory.cli.settings import CliSettings
from taskfactory.intake import (
    History,
    LetterDesk,
    LetterFilter,
    Listed,
    NoLetter,
    NotNarrowed,
    Record,
    ResolvedAlready,
    StoredLetter,
)
from taskfactory.registry import DeadLetterResolutions, DefinitionStore

READING: Final = "records of the dead letter topic read"


@dataclass
class Desk:
    """The dead letter topic and what is known of its letters, for the length of one command."""

    settings: CliSettings
    history: History
    engine: Engine
    strangers: int = 0
    """Records of the topic that are no dead letters of ours, once it was read."""

    @property
    def resolutions(self) -> DeadLetterResolutions:
        """Which letters are off the list."""
        return DeadLetterResolutions(self.engine)

    @property
    def _letters(self) -> LetterDesk:
        return LetterDesk(self.history, self.settings.dlq_topic, self.resolutions)

    def listed(self, wanted: LetterFilter, *, resolved: bool) -> Sequence[Listed]:
        """The letters that are meant, the newest first.

        Args:
            wanted: which.
            resolved: those that are off the list too.

        Raises:
            OperationFailed: there is no dead letter topic, or no definition of that name.
        """
        with progress(READING) as report:
            listing = self._letters.listing(wanted, resolved=resolved, progress=report)
        self.strangers = listing.strangers
        if wanted.definition is not None and not listing.letters:
            self._require_definition(wanted.definition)
        return listing.letters

    def _require_definition(self, asked: str) -> None:
        rows = DefinitionStore(self.engine).list(deleted=True)
        if not any(asked in {row.name, row.id} for row in rows):
            raise unknown_definition(asked, (row.name for row in rows))

    def chosen(self, wanted: LetterFilter) -> list[Listed]:
        """The unresolved letters that are meant, at least one.

        Raises:
            BadInput: nothing narrows them.
            OperationFailed: there is none, or one that was named is resolved.
        """
        try:
            with progress(READING) as report:
                return self._letters.chosen(wanted, report)
        except NotNarrowed as error:
            raise BadInput(["say which letters: --id, --reason, --definition, --since, --until, --topic, …"]) from error
        except ResolvedAlready as error:
            raise OperationFailed(_resolved_already(error.listed)) from error
        except NoLetter as error:
            if wanted.definition is not None:
                self._require_definition(wanted.definition)
            given = "these options" if error.letter_id is None else f"the id {error.letter_id!r} and the other options"
            raise nothing_fits(given) from error

    def originals(self, letters: Sequence[StoredLetter]) -> Iterator[Sequence[tuple[StoredLetter, Record]]]:
        """Their original records, in batches."""
        return self._letters.originals(letters)


@contextmanager
def open_desk() -> Iterator[Desk]:
    """Connect to Kafka and PostgreSQL.

    Raises:
        OperationFailed: one of them could not be used, now or within the block.
    """
    settings = CliSettings()
    with history(settings) as past, registry(settings) as engine:
        yield Desk(settings, past, engine)


def _resolved_already(row: Listed) -> str:
    letter = row.letter
    again = (
        f"`taskfactory replay -D {letter.definition_name or 'DEFINITION'} --topic {letter.topic} "
        f"--partition {letter.partition} --from {letter.offset} --to {letter.offset + 1}` does its record again."
    )
    by = "" if row.resolution is None else f" by {row.resolution.by}"
    return f"Letter {letter.id} was {row.state} already{by}. {again}"


def nothing_fits(what: str) -> OperationFailed:
    """The error to raise when no letter is meant."""
    return OperationFailed(f"No dead letter fits {what}.", "`taskfactory dlq list` shows those that there are.")
