"""The fields of an event that patterns ask about, as leaves: scalars with their path and the array elements around.

Objects and arrays are no leaves, so `{}` and `[]` leave nothing behind. Arrays do not appear in paths; instead each
leaf carries its chain of `(array, position)` pairs from the outside in, where an object of its own stands for every
array of the event. A scalar directly inside an array is one of several values of one field: that array is not in its
chain.

Only objects and arrays on the way to a selected path are entered, in one pass for all paths. A key that holds a dot
means the same as nested keys, so the event `{"a.b": 1}` and the event `{"a": {"b": 1}}` have the same leaf. Where no
key holds one, the selected keys are looked up and all others are not even seen.

Most fields have one leaf outside arrays. A flat event holds that leaf's value itself, without a list around it: a value
that is a list stands for any other number of leaves, because no leaf is a list.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

MAX_DEPTH: Final = 200

Chain = tuple[tuple[Hashable, int], ...]

Leaf = tuple[Any, Chain]
"""A scalar of the event and the array elements around it."""

FlatEvent = dict[str, Any]
"""By dotted path: the value of the only leaf, if that is outside arrays; else a `list[Leaf]`. A path without leaves is
not in it."""

NO_LEAVES: Final[list[Leaf]] = []
"""What `FlatEvent.get` shall give for a path without leaves. Not to be changed."""


def leaves_at(event: FlatEvent, path: str) -> list[Leaf]:
    """The leaves of a path."""
    value = event.get(path, NO_LEAVES)
    return value if type(value) is list else [(value, ())]


class EventTooDeep(ValueError):  # noqa: N818  the subject, not the mechanism
    """The event is nested deeper than 200 levels where a pattern looks, or an expression would."""

    def __init__(self) -> None:
        """Say what is allowed."""
        super().__init__(f"the event is nested deeper than {MAX_DEPTH} levels, which is the most that is matched")


def check_depth(event: Mapping[str, Any]) -> None:
    """Look at the whole event.

    Raises:
        EventTooDeep: More than 200 levels anywhere.
    """
    level: list[Any] = [event]
    for _ in range(MAX_DEPTH + 1):
        inner = (element.values() if isinstance(element, Mapping) else element for element in level)
        level = [element for elements in inner for element in elements if isinstance(element, dict | list)]
        if not level:
            return
    raise EventTooDeep


class Selection:
    """Dotted paths that shall be found. Immutable; see `selection`."""

    __slots__ = ("_root",)

    def __init__(self, paths: Iterable[str]) -> None:
        """Put the paths into a tree of keys."""
        self._root = _Root()
        for path in paths:
            self._root.add(path)
        self._root.freeze()

    def flatten(self, event: Mapping[str, Any]) -> FlatEvent:
        """The selected leaves of an event in CloudEvents JSON form.

        Raises:
            EventTooDeep: More than 200 levels on the way to them.
        """
        leaves: FlatEvent = {}
        if self._root.selected:
            _take_object(self._root, event, (), 0, leaves)
        return leaves


@lru_cache(
    maxsize=4_096
)  # installations have few shapes of events; what patterns of many types share stays in the cache
def selection(paths: frozenset[str]) -> Selection:
    """The selection of these paths, made once."""
    return Selection(paths)


class _Node:
    """A place in the event: what its keys lead to."""

    __slots__ = ("keys", "path", "selected")

    def __init__(self) -> None:
        self.keys: dict[str | None, _Node] = {}
        self.path: str | None = None
        """Set where leaves are wanted."""
        self.selected: tuple[_Selected, ...] = ()
        """The keys that are looked up."""

    def add(self, path: str) -> None:
        place = self
        for part in self.parts(path):
            place = place.keys.setdefault(part, _Node())
        place.path = path

    def freeze(self) -> None:
        """Once all paths are added."""
        for place in self.keys.values():
            if place is not self:
                place.freeze()
        self.selected = tuple((key, place.path, place) for key, place in self.keys.items() if key is not None)

    def at(self, dotted: str) -> "_Node | None":
        """Where a key with dots leads to."""
        place: _Node | None = self
        for part in self.parts(dotted):
            place = place and place.keys.get(part)
        return place

    def parts(self, dotted: str) -> "list[str | None]":
        return [*dotted.split(".")]


_Selected = tuple[str, str | None, _Node]
"""A key, the path of the leaf that it leads to, and its place."""


class _Root(_Node):
    """The event itself. An empty key leads nowhere from here, as paths begin with an empty text themselves."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self.keys[""] = self

    def parts(self, dotted: str) -> "list[str | None]":
        first, *rest = dotted.split(".")
        return [first or None, *rest] if rest else [first]


def _take_object(node: _Node, value: Mapping[str, Any], chain: Chain, depth: int, leaves: FlatEvent) -> None:
    if depth > MAX_DEPTH:
        raise EventTooDeep
    selected: Iterable[_Selected] = node.selected
    if len(node.selected) > len(value) or "." in "".join(value):
        selected = _selected(node, value)
    for key, path, place in selected:
        element = value.get(key, _ABSENT)
        if type(element) is str or not isinstance(element, _NESTED):  # text is what most leaves are
            if path is None or element is _ABSENT:
                continue
            if chain or path in leaves:
                _append(leaves, path, (element, chain))
            else:
                leaves[path] = element
        elif isinstance(element, list):
            _take_array(place, element, chain, depth + 1, leaves)
        elif place.keys:
            _take_object(place, element, chain, depth + 1, leaves)


def _selected(node: _Node, value: Mapping[str, Any]) -> Iterator[_Selected]:
    """The keys that lead somewhere, when they have to be looked at one by one."""
    keys = node.keys
    for key in value:
        place = keys.get(key) or ("." in key and node.at(key))
        if place:
            yield key, place.path, place


def _take_array(node: _Node, value: list[Any], chain: Chain, depth: int, leaves: FlatEvent) -> None:
    if depth > MAX_DEPTH:
        raise EventTooDeep
    path = node.path
    array = object()
    for position, element in enumerate(value):
        if isinstance(element, dict):
            _take_object(node, element, (*chain, (array, position)), depth + 1, leaves)
        elif isinstance(element, list):
            _take_array(node, element, (*chain, (array, position)), depth + 1, leaves)
        elif path is not None:
            _append(leaves, path, (element, chain))


def _append(leaves: FlatEvent, path: str, leaf: Leaf) -> None:
    present = leaves.get(path, _ABSENT)
    if type(present) is list:
        present.append(leaf)
    elif present is _ABSENT:
        leaves[path] = [leaf]
    else:
        leaves[path] = [(present, ()), leaf]


_ABSENT: Final = object()
_NESTED: Final = (dict, list)  # `dict | list` would be made anew for every leaf
