"""One index over all patterns: what an event costs depends on it and on what it finds, not on how many there are.

Branches that name exact types are asked only about events of these types: every type has a bucket of its own, in which
the type itself need not be looked at again. All other branches share one more bucket, which every event asks.
Indexes are immutable; `changed` gives a new one that shares every bucket that no change concerns.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from taskfactory.definitions.matching.bucket import Bucket
from taskfactory.definitions.matching.clauses import Branch
from taskfactory.definitions.matching.operators import Exact
from taskfactory.definitions.matching.pattern import EventPattern

TYPE: Final = "type"


class Indexed(Protocol):
    """What has a pattern. Compared by identity."""

    @property
    def pattern(self) -> EventPattern:
        """What it takes."""


Owner = TypeVar("Owner", bound=Indexed)


class PatternIndex(Generic[Owner]):
    """Which of many patterns take an event."""

    __slots__ = ("_any_type", "_by_type")

    def __init__(self, owners: Iterable[Owner] = ()) -> None:
        """Index these."""
        self._by_type: dict[str, Bucket[Owner]] = {}
        self._any_type: Bucket[Owner] = _EMPTY
        self._file((), owners)

    def changed(self, removed: Iterable[Owner], added: Iterable[Owner]) -> Self:
        """A new index without these and with those."""
        index = type(self)()
        index._by_type = self._by_type.copy()  # noqa: SLF001  one class
        index._any_type = self._any_type  # noqa: SLF001
        index._file(removed, added)  # noqa: SLF001
        return index

    def matching(self, event: Mapping[str, Any]) -> list[Owner]:
        """All whose patterns take the event (CloudEvents JSON form), in no particular order.

        Raises:
            EventTooDeep: A field that one of the patterns asked asks about is nested deeper than 200 levels.
        """
        owners: dict[Owner, None] = {}
        event_type = event.get(TYPE)
        if isinstance(event_type, str) and "" not in event:
            if (bucket := self._by_type.get(event_type)) is not None:
                bucket.find(event, owners)
            if self._any_type:
                self._any_type.find(event, owners)
            return list(owners)
        return self._matching_one_by_one(event)

    def _matching_one_by_one(self, event: Mapping[str, Any]) -> list[Owner]:
        """For what is no CloudEvent: without a type, or with several (in an array, or under an empty key)."""
        buckets = (*self._by_type.values(), self._any_type)
        every = dict.fromkeys(owner for bucket in buckets for owner in bucket.owners())
        return [owner for owner in every if owner.pattern.matches(event)]

    def _file(self, removed: Iterable[Owner], added: Iterable[Owner]) -> None:
        """Only while the index is made. Buckets are made anew where something leaves or arrives."""
        leaving = set(removed)
        arriving: dict[str | None, list[tuple[Owner, Branch]]] = {}
        for owner in added:
            for event_type, branch in _by_type(owner):
                arriving.setdefault(event_type, []).append((owner, branch))
        left = (event_type for owner in leaving for event_type, _ in _by_type(owner))
        for event_type in dict.fromkeys((*left, *arriving)):
            bucket = self._any_type if event_type is None else self._by_type.get(event_type, _EMPTY)
            changed = bucket.changed(leaving, arriving.get(event_type, ()))
            if event_type is None:
                self._any_type = changed
            elif changed:
                self._by_type[event_type] = changed
            else:
                self._by_type.pop(event_type, None)


_EMPTY: Final[Bucket[Any]] = Bucket(())


def _by_type(owner: Indexed) -> Iterator[tuple[str | None, Branch]]:
    """The branches under the types that they name, without the type; under None those that name none."""
    for branch in owner.pattern.branches:
        types = _types(branch)
        if types is None:
            yield None, branch
            continue
        without_type = tuple(clause for clause in branch if clause.path != TYPE)
        for event_type in types:
            yield event_type, without_type


def _types(branch: Branch) -> frozenset[str] | None:
    """The only texts at `type` that the branch accepts; None when there are none, or when others may do."""
    clause = next((clause for clause in branch if clause.path == TYPE), None)
    if clause is None or clause.absent:
        return None
    types: set[str] = set()
    for operator in clause.operators:
        if not isinstance(operator, Exact):
            return None
        types.update(operator.texts)
    return frozenset(types) or None
