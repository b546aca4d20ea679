"""The dead letter topic as a list: the newest record of every letter, without the originals' bytes (read apart).

So memory grows with the number of letters, about a kilobyte each, and never with their size.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from taskfactory.intake.dead_letters import StoredLetter, original_headers, original_record, stored_letter
from taskfactory.intake.history import History, OffsetRange, Progress, Span, UnknownTopic
from taskfactory.intake.positions import AtOffset, AtTime, Earliest, Latest
from taskfactory.intake.records import Record


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters are meant; None does not narrow."""

    ids: frozenset[str] = frozenset()
    """Empty: of any id."""
    reason: str | None = None
    definition: str | None = None
    """A definition's name or id: its own letters. A letter of the record itself concerns all of them, so it is meant
    only where its id is named too."""
    since: datetime | None = None
    """Dead-lettered then or later."""
    until: datetime | None = None
    """Dead-lettered before."""
    topic: str | None = None
    """The origin's, as the next two."""
    partition: int | None = None
    offset: int | None = None

    def takes(self, letter: StoredLetter) -> bool:
        """Whether the letter is meant."""
        wanted = (
            (self.reason, letter.reason),
            (self.topic, letter.topic),
            (self.partition, letter.partition),
            (self.offset, letter.offset),
        )
        return (
            all(asked is None or asked == found for asked, found in wanted)
            and (not self.ids or letter.id in self.ids)
            and self._takes_definition(letter)
            and (self.since is None or letter.written_at >= self.since.timestamp() * 1000)
            and (self.until is None or letter.written_at < self.until.timestamp() * 1000)
        )

    def _takes_definition(self, letter: StoredLetter) -> bool:
        if self.definition is None:
            return True
        if letter.definition_id is None:
            return letter.id in self.ids
        return self.definition in {letter.definition_name, letter.definition_id}


@dataclass(slots=True)
class Letters:
    """What the dead letter topic holds."""

    by_key: dict[str, StoredLetter] = field(default_factory=dict)
    """The newest record of each letter; a topic that was created again has letters of the same ids as before."""
    strangers: int = 0
    """Records that are no dead letters of ours."""


def newest_letters(records: Iterable[Record], found: Letters) -> None:
    """Take records of the dead letter topic into `found`, in any order."""
    for record in records:
        letter = stored_letter(record)
        if letter is None:
            found.strangers += 1
        elif (known := found.by_key.get(letter.key)) is None or letter.newness >= known.newness:
            found.by_key[letter.key] = letter


def read_letters(history: History, topic: str, since: datetime | None, progress: Progress | None = None) -> Letters:
    """The letters that were written since a time, or all.

    Args:
        history: of the cluster.
        topic: the dead letter topic.
        since: spares reading what is older; a letter's own time may still be earlier.
        progress: see `History.read`.

    Raises:
        UnknownTopic: it does not exist.
        KafkaException: the cluster did not answer, or refused.
    """
    found = Letters()
    start = Earliest() if since is None else AtTime(since)
    for batch in history.read(history.spans(topic, start, Latest()), progress):
        newest_letters(batch, found)
    return found


def read_originals(
    history: History, topic: str, letters: Sequence[StoredLetter]
) -> Iterator[Sequence[tuple[StoredLetter, Record]]]:
    """The letters' original records, bytes and all, in batches; those that retention took meanwhile are left out.

    Args:
        history: of the cluster.
        topic: the dead letter topic.
        letters: as `read_letters` found them.

    Raises:
        KafkaException: the cluster did not answer, or refused.
    """
    by_place = {letter.place: letter for letter in letters}
    places: dict[int, list[int]] = {}
    for partition, offset in by_place:
        places.setdefault(partition, []).append(offset)
    spans = [
        Span(OffsetRange(topic, partition, min(offsets), max(offsets) + 1)) for partition, offsets in places.items()
    ]
    for batch in history.read(spans):
        yield [
            (letter, original)
            for record in batch
            if (letter := by_place.get((record.partition, record.offset))) is not None
            and (original := _whole(history, letter, original_record(letter, record))) is not None
        ]


def _whole(history: History, letter: StoredLetter, original: Record) -> Record | None:
    """The original whole, which for one that was too large is at its origin only; None if it is gone there."""
    if not letter.truncated:
        return original
    at = AtOffset(letter.offset), AtOffset(letter.offset + 1)
    try:
        spans = history.spans(letter.topic, *at, [letter.partition])
    except UnknownTopic:
        return None
    for batch in history.read(spans):
        found = batch[0]
        return replace(original, key=found.key, value=found.value, headers=original_headers(found))
    return None
