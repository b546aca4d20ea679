"""How much may be in flight, and which partitions pause and resume. Pure.

Every assigned partition has a share of its own, so that one that is stuck or busy never takes the others' room.

Invariants:
- A partition has at most its share of records in flight, whatever happened to it before: work of an earlier assignment
  counts until it is settled.
- In all, that is at most `max(limit, floor * partitions)` records. In bytes the same, plus what one fetch may bring
  beyond the bound: librdkafka's own queue (`queued.max.messages.kbytes`) and one record of any size. What is left of
  partitions that were given away comes on top; the pipeline leaves it at once.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

from taskfactory.ingress.offsets import Partition


@dataclass(frozen=True, slots=True)
class Share:
    """What one partition may have in flight."""

    records: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one process, divided among its partitions."""

    records: int
    bytes: int
    floor_records: int = 50
    """A partition's share however many there are: less would make its fetches too small."""
    floor_bytes: int = 1024 * 1024

    def share(self, partitions: int) -> Share:
        """Each one's part when so many are assigned; a limit below the floor is kept as it is."""
        among = max(1, partitions)
        return Share(
            max(min(self.floor_records, self.records), self.records // among),
            max(min(self.floor_bytes, self.bytes), self.bytes // among),
        )


@dataclass(slots=True)
class Load:
    """What one partition has in flight."""

    records: int = 0
    bytes: int = 0


@dataclass(slots=True)
class InFlight:
    """Records consumed and not yet settled, by partition.

    A partition pauses at its share and resumes at half of it: librdkafka throws prefetched records away on a pause, so
    it should not flutter.
    """

    limits: Limits
    records: int = 0
    bytes: int = 0
    paused: frozenset[Partition] = frozenset()
    """As `balance` decided last."""
    _loads: defaultdict[Partition, Load] = field(default_factory=lambda: defaultdict(Load))

    def add(self, partition: Partition, size: int) -> None:
        """Count a record of `size` bytes in."""
        self._count(partition, 1, size)

    def remove(self, partition: Partition, size: int) -> None:
        """Count a record of `size` bytes out."""
        self._count(partition, -1, -size)
        if self._loads[partition].records == 0:
            del self._loads[partition]

    def balance(self, assigned: Collection[Partition]) -> frozenset[Partition]:
        """Decide which of the assigned partitions pause by what is in flight now, and return the decision."""
        share = self.limits.share(len(assigned))
        idle = Load()
        self.paused = frozenset(
            partition
            for partition in assigned
            if _pauses(self._loads.get(partition, idle), share, already=partition in self.paused)
        )
        return self.paused

    def room(self, assigned: Collection[Partition]) -> int:
        """Records that may be fetched before the first partition that is not paused reaches its share, at least 1.

        A fetch takes from whichever partition it likes, so the fullest one decides.
        """
        fullest = max(
            (
                load.records
                for partition, load in self._loads.items()
                if partition in assigned and partition not in self.paused
            ),
            default=0,
        )
        return max(1, self.limits.share(len(assigned)).records - fullest)

    def _count(self, partition: Partition, records: int, size: int) -> None:
        load = self._loads[partition]
        load.records += records
        load.bytes += size
        self.records += records
        self.bytes += size


def _pauses(load: Load, share: Share, *, already: bool) -> bool:
    if load.records >= share.records or load.bytes >= share.bytes:
        return True
    return already and (load.records > share.records // 2 or load.bytes > share.bytes // 2)
