"""Which revision decides about which records.

A record is decided by what is in force when it is delivered. The first record of a partition under a revision, or under
a new assignment, begins a pin; the log of revisions must have its line before that record is decided, so that an audit
can evaluate history as it was.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from taskfactory.ingress.deliveries import Assignment, Delivery
from taskfactory.ingress.offsets import Partition
from taskfactory.intake import InForce


@dataclass(frozen=True, slots=True, eq=False)
class Pin:
    """One revision for one partition, from one offset on."""

    assignment: Assignment
    in_force: InForce
    from_offset: int
    logged: asyncio.Future[bool]
    """Whether the log has the line; False if the partition went away before it could be written."""


class Pins:
    """The pins of the partitions that are assigned, under what is in force now.

    Older pins live on with their records only: a partition without records must not keep replaced definitions alive.
    """

    def __init__(self) -> None:
        self._in_force: InForce | None = None
        self._pins: dict[Partition, Pin] = {}

    def pin(
        self, deliveries: Sequence[Delivery], in_force: InForce, future: Callable[[], asyncio.Future[bool]]
    ) -> tuple[list[tuple[Delivery, Pin]], list[Pin]]:
        """Give each delivery its pin.

        Args:
            deliveries: in the order in which their partitions have them.
            in_force: what decides now.
            future: makes a future that tells whether a line is logged.

        Returns:
            The deliveries with their pins, and the pins that are new.
        """
        pinned: list[tuple[Delivery, Pin]] = []
        new: list[Pin] = []
        if in_force is not self._in_force:
            self._in_force = in_force
            self._pins.clear()
        for delivery in deliveries:
            partition = delivery.assignment.partition
            pin = self._pins.get(partition)
            if pin is None or pin.assignment is not delivery.assignment:
                pin = Pin(delivery.assignment, in_force, delivery.record.offset, future())
                self._pins[partition] = pin
                new.append(pin)
            pinned.append((delivery, pin))
        if new:
            self._pins = {at: pin for at, pin in self._pins.items() if not pin.assignment.withdrawn}
        return pinned, new
