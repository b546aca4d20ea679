"""Dead letters: what could not become a run, kept in full in a topic of its own.

A dead letter is the original record, key, value and headers untouched, with headers added that say why and where it
came from. Its id is derived from the coordinates, so a repeated write is recognisable as the same letter.
"""

import contextlib
from dataclasses import dataclass
from typing import Final

from taskfactory.definitions import RegisteredDefinition
from taskfactory.intake.records import Record

PREFIX: Final = "taskfactory_dlq_"
"""Every header that is added starts so."""
MOST_ATTEMPTS: Final = 1_000_000
"""More are not counted: a header says it, and anybody can write headers."""
MESSAGE_LIMIT: Final = 2000
"""Characters of the message that are kept."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that no run comes of, for every definition or for one."""

    record: Record
    reason: str
    """A short stable code."""
    message: str
    """A sentence, for people."""
    definition: RegisteredDefinition | None = None
    """The definition that it concerns; None if the record itself is at fault."""
    earlier: int = 0
    """How many times it was dead-lettered before, as far as its writer knows; the record's headers may know of more."""

    @property
    def attempts(self) -> int:
        """How many times the event was dead-lettered, this one, redriven and copied ones included."""
        return min(1 + max(self.earlier, _earlier_attempts(self.record)), MOST_ATTEMPTS)

    @property
    def id(self) -> str:
        """`topic/partition/offset`, and `/activity id` where a definition is concerned."""
        record, definition = self.record, self.definition
        return _id(record.topic, record.partition, record.offset, definition.id if definition else None)

    @property
    def key(self) -> str:
        """The id and the record's timestamp: what tells it from a letter of an earlier topic of that name."""
        return _key(self.id, self.record.timestamp)

    def headers(self) -> list[tuple[str, bytes | None]]:
        """The original headers, then `taskfactory_dlq_*`; those of an earlier dead letter are replaced."""
        return original_headers(self.record) + self.added_headers()

    def added_headers(self) -> list[tuple[str, bytes | None]]:
        """`taskfactory_dlq_*` alone: at most some kilobytes, whatever the record is like."""
        record = self.record
        added: dict[str, str] = {
            "id": self.id,
            "reason": self.reason,
            "message": self.message[:MESSAGE_LIMIT],
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "attempts": str(self.attempts),
        }
        if record.timestamp is not None:
            added["timestamp"] = str(record.timestamp)
        if self.definition is not None:
            added["activity_id"] = self.definition.id
            added["activity_name"] = self.definition.definition.name
            added["version"] = str(self.definition.version)
        return [(PREFIX + name, text.encode("utf-8", "backslashreplace")) for name, text in added.items()]


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """What a record of the dead letter topic says about itself: everything but the original's bytes."""

    id: str
    reason: str
    message: str
    definition_id: str | None
    """None, as the next two: it concerns the record itself."""
    definition_name: str | None
    version: int | None
    topic: str
    """The origin's, as the next three."""
    partition: int
    offset: int
    timestamp: int | None
    """Milliseconds since the epoch; None when the origin had none."""
    attempts: int
    truncated: bool
    """The dead letter topic found it too large: the original is whole at its coordinates only."""
    written_at: int
    """When it was dead-lettered, in milliseconds since the epoch."""
    place: tuple[int, int]
    """Partition and offset on the dead letter topic."""

    @property
    def key(self) -> str:
        """As `DeadLetter.key`: resolutions are kept under it."""
        return _key(self.id, self.timestamp)

    @property
    def newness(self) -> tuple[int, int]:
        """The newest record of a key is the one for which this is largest.

        Attempts come first: a record that is read again writes its first attempt again.
        """
        return self.attempts, self.written_at


def stored_letter(record: Record) -> StoredLetter | None:
    """Read a record of the dead letter topic; None for one that is no dead letter of ours.

    The topic is open to others too: an id that does not follow from the coordinates, or a number that no letter of
    ours has, is not taken further.
    """
    told = {
        name.removeprefix(PREFIX): (value or b"").decode("utf-8", "replace")
        for name, value in record.headers
        if name.startswith(PREFIX)
    }
    try:
        letter = StoredLetter(
            id=told["id"],
            reason=told["reason"],
            message=told["message"],
            definition_id=told.get("activity_id"),
            definition_name=told.get("activity_name"),
            version=int(told["version"]) if "version" in told else None,
            topic=told["topic"],
            partition=int(told["partition"]),
            offset=int(told["offset"]),
            timestamp=int(told["timestamp"]) if "timestamp" in told else None,
            attempts=int(told["attempts"]),
            truncated=told.get("truncated") == "true",
            written_at=record.timestamp or 0,
            place=(record.partition, record.offset),
        )
    except (KeyError, ValueError):
        return None
    genuine = letter.id == _id(letter.topic, letter.partition, letter.offset, letter.definition_id)
    sound = letter.id.isascii() and letter.id.isprintable() and 0 < letter.attempts <= MOST_ATTEMPTS
    return letter if genuine and sound else None


def original_record(letter: StoredLetter, record: Record) -> Record:
    """The record as it was where it came from, so that what is decided about it is what ingress would have decided.

    Args:
        letter: what `record` says about itself.
        record: of the dead letter topic.
    """
    return Record(
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        timestamp=letter.timestamp,
        key=record.key,
        value=record.value,
        headers=original_headers(record),
    )


def original_headers(record: Record) -> list[tuple[str, bytes | None]]:
    """A record's headers without those that dead-lettering added."""
    return [(name, value) for name, value in record.headers if not name.startswith(PREFIX)]


def _id(topic: str, partition: int, offset: int, definition_id: str | None) -> str:
    parts = [topic, str(partition), str(offset)]
    return "/".join(parts if definition_id is None else [*parts, definition_id])


def _key(letter_id: str, timestamp: int | None) -> str:
    return f"{letter_id}@{'-' if timestamp is None else timestamp}"


def _earlier_attempts(record: Record) -> int:
    found = dict(record.headers).get(f"{PREFIX}attempts")
    with contextlib.suppress(ValueError, TypeError):
        return max(0, int(found or 0))
    return 0
