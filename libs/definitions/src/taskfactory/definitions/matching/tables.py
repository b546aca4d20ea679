"""A look-up table: from the leaves of an event to the items that are filed under them.

An event visits few places in memory, most of which are in no cache when there are many definitions. So a table is one
dictionary for all paths and kinds of keys, and a `Plan`, which says what to look up: it holds nothing but paths, kinds
and lengths, so that tables of many event types share it. An item knows its `place`, which is the path and the kind of
key that it is filed under; what was found on behalf of another place is passed over.

A look-up takes a step for each place of the plan, not for each item. Text that begins or ends in some way takes one for
each *length* that occurs among the prefixes or suffixes, so at most as many as the text has characters.
"""

import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

from taskfactory.definitions.matching.anchors import Key, Kind
from taskfactory.definitions.matching.flatten import NO_LEAVES, FlatEvent
from taskfactory.definitions.matching.lookups import Filed, LookUp, look_up_of
from taskfactory.definitions.matching.ranges import Range, Ranges

Item = TypeVar("Item", bound=Filed)


class Step(NamedTuple):
    """What to do with the leaves of one path."""

    path: str
    look_ups: tuple[LookUp, ...]
    present: tuple[str, str] | None
    """Under which key the items are that any leaf leads to."""


Plan = tuple[Step, ...]


def place(kind: str, path: str) -> str:
    """One object for each path and kind of key: places are compared by identity."""
    return sys.intern(f"{kind} {path}")


class Table(Generic[Item]):
    """Items under keys. Immutable."""

    __slots__ = ("_items", "_plan")

    def __init__(self, filed: Iterable[tuple[str, Key, Item]]) -> None:
        """File each item under a path and a key; its place must be that of the path and the key's kind."""
        items: dict[Any, Any] = {}
        ranges: dict[str, list[Range[Item]]] = {}
        lengths: dict[tuple[str, str], set[Any]] = {}
        for path, (kind, value), item in filed:
            measures = lengths.setdefault((path, kind), set())
            if kind is Kind.RANGE:
                low, high = value
                ranges.setdefault(path, []).append(Range(low, high, item))
                continue
            key = value
            if kind is Kind.ANY:
                key = (kind, path)
            elif kind is Kind.NETWORK:
                measures.add((value.version, value.shift))
            elif kind is not Kind.EXACT:
                measures.add(len(value))
            before = items.get(key)
            if before is None:
                items[key] = item  # most keys lead to one item: a tuple would be one more place in memory
            else:
                items[key] = (*before, item) if type(before) is tuple else (before, item)
        for path, held in ranges.items():
            items[Kind.RANGE, path] = Ranges(held)
        self._items = items
        self._plan = _plan(tuple(sorted((path, kind, tuple(sorted(of))) for (path, kind), of in lengths.items())))

    def find(self, event: FlatEvent, found: list[Item], inside: list[Item]) -> None:
        """Add what is filed under the event's leaves: to `found` for leaves outside arrays, else to `inside`.

        An item may be added more than once.
        """
        items = self._items
        for path, look_ups, present in self._plan:
            leaves = event.get(path, NO_LEAVES)
            if type(leaves) is not list:
                for look_up in look_ups:
                    look_up.find(leaves, items, found)
            elif leaves:
                for value, chain in leaves:
                    for look_up in look_ups:
                        look_up.find(value, items, inside if chain else found)
            else:
                continue
            if present is not None:  # whether some leaf is outside arrays does not matter, and there may be thousands
                group = items[present]
                inside += group if type(group) is tuple else (group,)


@lru_cache(maxsize=4_096)
def _plan(shape: tuple[tuple[str, str, tuple[Any, ...]], ...]) -> Plan:
    """The plan for paths, kinds and lengths, made once: what many tables have in common stays in the caches."""
    by_path: dict[str, list[LookUp]] = {path: [] for path, _, _ in shape}
    present = {path: (kind, path) for path, kind, _ in shape if kind == Kind.ANY}
    for path, kind, lengths in shape:
        if path not in present or kind != Kind.ANY:
            by_path[path].append(look_up_of(kind, path, place(kind, path), lengths))
    return tuple(Step(path, tuple(look_ups), present.get(path)) for path, look_ups in by_path.items())
