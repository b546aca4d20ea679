"""The dead letter topic together with what was resolved, for the length of one command."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine

from taskfactory.cli.database import registry
from taskfactory.cli.errors import BadInput, OperationFailed
from taskfactory.cli.history import history
from taskfactory.cli.letters_shown import Listed
from taskfactory.cli.named import unknown_definition
from taskfactory.cli.progress import progress
from taskfactory.cli.settings import CliSettings
from taskfactory.intake import (
    History,
    LetterFilter,
    Record,
    StoredLetter,
    read_letters,
    read_originals,
)
from taskfactory.registry import DeadLetterResolutions, DefinitionStore, Resolution


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

    def listed(self, wanted: LetterFilter, *, resolved: bool) -> list[Listed]:
        """The letters that are meant, the newest first.

        Args:
            wanted: which.
            resolved: those that are off the list too.

        Raises:
            OperationFailed: there is no dead letter topic, or no definition of that name.
        """
        topic = self.settings.dlq_topic
        with progress("records of the dead letter topic read") as report:
            letters = read_letters(self.history, topic, wanted.since, report)
        self.strangers = letters.strangers
        found = sorted(filter(wanted.takes, letters.by_key.values()), key=_newest_first)
        if wanted.definition is not None and not found:
            self._require_definition(wanted.definition)
        known = self.resolutions.newest([letter.key for letter in found])
        rows = [Listed(letter, _covering(letter, known.get(letter.key))) for letter in found]
        return [row for row in rows if resolved or row.resolution is None]

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
        if wanted == LetterFilter():
            raise BadInput(["say which letters: --id, --reason, --definition, --since, --until, --topic, …"])
        rows = self.listed(wanted, resolved=True)
        if named := [row for row in rows if row.resolution is not None and row.letter.id in wanted.ids]:
            raise OperationFailed(_resolved_already(named[0]))
        unresolved = [row for row in rows if row.resolution is None]
        missing = sorted(set(wanted.ids) - {row.letter.id for row in unresolved})
        if missing or not unresolved:
            raise nothing_fits(f"the id {missing[0]!r} and the other options" if missing else "these options")
        return unresolved

    def originals(self, letters: Sequence[StoredLetter]) -> Iterator[Sequence[tuple[StoredLetter, Record]]]:
        """Their original records, in batches."""
        return read_originals(self.history, self.settings.dlq_topic, letters)


@contextmanager
def open_desk() -> Iterator[Desk]:
    """Connect to Kafka and PostgreSQL.

    Raises:
        OperationFailed: one of them could not be used, now or within the block.
    """
    settings = CliSettings()
    with history(settings) as past, registry(settings) as engine:
        yield Desk(settings, past, engine)


def _newest_first(letter: StoredLetter) -> tuple[int, str, int, int]:
    return -letter.written_at, letter.topic, letter.partition, -letter.offset


def _covering(letter: StoredLetter, resolution: Resolution | None) -> Resolution | None:
    return resolution if resolution is not None and resolution.attempts >= letter.attempts else None


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
