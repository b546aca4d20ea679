"""Branches of many patterns in look-up tables: which of them an event satisfies.

Each branch is filed under one of its clauses, the one under whose keys the fewest others can be found too; all other
branches cost an event nothing. A branch that nothing leads to (no clauses, or only clauses that absence satisfies) is
looked at for every event. Invariant: what is found here is exactly what `clauses.holds` says about every branch alone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from taskfactory.definitions.matching.anchors import Anchor, Key, Kind, anchor
from taskfactory.definitions.matching.clauses import Branch, holds
from taskfactory.definitions.matching.flatten import selection
from taskfactory.definitions.matching.tables import tables

Owner = TypeVar("Owner")


class Entry(Generic[Owner]):
    """A branch and whose it is. Compared by identity."""

    __slots__ = ("branch", "owner", "path", "rest")

    def __init__(self, owner: Owner, branch: Branch) -> None:
        """Not yet filed."""
        self.owner = owner
        self.branch = branch
        self.path = ""
        """Where it is filed."""
        self.rest = branch
        """What is still to be decided when a leaf outside arrays was found under the keys of the branch."""


class Bucket(Generic[Owner]):
    """Branches that are asked together. Immutable."""

    __slots__ = ("_always", "_selection", "_tables", "entries")

    def __init__(self, branches: Iterable[tuple[Owner, Branch]]) -> None:
        """File the branches."""
        self.entries = tuple(Entry(owner, branch) for owner, branch in branches)
        census = _Census(self.entries)
        always: list[Entry[Owner]] = []
        filed: list[tuple[Key, Entry[Owner]]] = []
        for entry in self.entries:
            anchor = census.rarest(entry.branch)
            if anchor is None:
                always.append(entry)
                continue
            entry.path = anchor.clause.path
            if anchor.decided:
                entry.rest = tuple(clause for clause in entry.branch if clause is not anchor.clause)
            filed += ((key, entry) for key in anchor.keys)
        self._always = tuple(always)
        self._tables = tables(filed)
        self._selection = selection(frozenset(clause.path for entry in self.entries for clause in entry.branch))

    def find(self, event: Mapping[str, Any], owners: dict[Owner, None]) -> None:
        """Add the owners of all branches that the event satisfies.

        Raises:
            EventTooDeep: A field that one of the branches asks about is nested deeper than 200 levels.
        """
        flat = self._selection.flatten(event)
        found: list[Entry[Owner]] = []
        inside: list[Entry[Owner]] = [*self._always]
        for table in self._tables:
            table.find(flat, found, inside)
        for entry in dict.fromkeys(found):
            if not entry.rest or holds(entry.rest, flat):
                owners[entry.owner] = None
        for entry in dict.fromkeys(inside):
            if entry.owner not in owners and holds(entry.branch, flat):
                owners[entry.owner] = None


class _Census:
    """How many branches could be found under which key, if each were filed under all of its clauses."""

    def __init__(self, entries: Sequence[Entry[Any]]) -> None:
        self._branches = len(entries)
        self._under: Counter[tuple[str, Key]] = Counter()
        self._ranges: Counter[str] = Counter()
        for entry in entries:
            for path, key in _keys(entry.branch):
                self._under[path, key] += 1
                self._ranges[path] += key.kind is Kind.RANGE

    def rarest(self, branch: Branch) -> Anchor | None:
        """The anchor that leads to this branch and to the fewest others."""
        anchors = [found for clause in branch if (found := anchor(clause)) is not None]
        return min(anchors, key=self._others, default=None) if len(anchors) > 1 else next(iter(anchors), None)

    def _others(self, found: Anchor) -> int:
        return sum(self._others_under(found.clause.path, key) for key in found.keys)

    def _others_under(self, path: str, key: Key) -> int:
        if key.kind is Kind.ANY:
            return 2 * self._branches  # every event that has the field
        if key.kind is Kind.RANGE:
            return self._ranges[path]  # ranges overlap
        return self._under[path, key]


def _keys(branch: Branch) -> Iterator[tuple[str, Key]]:
    for clause in branch:
        if (found := anchor(clause)) is not None:
            for key in found.keys:
                yield clause.path, key
