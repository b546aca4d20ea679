"""Look-up tables: from the leaves of an event to the items that are filed under them.

There is one table for each kind of key, and all paths share it: an event visits few places in memory, most of which are
in no cache. So an item knows the path that it is filed under, and what was found for another path is passed over.
A look-up takes a step for each path of the table, not for each item. Text that begins or ends in some way takes one for
each *length* that occurs among the prefixes or suffixes, so at most as many as the text has characters.

Every table adds what it finds for leaves outside arrays to `found`, and what it finds inside them to `inside`.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, Generic, Protocol, TypeVar

from taskfactory.definitions.matching.addresses import address
from taskfactory.definitions.matching.anchors import Key, Kind
from taskfactory.definitions.matching.flatten import FlatEvent
from taskfactory.definitions.matching.operators import scalar_key
from taskfactory.definitions.matching.ranges import Range, Ranges
from taskfactory.definitions.matching.text import fold


class Filed(Protocol):
    """What can be found in a table."""

    @property
    def path(self) -> str:
        """The path that it is filed under, interned: paths are compared by identity."""


Item = TypeVar("Item", bound=Filed)
Shape = TypeVar("Shape", bound=Hashable)
Keys = Iterable[tuple[Any, Item]]


class Table(Protocol[Item]):
    """Everything that is filed under keys of one kind. Immutable."""

    def find(self, event: FlatEvent, found: list[Item], inside: list[Item]) -> None:
        """Add what is filed under the event's leaves; an item may be added more than once."""


def tables(filed: Iterable[tuple[Key, Item]]) -> tuple[Table[Item], ...]:
    """File the items under their keys."""
    by_kind: dict[str, list[tuple[Any, Item]]] = {}
    for (kind, value), item in filed:
        by_kind.setdefault(kind, []).append((value, item))
    return tuple(_TABLES[kind](by_kind[kind]) for kind in _TABLES if kind in by_kind)


class _Exact(Generic[Item]):
    __slots__ = ("_items", "_paths")

    def __init__(self, keys: Keys[Item]) -> None:
        self._items = _grouped(keys)
        self._paths = _paths(self._items)

    def find(self, event: FlatEvent, found: list[Item], inside: list[Item]) -> None:
        look_up = self._items.get
        for path in self._paths:
            for value, chain in event.get(path, ()):
                for item in look_up(value if isinstance(value, str) else scalar_key(value), ()):
                    if item.path is path:
                        (inside if chain else found).append(item)


class _Folded(Generic[Item]):
    __slots__ = ("_items", "_paths")

    def __init__(self, keys: Keys[Item]) -> None:
        self._items = _grouped(keys)
        self._paths = _paths(self._items)

    def find(self, event: FlatEvent, found: list[Item], inside: list[Item]) -> None:
        look_up = self._items.get
        for path in self._paths:
            for value, chain in event.get(path, ()):
                if isinstance(value, str):
                    for item in look_up(fold(value), ()):
                        if item.path is path:
                            (inside if chain else found).append(item)


class _Prefixes(Generic[Item]):
    __slots__ = ("_fold", "_items", "_lengths")

    def __init__(self, keys: Keys[Item], *, folded: bool) -> None:
        self._fold = folded
        self._items = _grouped(keys)
        self._lengths = _lengths(self._items)

    def find(self, event: FlatEvent, found: list[Item], inside: list[Item]) -> None:
        look_up = self._items.get
        for path, lengths in self._lengths:
            for value, chain in event.get(path, ()):
                if not isinstance(value, str):
                    continue
                text = fold(value) if self._fold else value
                for length in lengths:
                    if length > len(text):
                        break
                    for item in look_up(text[:length], ()):
                        if item.path is path:
                            (inside if chain else found).append(item)


