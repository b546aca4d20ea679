"""The fields of an event that patterns ask about, as leaves: scalars with their path and the array elements around.

Objects and arrays are no leaves, so `{}` and `[]` leave nothing behind. Arrays do not appear in paths; instead each
leaf carries its chain of `(array, position)` pairs from the outside in, where every array of the event has a number of
its own. A scalar directly inside an array is one of several values of one field: that array is not in its chain.

Only objects and arrays on the way to a selected path are entered, in one pass for all paths. A key that holds a dot
means the same as nested keys, so the event `{"a.b": 1}` and the event `{"a": {"b": 1}}` have the same leaf.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

MAX_DEPTH: Final = 200

Chain = tuple[tuple[int, int], ...]

Leaf = tuple[Any, Chain]
"""A scalar of the event and the array elements around it."""

FlatEvent = Mapping[str, list[Leaf]]
"""Leaves by dotted path; a path without leaves is not in it."""


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

    def flatten(self, event: Mapping[str, Any]) -> FlatEvent:
        """The selected leaves of an event in CloudEvents JSON form.

        Raises:
            EventTooDeep: More than 200 levels on the way to them.
        """
        flattener = _Flattener()
        flattener.take_object(self._root, event, (), 0)
        return flattener.leaves


@lru_cache(
    maxsize=4_096
)  # installations have few shapes of events; what patterns of many types share stays in the cache
def selection(paths: frozenset[str]) -> Selection:
    """The selection of these paths, made once."""
    return Selection(paths)


class _Node:
    """A place in the event: what its keys lead to."""

    __slots__ = ("keys", "path")

    def __init__(self) -> None:
        self.keys: dict[str | None, _Node] = {}
        self.path: str | None = None
        """Set where leaves are wanted."""

    def add(self, path: str) -> None:
        place = self
        for part in self.parts(path):
            place = place.keys.setdefault(part, _Node())
        place.path = path

    def at(self, dotted: str) -> "_Node | None":
        """Where a key with dots leads to."""
        place: _Node | None = self
        for part in self.parts(dotted):
            place = place and place.keys.get(part)
        return place

    def parts(self, dotted: str) -> "list[str | None]":
        return [*dotted.split(".")]


class _Root(_Node):
    """The event itself. An empty key leads nowhere from here, as paths begin with an empty text themselves."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self.keys[""] = self

    def parts(self, dotted: str) -> "list[str | None]":
        first, *rest = dotted.split(".")
        return [first or None, *rest] if rest else [first]


class _Flattener:
    __slots__ = ("_arrays", "leaves")

    def __init__(self) -> None:
        self.leaves: dict[str, list[Leaf]] = {}
        self._arrays = 0

    def take_object(self, node: _Node, value: Mapping[str, Any], chain: Chain, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise EventTooDeep
        keys, leaves = node.keys, self.leaves
        for key, element in value.items():
            place = keys.get(key) or ("." in key and node.at(key))
            if not place:
                continue
            if type(element) is str or not isinstance(element, dict | list):  # text is what most leaves are
                path = place.path
                if path is None:
                    continue
                if path in leaves:
                    leaves[path].append((element, chain))
                else:
                    leaves[path] = [(element, chain)]
            elif isinstance(element, list):
                self._take_array(place, element, chain, depth + 1)
            elif place.keys:
                self.take_object(place, element, chain, depth + 1)

    def _take_array(self, node: _Node, value: list[Any], chain: Chain, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise EventTooDeep
        array = self._arrays
        self._arrays += 1
        path = node.path
        for position, element in enumerate(value):
            if isinstance(element, dict):
                self.take_object(node, element, (*chain, (array, position)), depth + 1)
            elif isinstance(element, list):
                self._take_array(node, element, (*chain, (array, position)), depth + 1)
            elif path is not None:
                self.leaves.setdefault(path, []).append((element, chain))
