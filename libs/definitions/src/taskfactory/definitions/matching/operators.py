"""Tests of one leaf's value. Each is a frozen value with `accepts(value) -> bool`.

Values are compared as JSON does: text, numbers, booleans and null are never equal to one another, and `35` equals
`35.0`. Text operators accept text only; `anything-but` accepts every leaf that its operand does not name. Operators
keep their operands readable, because the index files definitions under them (`anchors`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Protocol

from taskfactory.definitions.matching.addresses import Network, address
from taskfactory.definitions.matching.text import fold

NUMBERS: Final = (int, float)  # `int | float` would be made anew for every leaf


class Operator(Protocol):
    """Decides about one leaf."""

    def accepts(self, value: Any) -> bool:
        """Whether the leaf's value passes."""


@dataclass(frozen=True, slots=True)
class Exact:
    """One of several scalars."""

    texts: Collection[str]
    others: Collection[tuple[str, Any]]
    """Numbers, booleans and null, as `scalar_key` gives them."""

    def accepts(self, value: Any) -> bool:
        """Look the value up, its JSON kind beside it."""
        return value in self.texts if isinstance(value, str) else scalar_key(value) in self.others


@dataclass(frozen=True, slots=True)
class Prefix:
    """Text that begins so."""

    start: str

    def accepts(self, value: Any) -> bool:
        """Refuse whatever is not text."""
        return isinstance(value, str) and value.startswith(self.start)


@dataclass(frozen=True, slots=True)
class Suffix:
    """Text that ends so."""

    end: str

    def accepts(self, value: Any) -> bool:
        """Refuse whatever is not text."""
        return isinstance(value, str) and value.endswith(self.end)


@dataclass(frozen=True, slots=True)
class Wildcard:
    """Text that begins and ends so and holds the middle pieces in between, in their order.

    Matching looks for each piece after the one before, so it takes time in proportion to the text: no backtracking.
    """

    first: str
    middle: tuple[str, ...]
    last: str

    def accepts(self, value: Any) -> bool:
        """Refuse whatever is not text."""
        if not isinstance(value, str) or len(value) < len(self.first) + len(self.last):
            return False
        if not value.startswith(self.first) or not value.endswith(self.last):
            return False
        position, end = len(self.first), len(value) - len(self.last)
        for piece in self.middle:
            found = value.find(piece, position, end)
            if found < 0:
                return False
            position = found + len(piece)
        return True


@dataclass(frozen=True, slots=True)
class IgnoringCase:
    """Text whose folded form passes; the operand of the inner operator is folded already."""

    folded: Exact | Prefix | Suffix

    def accepts(self, value: Any) -> bool:
        """Refuse whatever is not text."""
        return isinstance(value, str) and self.folded.accepts(fold(value))


@dataclass(frozen=True, slots=True)
class AnythingBut:
    """Every leaf that none of the refused operators accepts."""

    refused: tuple[Operator, ...]

    def accepts(self, value: Any) -> bool:
        """Accept numbers, booleans and null too when only text was refused."""
        return not any(operator.accepts(value) for operator in self.refused)


@dataclass(frozen=True, slots=True)
class Exists:
    """Any leaf at all."""

    def accepts(self, value: Any) -> bool:
        """Accept null and the empty text too: they are leaves."""
        del value
        return True


@dataclass(frozen=True, slots=True)
class Numeric:
    """A number between two bounds, which are infinite where there is none."""

    low: float
    high: float
    low_included: bool
    high_included: bool

    def accepts(self, value: Any) -> bool:
        """Refuse booleans, which are numbers in Python only."""
        if isinstance(value, bool) or not isinstance(value, NUMBERS):
            return False
        above = value >= self.low if self.low_included else value > self.low
        return above and (value <= self.high if self.high_included else value < self.high)


@dataclass(frozen=True, slots=True)
class InNetwork:
    """An IP address, as text, inside a network."""

    network: Network

    def accepts(self, value: Any) -> bool:
        """Refuse text that is no address."""
        found = address(value) if isinstance(value, str) else None
        return found is not None and self.network.holds(found)


def exact(values: Collection[Any]) -> Exact:
    """The operator for scalars that are listed."""
    return Exact(
        _few({value for value in values if isinstance(value, str)}),
        _few({scalar_key(value) for value in values if not isinstance(value, str)}),
    )


def scalar_key(value: Any) -> tuple[str, Any]:
    """A scalar with its JSON kind, so that `True` and `1` differ while `35` and `35.0` are equal."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, NUMBERS):
        return ("number", value)
    return ("text" if isinstance(value, str) else "null", value)


def _few(values: set[Any]) -> Collection[Any]:
    # Most clauses list one value; a tuple of one is a quarter of a set, and there are as many as there are clauses.
    return tuple(values) if len(values) <= 1 else frozenset(values)
