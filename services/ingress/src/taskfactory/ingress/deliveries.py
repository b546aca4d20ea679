"""A consumed record on its way through ingress, and the assignment under which it was read."""

from dataclasses import dataclass, field

from taskfactory.ingress.offsets import Partition
from taskfactory.intake import Record


@dataclass(slots=True, eq=False)
class Assignment:
    """One partition from its assignment to its revocation, or until its topic turns out to be another one.

    Only the consumer's thread writes it; the event loop reads `withdrawn` and nothing else.
    """

    partition: Partition
    epoch: int
    since: float = 0.0
    """The time up to which its records are known to be gone through, seconds since the epoch: that of the record
    received last, at first that of the assignment."""
    topic_id: str | None = None
    """Kafka's id of the topic that the offsets are about; None while it is not known."""
    verified: bool = False
    """Set once the commit that librdkafka began from is known to be about this topic."""
    from_beginning: bool = False
    """Set until the consumer has gone back to the topic's first record; what comes meanwhile does not count."""
    at_end: bool = False
    """Set while everything that the partition holds has been handed out."""
    withdrawn: bool = False
    """Set when the partition is being given away: work that has not begun should be left to its next owner."""
    outstanding: int = 0
    """Records handed out and not yet settled."""
    requested: int | None = None
    """Offset whose commit was sent last; None when it must be sent again."""
    acknowledged: int | None = None
    """Offset whose commit Kafka acknowledged last."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A record that the consumer handed out, to be given back exactly once."""

    record: Record
    assignment: Assignment = field(repr=False)
