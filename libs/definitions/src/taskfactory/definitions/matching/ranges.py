"""Which ranges hold a number, found without looking at the ranges that do not.

Ranges that never overlap, such as bins or bands of amounts, lie in one row; a look-up is one bisection of an array of
their lower bounds. All others are in a centred interval tree: every node keeps the ranges that hold its centre, once
sorted by lower and once by upper bound; what lies below the centre is to the left, what lies above to the right. A
look-up there takes the depth of the tree and as many steps as it finds ranges.

Bounds are rounded outwards to floats, and count as included: what is found may not hold the number, but every range
that does is found.
"""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")


class Range(NamedTuple, Generic[Item]):
    """From `low` to `high`; infinite where there is no bound."""

    low: float
    high: float
    item: Item


class Ranges(Generic[Item]):
    """Any ranges. Immutable."""

    __slots__ = ("_row", "_row_lows", "_tree")

    def __init__(self, ranges: Sequence[Range[Item]]) -> None:
        """Put each range into the row where there is a place for it, and into the tree otherwise."""
        rounded = [Range(_round(held.low, -math.inf), _round(held.high, math.inf), held.item) for held in ranges]
        row: list[Range[Item]] = []
        others: list[Range[Item]] = []
        # Ordered by upper bounds, a greedy choice makes the longest row.
        for held in sorted(rounded, key=lambda held: held.high):
            fits = not row or row[-1].high <= held.low
            (row if fits else others).append(held)
        self._row_lows = array("d", (held.low for held in row))
        self._row = tuple(held.item for held in row)
        self._tree = _tree(others)

    def find(self, number: float, found: list[Item]) -> None:
        """Add the items of all ranges that may hold the number."""
        behind = bisect_right(self._row_lows, number)
        if behind:
            found.append(self._row[behind - 1])
            if behind > 1 and self._row_lows[behind - 1] == number:
                found.append(self._row[behind - 2])  # its upper bound may be this number
        if self._tree is not None:
            self._tree.find(number, found)


class _Node(Generic[Item]):
    __slots__ = ("_above", "_below", "_by_high", "_by_low", "_centre", "_highs", "_lows")

    def __init__(self, ranges: Sequence[Range[Item]]) -> None:
        # At most half of the ranges lie on either side of the median of all bounds, and the one that it bounds on none.
        bounds = sorted(bound for held in ranges for bound in (held.low, held.high))
        self._centre = bounds[len(bounds) // 2]
        here = [held for held in ranges if held.low <= self._centre <= held.high]
        by_low = sorted(here, key=lambda held: held.low)
        by_high = sorted(here, key=lambda held: held.high)
        self._lows, self._by_low = [held.low for held in by_low], [held.item for held in by_low]
        self._highs, self._by_high = [held.high for held in by_high], [held.item for held in by_high]
        self._below = _tree([held for held in ranges if held.high < self._centre])
        self._above = _tree([held for held in ranges if held.low > self._centre])

    def find(self, number: float, found: list[Item]) -> None:
        node: _Node[Item] | None = self
        while node is not None:
            if number < node._centre:  # noqa: SLF001  one class
                found += node._by_low[: bisect_right(node._lows, number)]  # noqa: SLF001
                node = node._below  # noqa: SLF001
            else:
                found += node._by_high[bisect_left(node._highs, number) :]  # noqa: SLF001
                node = node._above  # noqa: SLF001


def _tree(ranges: Sequence[Range[Item]]) -> _Node[Item] | None:
    return _Node(ranges) if ranges else None


def _round(bound: float, outwards: float) -> float:
    """The nearest float at or beyond the bound; bounds may be whole numbers of any size."""
    try:
        nearest = float(bound)
    except OverflowError:
        edge = math.copysign(math.nextafter(math.inf, 0), 1 if bound > 0 else -1)
        return outwards if (bound > 0) == (outwards > 0) else edge
    inside = nearest < bound if outwards > 0 else nearest > bound
    return math.nextafter(nearest, outwards) if inside else nearest
