"""How one leaf is looked up in a table, for each kind of key.

A look-up holds no items, so that all tables which ask the same share it. The items of a key are one item or a tuple of
them; those of another place are passed over.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from taskfactory.definitions.matching.addresses import address
from taskfactory.definitions.matching.anchors import Kind
from taskfactory.definitions.matching.operators import NUMBERS, scalar_key
from taskfactory.definitions.matching.text import fold


class Filed(Protocol):
    """What can be found in a table."""

    @property
    def place(self) -> str:
        """The path and the kind of key that it is filed under, interned: places are compared by identity."""


Items = Mapping[Any, Any]
"""From keys to one item, a tuple of items, or `Ranges`."""


class LookUp(Protocol):
    """One way to look up the leaves of one path. Immutable."""

    def find(self, value: Any, items: Items, found: list[Any]) -> None:
        """Add what is filed under the leaf's value."""


def look_up_of(kind: str, path: str, place: str, lengths: Sequence[Any]) -> LookUp:
    """The look-up for a kind of key.

    Args:
        kind: A `Kind` that keys have; for `ANY` there is nothing to look up.
        path: Where the leaves are.
        place: What found items must have.
        lengths: Lengths of the texts, or versions and shifts of the networks, in ascending order.
    """
    match kind:
        case Kind.EXACT:
            return _Exact(place)
        case Kind.RANGE:
            return _Numbers(path)
        case Kind.NETWORK:
            return _Networks(place, lengths)
        case Kind.PREFIX:
            return _Prefixes(place, lengths)
        case Kind.SUFFIX:
            return _Suffixes(place, lengths)
    return _Folded(_FOLDED[kind](place, lengths))


class _Exact:
    __slots__ = ("_place",)

    def __init__(self, place: str, lengths: Sequence[int] = ()) -> None:
        del lengths
        self._place = place

    def find(self, value: Any, items: Items, found: list[Any]) -> None:
        hit = items.get(value if isinstance(value, str) else scalar_key(value))
        if hit is not None:
            _add(hit, self._place, found)


class _Prefixes:
    __slots__ = ("_lengths", "_place")

    def __init__(self, place: str, lengths: Sequence[int]) -> None:
        self._place = place
        self._lengths = lengths

    def find(self, value: Any, items: Items, found: list[Any]) -> None:
        if isinstance(value, str):
            for length in self._lengths:
                if length > len(value):
                    break
                hit = items.get(value[:length])
                if hit is not None:
                    _add(hit, self._place, found)


class _Suffixes:
    __slots__ = ("_lengths", "_place")

    def __init__(self, place: str, lengths: Sequence[int]) -> None:
        self._place = place
        self._lengths = lengths

    def find(self, value: Any, items: Items, found: list[Any]) -> None:
        if isinstance(value, str):
            for length in self._lengths:
                if length > len(value):
                    break
                hit = items.get(value[-length:])
                if hit is not None:
                    _add(hit, self._place, found)


class _Folded:
    __slots__ = ("_inner",)

    def __init__(self, inner: LookUp) -> None:
        self._inner = inner

    def find(self, value: Any, items: Items, found: list[Any]) -> None:
        if isinstance(value, str):
            self._inner.find(fold(value), items, found)


class _Networks:
    __slots__ = ("_place", "_sizes")

    def __init__(self, place: str, sizes: Sequence[tuple[int, int]]) -> None:
        self._place = place
        self._sizes = sizes

    def find(self, value: Any, items: Items, found: list[Any]) -> None:
        read = address(value) if isinstance(value, str) else None
        if read is not None:
            for version, shift in self._sizes:
                if version == read.version:
                    hit = items.get((version, shift, read.number >> shift))
                    if hit is not None:
                        _add(hit, self._place, found)


class _Numbers:
    __slots__ = ("_key",)

    def __init__(self, path: str) -> None:
        self._key = (Kind.RANGE, path)

    def find(self, value: Any, items: Items, found: list[Any]) -> None:
        if isinstance(value, NUMBERS) and not isinstance(value, bool):
            items[self._key].find(value, found)


def _add(hit: Any, place: str, found: list[Any]) -> None:
    if type(hit) is not tuple:
        if hit.place is place:
            found.append(hit)
        return
    found += [item for item in hit if item.place is place]


_FOLDED: Final = {Kind.FOLDED: _Exact, Kind.FOLDED_PREFIX: _Prefixes, Kind.FOLDED_SUFFIX: _Suffixes}
