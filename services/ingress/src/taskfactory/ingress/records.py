"""A Kafka record on its way through ingress, and the assignment under which it was read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from confluent_kafka import Message

from taskfactory.ingress.offsets import Partition


@dataclass(slots=True, eq=False)
class Assignment:
    """One partition from its assignment to its revocation.

    Only the consumer's thread writes it; the event loop reads `withdrawn` and nothing else.
    """

    partition: Partition
    epoch: int
    withdrawn: bool = False
    """Set when the partition is being given away: work that has not begun should be left to its next owner."""
    outstanding: int = 0
    """Records handed out and not yet settled."""
    requested: int | None = None
    """Offset whose commit was sent last; None when it must be sent again."""
    acknowledged: int | None = None
    """Offset whose commit Kafka acknowledged last."""


@dataclass(frozen=True, slots=True)
class Record:
    """A consumed record, as Kafka stores it."""

    assignment: Assignment = field(repr=False)
    offset: int
    timestamp: int | None
    """Milliseconds since the epoch; None when the broker keeps none."""
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()

    @property
    def topic(self) -> str:
        """The topic it was read from."""
        return self.assignment.partition[0]

    @property
    def partition(self) -> int:
        """The partition it was read from."""
        return self.assignment.partition[1]

    @property
    def size(self) -> int:
        """Bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")


def record_from_message(message: Message, assignment: Assignment) -> Record:
    """The record that a message without error carries."""
    kind, milliseconds = message.timestamp()
    return Record(
        assignment=assignment,
        offset=message.offset() or 0,
        timestamp=milliseconds if kind else None,
        key=message.key(),
        value=message.value(),
        headers=tuple(cast("list[tuple[str, bytes | None]]", message.headers() or ())),
    )
