"""Branches of many patterns in look-up tables: which of them an event satisfies.

Each branch is filed under one of its clauses, the one under whose keys the fewest others can be found too; all other
branches cost an event nothing. A branch that nothing leads to (no clauses, or only clauses that absence satisfies) is
looked at for every event. Invariant: what is found here is exactly what `clauses.holds` says about every branch alone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any, Generic, TypeVar

from taskfactory.definitions.matching.anchors import Anchor, Key, Kind, anchor
from taskfactory.definitions.matching.clauses import Branch, holds
from taskfactory.definitions.matching.flatten import selection
from taskfactory.definitions.matching.tables import Table, place

Owner = TypeVar("Owner")


class Filing(Generic[Owner]):
    """A branch, whose it is, and where it is filed."""

    __slots__ = ("branch", "owner", "place", "rest")

    def __init__(self, owner: Owner, branch: Branch, place: str, rest: Branch) -> None:
        """File a branch."""
        self.owner = owner
        self.branch = branch
        self.place = place
        """The path and the kind of key that lead here."""
        self.rest = rest
        """What is still to be decided when a leaf outside arrays was found under the keys of the branch."""


class Bucket(Generic[Owner]):
    """Branches that are asked together. Immutable."""

    __slots__ = ("_always", "_selection", "_table", "branches")

    def __init__(self, branches: Iterable[tuple[Owner, Branch]]) -> None:
        """File the branches."""
        self.branches = tuple(branches)
        census = _Census(branch for _, branch in self.branches)
        always: list[Filing[Owner]] = []
        filed: list[tuple[str, Key, Filing[Owner]]] = []
        for owner, branch in self.branches:
            anchor = census.rarest(branch)
            if anchor is None:
                always.append(Filing(owner, branch, "", branch))
                continue
            rest = branch
            if anchor.decided:
                rest = tuple(clause for clause in branch if clause is not anchor.clause)
            path = anchor.clause.path
            for kind, keys in groupby(anchor.keys, _kind):
                filing = Filing(owner, branch, place(kind, path), rest)
                filed += ((path, key, filing) for key in keys)
        self._always = tuple(always)
        self._table = Table(filed)
        self._selection = selection(frozenset(clause.path for _, branch in self.branches for clause in branch))

    def find(self, event: Mapping[str, Any], owners: dict[Owner, None]) -> None:
        """Add the owners of all branches that the event satisfies.

        Raises:
            EventTooDeep: A field that one of the branches asks about is nested deeper than 200 levels.
        """
        flat = self._selection.flatten(event)
        found: list[Filing[Owner]] = []
        inside: list[Filing[Owner]] = [*self._always]
        self._table.find(flat, found, inside)
        for filing in found:
            if not filing.rest or holds(filing.rest, flat):
                owners[filing.owner] = None
        if inside:
            for filing in dict.fromkeys(inside):
                if filing.owner not in owners and holds(filing.branch, flat):
                    owners[filing.owner] = None


class _Census:
    """How many branches could be found under which key, if each were filed under all of its clauses."""

    def __init__(self, branches: Iterable[Branch]) -> None:
        self._branches = 0
        self._under: Counter[tuple[str, Key]] = Counter()
        self._ranges: Counter[str] = Counter()
        for branch in branches:
            self._branches += 1
            for path, key in _keys(branch):
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


_kind = attrgetter("kind")
