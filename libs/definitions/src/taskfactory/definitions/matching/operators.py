"""Tests of one leaf's value. Each is a frozen value with `accepts(value) -> bool`.

Values are compared as JSON does: text, numbers, booleans and null are never equal to one another, and `35` equals
`35.0`. Text operators accept text only; `anything-but` accepts every leaf that its operand does not name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from operator import eq, ge, gt, le, lt
from typing import Any, Final, Protocol


class Operator(Protocol):
    """Decides about one leaf."""

    def accepts(self, value: Any) -> bool:
        """Whether the leaf's value passes."""


@dataclass(frozen=True)
class Text:
    """Text that a predicate holds for; every text operator but `anything-but` is one."""

    holds: Callable[[str], bool]

    def accepts(self, value: Any) -> bool:
        """Refuse whatever is not text."""
        return isinstance(value, str) and self.holds(value)


@dataclass(frozen=True)
class AnythingBut:
    """Every leaf that none of the refused operators accepts."""

    refused: tuple[Operator, ...]

    def accepts(self, value: Any) -> bool:
        """Accept numbers, booleans and null too when only text was refused."""
        return not any(operator.accepts(value) for operator in self.refused)


@dataclass(frozen=True)
class Exact:
    """One of several scalars."""

    keys: frozenset[tuple[str, Any]]

    def accepts(self, value: Any) -> bool:
        """Look the value up, its JSON kind beside it."""
        return scalar_key(value) in self.keys


@dataclass(frozen=True)
class Exists:
    """Any leaf at all."""

    def accepts(self, value: Any) -> bool:
        """Accept null and the empty text too: they are leaves."""
        del value
        return True


COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {"=": eq, "<": lt, "<=": le, ">": gt, ">=": ge}


@dataclass(frozen=True)
class Numeric:
    """A number for which every comparison holds."""

    comparisons: tuple[tuple[str, float], ...]

    def accepts(self, value: Any) -> bool:
        """Refuse booleans, which are numbers in Python only."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return all(COMPARISONS[sign](value, bound) for sign, bound in self.comparisons)


@dataclass(frozen=True)
class InNetwork:
    """An IP address, as text, inside a network."""

    network: IPv4Network | IPv6Network

    def accepts(self, value: Any) -> bool:
        """Refuse text that is no address."""
        if not isinstance(value, str):
            return False
        try:
            return ip_address(value) in self.network
        except ValueError:
            return False


def scalar_key(value: Any) -> tuple[str, Any]:
    """A scalar with its JSON kind, so that `True` and `1` differ while `35` and `35.0` are equal."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, int | float):
        return ("number", value)
    return ("text" if isinstance(value, str) else "null", value)


def fold(text: str) -> str:
    """Forget upper and lower case, character by character, so that lengths stay (`ß` does not become `ss`)."""
    return text.lower() if text.isascii() else "".join(map(_fold_character, text))


def _fold_character(character: str) -> str:
    folded = character.upper().lower()
    return folded if len(folded) == 1 else character
