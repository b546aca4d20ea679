"""Clauses, and the one place that decides whether an event satisfies them.

A branch is a tuple of clauses that all must hold. `holds` decides about a branch; matching one pattern, matching
through the index and explaining all ask it.
"""

import json
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakValueDictionary

from taskfactory.definitions.matching.arrays import Found, choice_exists
from taskfactory.definitions.matching.flatten import NO_LEAVES, FlatEvent, leaves_at
from taskfactory.definitions.matching.operators import Operator


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Clause:
    """What one field must look like: any operator may accept one of its leaves, or `absent` that it has none."""

    path: str
    """Dotted, as in a flat event."""
    operators: tuple[Operator, ...]
    absent: bool
    expected: tuple[Any, ...]
    """As the author wrote it."""

    def accepts(self, value: Any) -> bool:
        """Whether one of the operators accepts a leaf's value."""
        for operator in self.operators:  # noqa: SIM110  a generator costs more than most operators
            if operator.accepts(value):
                return True
        return False

    def settled(self, event: FlatEvent) -> bool | None:
        """Whether the clause holds, where that needs no look at array elements; None where it does."""
        leaves = event.get(self.path, NO_LEAVES)
        if type(leaves) is not list:
            return self.accepts(leaves)
        if not leaves:
            return self.absent
        picked = outside = False
        for value, chain in leaves:
            if self.accepts(value):
                if not chain:
                    return True
                picked = True
            elif not chain:
                outside = True  # it exists, whichever elements are picked
        return None if picked or (self.absent and not outside) else False

    def find(self, event: FlatEvent) -> Found:
        """Look at every leaf of the path."""
        leaves = leaves_at(event, self.path)
        hits = [chain for value, chain in leaves if self.accepts(value)]
        return Found(hits, [chain for _, chain in leaves], self.absent)


Branch = tuple[Clause, ...]

_shared: Final[WeakValueDictionary[tuple[str, str], Clause]] = WeakValueDictionary()


def shared(clause: Clause) -> Clause:
    """One object for all clauses that were written alike, while one of them is in use.

    Thousands of definitions name the same types, states and channels: a set needs less memory so, and what many of its
    definitions ask is in the processor's caches when the next one asks it.
    """
    written = json.dumps(clause.expected)
    return _shared.setdefault((clause.path, written), clause)


def holds(branch: Branch, event: FlatEvent) -> bool:
    """Whether the event satisfies all clauses, for one choice of array elements."""
    unsettled: list[Clause] = []
    for clause in branch:
        settled = clause.settled(event)
        if settled is False:
            return False
        if settled is None:
            unsettled.append(clause)
    # A clause that holds whatever is picked says nothing about what to pick.
    return not unsettled or choice_exists([clause.find(event) for clause in unsettled])
