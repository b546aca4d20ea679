"""A Kafka record as it is stored: what is decided about, and what a dead letter keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Record:
    """A record with its coordinates."""

    topic: str
    partition: int
    offset: int
    timestamp: int | None
    """Milliseconds since the epoch; None when the broker keeps none."""
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    unreadable_headers: bool = False
    """A header's name is not UTF-8, which the client can't hand out: then `headers` is empty."""

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


def moment_of(timestamp: int) -> datetime | None:
    """A record's time in UTC; None if the calendar, which ends with the year 9999, does not have it.

    Producers set timestamps, and brokers take what they set.

    Args:
        timestamp: milliseconds since the epoch.
    """
    try:
        return datetime.fromtimestamp(timestamp / 1000, UTC)
    except (ValueError, OverflowError):
        return None


def record_from_message(message: Message) -> Record:
    """The record that a message without error carries."""
    kind, milliseconds = message.timestamp()
    headers, unreadable = _headers(message)
    return Record(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp=None if kind == TIMESTAMP_NOT_AVAILABLE else milliseconds,
        key=message.key(),
        value=message.value(),
        headers=headers,
        unreadable_headers=unreadable,
    )


def _headers(message: Message) -> tuple[Headers, bool]:
    try:
        return tuple(cast("list[tuple[str, bytes | None]]", message.headers() or ())), False
    except (UnicodeDecodeError, SystemError):  # the latter is how the C extension tells the former within some calls
        return (), True
