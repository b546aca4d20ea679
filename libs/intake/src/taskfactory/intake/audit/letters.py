"""The letters on the dead letter topic that came from one topic's records."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from taskfactory.intake.audit.entries import Letter, Place
from taskfactory.intake.dead_letters import PREFIX
from taskfactory.intake.history import History, OffsetRange, UnknownTopic
from taskfactory.intake.positions import Earliest, Latest
from taskfactory.intake.records import Record


@dataclass(frozen=True, slots=True)
class Letters:
    """What was found."""

    by_id: dict[str, Letter] = field(default_factory=dict)
    """The newest of each id."""
    lost: bool = False
    """Retention has taken letters, so that one which is not here may have been."""


def read_letters(past: History, dlq_topic: str, topic: str, ranges: Sequence[OffsetRange]) -> Letters:
    """Read the whole dead letter topic.

    Args:
        past: the cluster's history.
        dlq_topic: where letters are; a topic that does not exist has none.
        topic: where the records are that matter.
        ranges: their offsets; the letters of others are passed over.

    Raises:
        KafkaException: the cluster did not answer, or refused.
    """
    wanted = {offsets.partition: offsets for offsets in ranges}
    found: dict[str, Letter] = {}
    try:
        reading = past.read(past.spans(dlq_topic, Earliest(), Latest()))
    except UnknownTopic:
        return Letters()
    for batch in reading:
        for record in batch:
            letter = letter_of(record, topic)
            if letter is None or letter.place.partition not in wanted:
                continue
            offsets = wanted[letter.place.partition]
            if offsets.start <= letter.place.offset < offsets.end:
                found[letter.id] = letter
    return Letters(found, bool(reading.unreadable))


def letter_of(record: Record, topic: str) -> Letter | None:
    """The letter that a record of the dead letter topic is; None if it is none, or not of this topic's records."""
    headers = {
        name.removeprefix(PREFIX): value.decode("utf-8", "replace")
        for name, value in record.headers
        if name.startswith(PREFIX) and value is not None
    }
    try:
        if headers["topic"] != topic:
            return None
        return Letter(
            id=headers["id"],
            place=Place(int(headers["partition"]), int(headers["offset"])),
            definition_id=headers.get("activity_id"),
            version=int(headers["version"]) if "version" in headers else None,
            reason=headers["reason"],
            timestamp=int(headers["timestamp"]) if "timestamp" in headers else None,
        )
    except (KeyError, ValueError):
        return None
