"""An event as leaves: every scalar with its dotted path and the array elements that it lies in.

Objects and arrays are no leaves, so `{}` and `[]` leave nothing behind. Arrays do not appear in paths; instead each
leaf carries its chain of `(array, position)` pairs from the outside in, where every array of the event has a number of
its own. A scalar directly inside an array is one of several values of one field: that array is not in its chain.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

MAX_DEPTH: Final = 200

Chain = tuple[tuple[int, int], ...]


class Leaf(NamedTuple):
    """A scalar of the event and the array elements around it."""

    value: Any
    chain: Chain


FlatEvent = Mapping[str, list[Leaf]]
"""Leaves by dotted path. A key that holds a dot means the same as nested keys."""


class EventTooDeep(ValueError):  # noqa: N818  the subject, not the mechanism
    """The event is nested deeper than 200 levels."""

    def __init__(self) -> None:
        """Say what is allowed."""
        super().__init__(f"the event is nested deeper than {MAX_DEPTH} levels, which is the most that is matched")


def flatten(event: Mapping[str, Any]) -> FlatEvent:
    """Flatten an event in CloudEvents JSON form.

    Raises:
        EventTooDeep: More than 200 levels.
    """
    flattener = _Flattener()
    flattener.take_object(event, "", (), 0)
    return flattener.leaves


class _Flattener:
    def __init__(self) -> None:
        self.leaves: dict[str, list[Leaf]] = {}
        self._arrays = 0

    def take_object(self, value: Mapping[str, Any], path: str, chain: Chain, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise EventTooDeep
        for key, element in value.items():
            self._take(element, f"{path}.{key}" if path else key, chain, depth)

    def _take_array(self, value: list[Any], path: str, chain: Chain, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise EventTooDeep
        array = self._arrays
        self._arrays += 1
        for position, element in enumerate(value):
            nested = isinstance(element, dict | list)
            self._take(element, path, (*chain, (array, position)) if nested else chain, depth)

    def _take(self, value: Any, path: str, chain: Chain, depth: int) -> None:
        if isinstance(value, dict):
            self.take_object(value, path, chain, depth + 1)
        elif isinstance(value, list):
            self._take_array(value, path, chain, depth + 1)
        else:
            self.leaves.setdefault(path, []).append(Leaf(value, chain))