class _Suffixes(Generic[Item]):
    __slots__ = ("_fold", "_items", "_lengths")

    def __init__(self, keys: Keys[Item], *, folded: bool) -> None:
        self._fold = folded
        self._items = _grouped(keys)
        self._lengths = _lengths(self._items)

    def find(self, event: FlatEvent, found: list[Item], inside: list[Item]) -> None:
        look_up = self._items.get
        for path, lengths in self._lengths:
            for value, chain in event.get(path, ()):
                if not isinstance(value, str):
                    continue
                text = fold(value) if self._fold else value
                for length in lengths:
                    if length > len(text):
                        break
                    for item in look_up(text[-length:], ()):
                        if item.path is path:
                            (inside if chain else found).append(item)


class _Networks(Generic[Item]):
    __slots__ = ("_items", "_paths", "_sizes")

    def __init__(self, keys: Keys[Item]) -> None:
        self._items = _grouped(keys)
        self._paths = _paths(self._items)
        self._sizes = _shared(tuple(sorted({(network.version, network.shift) for network in self._items})))

    def find(self, event: FlatEvent, found: list[Item], inside: list[Item]) -> None:
        for path in self._paths:
            for value, chain in event.get(path, ()):
                read = address(value) if isinstance(value, str) else None
                if read is None:
                    continue
                for version, shift in self._sizes:
                    if version == read.version:
                        for item in self._items.get((version, shift, read.number >> shift), ()):
                            if item.path is path:
                                (inside if chain else found).append(item)


class _Numbers(Generic[Item]):
    __slots__ = ("_ranges",)

    def __init__(self, keys: Keys[Item]) -> None:
        by_path: dict[str, list[Range[Item]]] = {}
        for (low, high), item in keys:
            by_path.setdefault(item.path, []).append(Range(low, high, item))
        self._ranges = tuple((path, Ranges(ranges)) for path, ranges in by_path.items())

    def find(self, event: FlatEvent, found: list[Item], inside: list[Item]) -> None:
        for path, ranges in self._ranges:
            for value, chain in event.get(path, ()):
                if isinstance(value, int | float) and not isinstance(value, bool):
                    ranges.find(value, inside if chain else found)


class _Present(Generic[Item]):
    __slots__ = ("_items",)

    def __init__(self, keys: Keys[Item]) -> None:
        by_path: dict[str, list[Item]] = {}
        for _, item in keys:
            by_path.setdefault(item.path, []).append(item)
        self._items = tuple(by_path.items())

    def find(self, event: FlatEvent, found: list[Item], inside: list[Item]) -> None:
        del found  # whether some leaf is outside arrays does not matter, and there may be thousands
        for path, items in self._items:
            if path in event:
                inside += items


def _grouped(keys: Keys[Item]) -> Mapping[Any, tuple[Item, ...]]:
    groups: dict[Any, tuple[Item, ...]] = {}
    for value, item in keys:
        groups[value] = (*groups.get(value, ()), item)
    return groups


def _paths(items: Mapping[Any, tuple[Item, ...]]) -> tuple[str, ...]:
    paths = tuple(sorted({item.path for group in items.values() for item in group}))
    return _shared(paths)


def _lengths(items: Mapping[str, tuple[Item, ...]]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    lengths: dict[str, set[int]] = {}
    for text, group in items.items():
        for item in group:
            lengths.setdefault(item.path, set()).add(len(text))
    return _shared(tuple((path, tuple(sorted(lengths[path]))) for path in sorted(lengths)))


def _shared(value: Shape) -> Shape:
    """One object for all equal ones: what many buckets have in common stays in the processor's caches."""
    shape: Shape = _first(value)
    return shape


@lru_cache(maxsize=4_096)
def _first(value: Any) -> Any:
    return value


_TABLES: Final[Mapping[str, Callable[[Keys[Any]], Table[Any]]]] = {
    Kind.EXACT: _Exact,
    Kind.PREFIX: lambda keys: _Prefixes(keys, folded=False),
    Kind.SUFFIX: lambda keys: _Suffixes(keys, folded=False),
    Kind.FOLDED: _Folded,
    Kind.FOLDED_PREFIX: lambda keys: _Prefixes(keys, folded=True),
    Kind.FOLDED_SUFFIX: lambda keys: _Suffixes(keys, folded=True),
    Kind.NETWORK: _Networks,
    Kind.RANGE: _Numbers,
    Kind.ANY: _Present,
}
