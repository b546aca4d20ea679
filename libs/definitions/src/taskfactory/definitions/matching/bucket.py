"""Branches of many patterns in look-up tables: which of them an event satisfies.

Each branch is filed under one of its clauses, the one under whose keys the fewest others can be found too; all other
branches cost an event nothing. A branch that nothing leads to (no clauses, or only clauses that absence satisfies) is
looked at for every event. Invariant: what is found here is exactly what `clauses.holds` says about every branch alone.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar

from taskfactory.definitions.matching.anchors import Anchor, Key, Kind, anchor
from taskfactory.definitions.matching.clauses import Branch, holds
from taskfactory.definitions.matching.flatten import selection
from taskfactory.definitions.matching.tables import Table, place

Owner = TypeVar("Owner")


class Filing(Generic[Owner]):
    """A branch, whose it is, and where it is filed."""

    __slots__ = ("branch", "keys", "owner", "path", "place", "rest")

    def __init__(self, owner: Owner, branch: Branch, filed: Anchor | None, keys: tuple[Key, ...] = ()) -> None:
        """File a branch under keys of one kind out of an anchor's; None: under nothing, it is always looked at."""
        self.owner = owner
        self.branch = branch
        self.keys = keys
        self.path = "" if filed is None else filed.clause.path
        self.place = "" if filed is None else place(keys[0].kind, self.path)
        """The path and the kind of key that lead here."""
        self.rest = branch
        """What is still to be decided when a leaf outside arrays was found under the keys of the branch."""
        if filed is not None and filed.decided:
            self.rest = _same(tuple(clause for clause in branch if clause is not filed.clause))


class Bucket(Generic[Owner]):
    """Branches that are asked together. Immutable."""

    __slots__ = ("_always", "_counted", "_filings", "_selection", "_table")

    def __init__(self, branches: Iterable[tuple[Owner, Branch]]) -> None:
        """File the branches."""
        listed = tuple(branches)
        self._counted = len(listed)
        """How many branches there were when it was last decided for all of them where to file them."""
        self._fill(_filings(listed, (branch for _, branch in listed)))

    def changed(self, leaving: Collection[Owner], arriving: Sequence[tuple[Owner, Branch]]) -> "Bucket[Owner]":
        """A new bucket without the branches of those owners, and with these branches.

        What stays also stays filed where it is, which is quicker than to decide anew; only when there are twice as
        many branches as at the last time, or half as many, all are filed anew.
        """
        staying = [filing for filing in self._filings if filing.owner not in leaving]
        branches = [*self.branches(staying), *arriving]
        if not self._counted <= 2 * len(branches) <= 4 * self._counted:
            return Bucket(branches)
        bucket: Bucket[Owner] = Bucket(())
        bucket._counted = self._counted
        bucket._fill([*staying, *_filings(arriving, (branch for _, branch in branches))])
        return bucket

    def owners(self) -> set[Owner]:
        """Whose branches are here."""
        return {filing.owner for filing in self._filings}

    def __len__(self) -> int:
        return len(self._filings)

    @staticmethod
    def branches(filings: Iterable[Filing[Owner]]) -> Iterable[tuple[Owner, Branch]]:
        """The branches that are filed there; some are filed twice."""
        return dict.fromkeys((filing.owner, filing.branch) for filing in filings)

    def _fill(self, filings: Sequence[Filing[Owner]]) -> None:
        """Only while the bucket is made."""
        self._filings = tuple(filings)
        self._always = tuple(filing for filing in filings if not filing.keys)
        self._table = Table((filing.path, key, filing) for filing in filings for key in filing.keys)
        self._selection = selection(frozenset(clause.path for filing in filings for clause in filing.branch))

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


def _filings(branches: Iterable[tuple[Owner, Branch]], among: Iterable[Branch]) -> list[Filing[Owner]]:
    """File each branch under the anchor that leads to the fewest of all branches `among` which it shall be found."""
    census = _Census(among)
    filings: list[Filing[Owner]] = []
    for owner, branch in branches:
        rarest = census.rarest(branch)
        if rarest is None:
            filings.append(Filing(owner, branch, None))
            continue
        kinds = {key.kind for key in rarest.keys}
        if len(kinds) == 1:
            filings.append(Filing(owner, branch, rarest, rarest.keys))
            continue
        of_kind = (tuple(key for key in rarest.keys if key.kind is kind) for kind in kinds)
        filings += [Filing(owner, branch, rarest, keys) for keys in of_kind]
    return filings


@lru_cache(maxsize=4_096)
def _same(branch: Branch) -> Branch:
    """One object for all that are equal: thousands of definitions have the same clause beside the one that is rare."""
    return branch


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
