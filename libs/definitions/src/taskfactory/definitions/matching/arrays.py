"""Which leaves may be combined: those that never need two elements of the same array at once.

A choice picks at most one element of every array. Each clause of a pattern must hold for a leaf whose elements are all
picked; "does not exist" holds when every leaf of its path lies in an element that was not picked. Elements are picked
only because a clause found its leaf there. The work grows with the number of leaves that the pattern asks about, not
with their combinations: what only one array can satisfy, that array must satisfy alone.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from taskfactory.definitions.matching.flatten import Chain


class Found(NamedTuple):
    """What one clause found in the event."""

    hits: Sequence[Chain]
    """Chains of the leaves that it accepts."""
    all: Sequence[Chain]
    """Chains of all leaves of its path."""
    absent: bool
    """Whether "does not exist" satisfies it too."""


def choice_exists(clauses: Sequence[Found]) -> bool:
    """Whether one choice of array elements satisfies every clause."""
    required = 0
    root = _Element()
    for position, clause in enumerate(clauses):
        bit = 1 << position
        for chain in clause.hits:
            root.at(chain).hits |= bit
        if not clause.absent:
            required |= bit
            continue
        for chain in clause.all:
            root.at(chain).blocks |= bit
    root.measure()
    return any(blocks & ~hits == 0 for hits, blocks in root.options(required))


class _Element:
    """An element of an array (or the event itself), with the clauses that its leaves satisfy or block."""

    __slots__ = ("arrays", "blocked", "blocks", "hits", "reach")

    def __init__(self) -> None:
        self.hits = 0
        self.blocks = 0
        self.arrays: dict[Hashable, dict[int, _Element]] = {}
        self.reach = 0
        """Clauses that leaves in or below it can satisfy."""
        self.blocked = 0
        """Clauses that leaves in or below it block while no element below is picked."""

    def at(self, chain: Chain) -> "_Element":
        element = self
        for array, position in chain:
            elements = element.arrays.setdefault(array, {})
            element = elements.setdefault(position, _Element())
        return element

    def measure(self) -> None:
        self.reach, self.blocked = self.hits, self.blocks
        for elements in self.arrays.values():
            for element in elements.values():
                element.measure()
                self.reach |= element.reach
                self.blocked |= element.blocked

    def options(self, must: int) -> set[tuple[int, int]]:
        """What can be had when this element is picked: satisfied and blocked clauses, `must` among the satisfied."""
        if must & ~self.reach:
            return set()
        options = {(self.hits, self.blocks)}
        for array in self.arrays:
            elsewhere = self.hits | _union(
                element.reach for other in self.arrays if other != array for element in self.arrays[other].values()
            )
            choices = self._choices(array, must & ~elsewhere)
            options = {(hits | more, blocks | block) for hits, blocks in options for more, block in choices}
        return {(hits, blocks) for hits, blocks in options if not must & ~hits}

    def _choices(self, array: Hashable, must: int) -> set[tuple[int, int]]:
        elements = self.arrays[array].values()
        choices = {(hits, blocks) for element in elements for hits, blocks in element.options(must) if hits}
        if not must:
            choices.add((0, _union(element.blocked for element in elements)))
        return choices


def _union(masks: Iterable[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union
