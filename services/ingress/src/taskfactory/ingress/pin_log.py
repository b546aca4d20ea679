"""Writing pins to the log of revisions: in order, and only for partitions that are still ours.

A line that comes after the next owner's would tell an audit that this member read the partition again, so a pin whose
assignment is withdrawn is given up as soon as its line is not under way; no other partition's line has to get through
for that.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from taskfactory.ingress.pins import Pin
from taskfactory.ingress.retrying import Dependency
from taskfactory.intake import Unavailable
from taskfactory.registry import IngressRevision

LOOK_SECONDS: Final = 0.25
"""Between two looks at whether a partition whose line waits was given away."""


@dataclass(frozen=True, slots=True)
class Member:
    """Who decides."""

    group_id: str
    name: str
    """For people: which process it is."""


class RevisionLog(Protocol):
    """What is used of the registry's `IngressRevisions`."""

    async def put(self, lines: Sequence[IngressRevision]) -> None:
        """Append lines.

        Raises:
            Unavailable: not now; try again.
        """


class PinLog:
    """Tells each pin whether its line was written."""

    def __init__(self, revisions: RevisionLog, registry: Dependency, member: Member) -> None:
        """Wire it.

        Args:
            revisions: takes the lines.
            registry: is waited for meanwhile.
            member: named in every line.
        """
        self._revisions = revisions
        self._registry = registry
        self._member = member
        self._order = asyncio.Lock()  # lines of one partition are written in the order of its records
        self._under_way: frozenset[Pin] = frozenset()

    async def log(self, pins: Sequence[Pin]) -> None:
        """Return when each of the pins knows whether the log has its line."""
        writing = asyncio.create_task(self._write(pins))
        try:
            while not writing.done():
                await asyncio.wait({writing}, timeout=LOOK_SECONDS)
                self._give_up(pins)
            writing.result()
        finally:
            writing.cancel()

    async def _write(self, pins: Sequence[Pin]) -> None:
        async with self._order:
            self._give_up(pins)
            if all(pin.logged.done() for pin in pins):
                return
            with contextlib.suppress(Unavailable):  # all of them were given up
                await self._registry.insist(
                    lambda: self._put(pins), unless=lambda: all(pin.assignment.withdrawn for pin in pins)
                )

    async def _put(self, pins: Sequence[Pin]) -> None:
        self._give_up(pins)
        due = [pin for pin in pins if not pin.logged.done()]
        if not due:
            return
        self._under_way = frozenset(due)
        try:
            await self._revisions.put([self._line(pin) for pin in due])
        finally:
            self._under_way = frozenset()
        for pin in due:
            pin.logged.set_result(True)

    def _give_up(self, pins: Sequence[Pin]) -> None:
        for pin in pins:
            if pin.assignment.withdrawn and pin not in self._under_way and not pin.logged.done():
                pin.logged.set_result(False)

    def _line(self, pin: Pin) -> IngressRevision:
        member = self._member
        return IngressRevision(
            member.group_id, *pin.assignment.partition, pin.from_offset, pin.in_force.revision, member.name
        )
