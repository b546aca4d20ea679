"""Dead letters as one works through them: the topic together with what was resolved.

Nothing is kept between two questions: each reads the dead letter topic again, so that an answer is never older than
the question.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from taskfactory.intake.dead_letters import StoredLetter
from taskfactory.intake.history import History, Progress
from taskfactory.intake.letters import LetterFilter, read_letters, read_originals
from taskfactory.intake.records import Record
from taskfactory.intake.redrive import Resolutions
from taskfactory.registry import Resolution


@dataclass(frozen=True, slots=True)
class Listed:
    """A letter and how it left the list, if it did."""

    letter: StoredLetter
    resolution: Resolution | None

    @property
    def state(self) -> str:
        """`open`, `redriven` or `discarded`."""
        return "open" if self.resolution is None else self.resolution.resolution

    @property
    def place(self) -> tuple[int, str]:
        """What letters are ordered by: they rise from the newest to the oldest."""
        return -self.letter.written_at, self.letter.key


@dataclass(frozen=True, slots=True)
class Listing:
    """What the dead letter topic holds."""

    letters: Sequence[Listed]
    """The newest first."""
    strangers: int
    """Records of the topic that are no dead letters of ours."""


class NotNarrowed(ValueError):  # noqa: N818 -- it says what is missing
    """Nothing says which letters are meant; all of them never are."""


class NoLetter(LookupError):  # noqa: N818 -- it names what is missing
    """No open letter fits.

    Attributes:
        letter_id: the id that was asked for and is not there; None when no id was.
    """

    def __init__(self, letter_id: str | None) -> None:
        """Keep which."""
        self.letter_id = letter_id
        super().__init__("no dead letter fits" if letter_id is None else f"there is no open dead letter {letter_id!r}")


class ResolvedAlready(Exception):  # noqa: N818 -- it says what happened
    """A letter that was named is off the list.

    Attributes:
        listed: the letter and how it was resolved.
    """

    def __init__(self, listed: Listed) -> None:
        """Keep it."""
        self.listed = listed
        by = "" if listed.resolution is None else f" by {listed.resolution.by}"
        super().__init__(f"letter {listed.letter.id} was {listed.state} already{by}")


class LetterDesk:
    """The dead letter topic and what is known of its letters. Like the history, in one thread."""

    def __init__(self, history: History, topic: str, resolutions: Resolutions) -> None:
        """Wire it.

        Args:
            history: of the cluster.
            topic: the dead letter topic.
            resolutions: what is off the list.
        """
        self._history = history
        self._topic = topic
        self._resolutions = resolutions

    def listing(self, wanted: LetterFilter, *, resolved: bool, progress: Progress | None = None) -> Listing:
        """The letters that are meant.

        Args:
            wanted: which.
            resolved: those that are off the list too.
            progress: see `History.read`.

        Raises:
            UnknownTopic: there is no dead letter topic.
            KafkaException: the cluster did not answer, or refused.
        """
        letters = read_letters(self._history, self._topic, wanted.since, progress)
        found = [letter for letter in letters.by_key.values() if wanted.takes(letter)]
        known = self._resolutions.newest([letter.key for letter in found])
        rows = [Listed(letter, _covering(letter, known.get(letter.key))) for letter in found]
        shown = [row for row in rows if resolved or row.resolution is None]
        return Listing(sorted(shown, key=lambda row: row.place), letters.strangers)

    def chosen(self, wanted: LetterFilter, progress: Progress | None = None) -> list[Listed]:
        """The open letters that are meant, at least one, the newest first.

        Raises:
            NotNarrowed: nothing narrows them.
            NoLetter: there is none, or one that was named is missing.
            ResolvedAlready: one that was named is resolved.
            UnknownTopic: there is no dead letter topic.
            KafkaException: the cluster did not answer, or refused.
        """
        if wanted == LetterFilter():
            raise NotNarrowed
        rows = self.listing(wanted, resolved=True, progress=progress).letters
        if named := [row for row in rows if row.resolution is not None and row.letter.id in wanted.ids]:
            raise ResolvedAlready(named[0])
        unresolved = [row for row in rows if row.resolution is None]
        missing = sorted(set(wanted.ids) - {row.letter.id for row in unresolved})
        if missing or not unresolved:
            raise NoLetter(missing[0] if missing else None)
        return unresolved

    def originals(self, letters: Sequence[StoredLetter]) -> Iterator[Sequence[tuple[StoredLetter, Record]]]:
        """Their original records, in batches; see `read_originals`."""
        return read_originals(self._history, self._topic, letters)


def _covering(letter: StoredLetter, resolution: Resolution | None) -> Resolution | None:
    return resolution if resolution is not None and resolution.attempts >= letter.attempts else None
