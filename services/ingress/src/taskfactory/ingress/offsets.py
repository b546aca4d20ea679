"""Which offset of a partition may be committed: a small state machine, pure, without clock or locks.

Invariants:
- The committable offset never passes a record that was received and is not done (architecture, I4).
- Only received offsets count, so gaps that compaction and transactions leave are no obstacle.
- A completion from before a rebalance changes nothing: every assignment has an epoch of its own.
- Memory holds the records in flight and nothing of those that are done.
"""

from dataclasses import dataclass, field

Partition = tuple[str, int]
"""Topic and partition number."""


@dataclass(slots=True)
class PartitionOffsets:
    """One partition during one assignment."""

    epoch: int
    _position: int | None = None
    """One past the record received last."""
    _pending: dict[int, float | None] = field(default_factory=dict)
    """Received and not done, in ascending order, with their times; a dict because it keeps order and removes anywhere
    in O(1)."""

    @property
    def in_flight(self) -> int:
        """Number of records received and not done."""
        return len(self._pending)

    @property
    def oldest(self) -> float | None:
        """The time of the record that holds the committable offset back; None if none does."""
        return next(iter(self._pending.values()), None)

    @property
    def committable(self) -> int | None:
        """The offset that a successor should read first; None before anything was received.

        It goes back when Kafka itself goes back (a log truncated by an unclean election is read again): what is read
        again is undisposed again.
        """
        if self._position is None:
            return None
        return min(self._position, next(iter(self._pending), self._position))

    def received(self, offset: int, time: float | None = None) -> bool:
        """Take a record into account.

        Args:
            offset: where it is.
            time: when it was produced, as `oldest` shall say it.

        Returns:
            False if the same offset is in flight already: it must not be worked on a second time.
        """
        self._position = offset + 1
        if offset in self._pending:
            return False
        highest = next(reversed(self._pending), offset)
        self._pending[offset] = time
        if offset < highest:
            self._pending = dict(sorted(self._pending.items()))
        return True

    def done(self, offset: int) -> bool:
        """Take a record's disposal into account.

        Returns:
            False if the offset was not in flight, for example because it was done already; nothing changes then.
        """
        if offset not in self._pending:
            return False
        del self._pending[offset]
        return True


class AssignedOffsets:
    """All partitions that are assigned right now."""

    def __init__(self) -> None:
        self._epoch = 0
        self._partitions: dict[Partition, PartitionOffsets] = {}

    def assign(self, partition: Partition) -> int:
        """Start afresh with a partition and return the epoch of this assignment."""
        self._epoch += 1
        self._partitions[partition] = PartitionOffsets(self._epoch)
        return self._epoch

    def revoke(self, partition: Partition) -> None:
        """Forget a partition; what is still in flight for it is fenced off from now on."""
        self._partitions.pop(partition, None)

    def received(self, partition: Partition, offset: int, time: float | None = None) -> bool:
        """Take a record into account.

        Args:
            partition: topic and partition number.
            offset: the record's offset.
            time: when it was produced, seconds since the epoch.

        Returns:
            False if the record must not be worked on: its partition is not assigned, or it is in flight already.
        """
        offsets = self._partitions.get(partition)
        return offsets is not None and offsets.received(offset, time)

    def done(self, partition: Partition, offset: int, epoch: int) -> bool:
        """Take a record's disposal into account.

        Args:
            partition: topic and partition number.
            offset: the record's offset.
            epoch: the assignment under which the record was received.

        Returns:
            False if it counts no longer: another epoch, a revoked partition, or done already.
        """
        offsets = self._partitions.get(partition)
        return offsets is not None and offsets.epoch == epoch and offsets.done(offset)

    def oldest(self, partition: Partition) -> float | None:
        """When the partition's lowest undisposed record was produced; None if nothing is in flight."""
        offsets = self._partitions.get(partition)
        return None if offsets is None else offsets.oldest

    def committable(self, partition: Partition) -> int | None:
        """The offset that may be committed for a partition; None if there is nothing to say yet."""
        offsets = self._partitions.get(partition)
        return None if offsets is None else offsets.committable
