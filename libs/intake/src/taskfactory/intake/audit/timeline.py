"""Which revisions may have decided about a record, as the log of revisions tells. Pure.

The log's lines fall into passes. A pass is what one member read of the partition without going back: its lines' offsets
rise, and between two of them the revision is certain. Where a line comes from another member, or goes back or stands
still, records were (or may have been) read again, after a crash or a rebalance: a new pass begins there, and what an
earlier pass had got to know by then may have been decided by both.

What was not committed is read again, so the latest pass that covers a record did decide about it; others may have.
That is certain only where another member began the pass: one member's lines may reach the log out of order.

An earlier member is gone when a new pass begins, so a record that is younger than that was decided by the new pass
alone. Records carry producers' clocks and a stopped process may wake once more, so "younger" means by `OVERLAP`.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, NamedTuple

from taskfactory.registry import IngressRevision

OVERLAP: Final = timedelta(minutes=5)
"""For how long after the beginning of a pass an earlier one counts as possible."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Lines of one member with rising offsets."""

    member: str
    began: int | None
    """Milliseconds since the epoch; None if the log does not say."""
    offsets: list[int] = field(default_factory=list)
    revisions: list[int] = field(default_factory=list)

    def revision(self, offset: int) -> int | None:
        """What decided about the offset, if this pass came by it; None before its beginning."""
        place = bisect_right(self.offsets, offset)
        return self.revisions[place - 1] if place else None

    def goes_on(self, line: IngressRevision) -> bool:
        """Whether the line belongs to this pass."""
        return line.member == self.member and line.from_offset > self.offsets[-1]


class Deciders(NamedTuple):
    """Revisions that may have decided about a record."""

    revisions: tuple[int, ...]
    """The latest pass's first."""
    certain: bool
    """The first one did decide, whether or not others did so before it."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The log of one partition."""

    passes: Sequence[Pass]
    """In the order in which they began."""

    @classmethod
    def of(cls, lines: Iterable[IngressRevision]) -> "Timeline":
        """Read lines, in the order in which they were written."""
        passes: list[Pass] = []
        for line in lines:
            if not passes or not passes[-1].goes_on(line):
                passes.append(Pass(line.member, None if line.at is None else int(line.at.timestamp() * 1000)))
            passes[-1].offsets.append(line.from_offset)
            passes[-1].revisions.append(line.revision)
        return cls(passes)

    def deciders(self, offset: int, timestamp: int | None) -> Deciders:
        """The revisions that may have decided about a record; none if no line covers it.

        Args:
            offset: the record's.
            timestamp: the record's, in milliseconds; None leaves every pass possible.
        """
        found: list[int] = []
        certain = False
        for number in range(len(self.passes) - 1, -1, -1):
            reading = self.passes[number]
            revision = reading.revision(offset)
            if revision is None:
                continue
            if not found:
                certain = number == 0 or self.passes[number - 1].member != reading.member
            found.append(revision)
            if timestamp is not None and reading.began is not None and timestamp > reading.began + _OVERLAP_MS:
                break
        revisions = tuple(dict.fromkeys(found))
        return Deciders(revisions, certain or len(revisions) == 1)


_OVERLAP_MS: Final = OVERLAP // timedelta(milliseconds=1)
