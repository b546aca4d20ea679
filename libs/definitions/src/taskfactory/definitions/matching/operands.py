"""Reading operators: `{"prefix": "a"}`, `{"numeric": [">", 0]}` and their like."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from taskfactory.definitions.matching.addresses import network
from taskfactory.definitions.matching.operators import (
    AnythingBut,
    IgnoringCase,
    InNetwork,
    Numeric,
    Operator,
    Prefix,
    Suffix,
    exact,
)
from taskfactory.definitions.matching.text import fold
from taskfactory.definitions.matching.wildcard import InvalidWildcard, parse_wildcard
from taskfactory.definitions.suggestions import allowed, found, unknown


class InvalidOperand(ValueError):  # noqa: N818  the subject, not the mechanism
    """An operator's operand is not what the operator takes."""


def parse_operator(name: str, operand: Any) -> Operator:
    """Build the operator `{name: operand}`; `exists` is not among them, it concerns paths and not values.

    Raises:
        InvalidOperand: Unknown name, or an operand that it does not take.
    """
    if name not in _PARSERS:
        raise InvalidOperand(unknown("operator", name, OPERATOR_NAMES))
    return _PARSERS[name](operand)


def is_number(value: Any) -> bool:
    """Whether the value is a JSON number: finite, and no boolean."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _prefix(operand: Any) -> Prefix | IgnoringCase:
    if isinstance(operand, dict):
        return IgnoringCase(Prefix(fold(_ignoring_case(operand))))
    return Prefix(_text(operand))


def _suffix(operand: Any) -> Suffix | IgnoringCase:
    if isinstance(operand, dict):
        return IgnoringCase(Suffix(fold(_ignoring_case(operand))))
    return Suffix(_text(operand))


def _equals_ignore_case(operand: Any) -> IgnoringCase:
    return IgnoringCase(exact([fold(_text(operand))]))


def _wildcard(operand: Any) -> Operator:
    try:
        return parse_wildcard(_text(operand))
    except InvalidWildcard as error:
        raise InvalidOperand(str(error)) from None


def _cidr(operand: Any) -> InNetwork:
    text = _text(operand)
    refusal = InvalidOperand(f"found {found(text)}; allowed is a range of addresses, as 10.0.0.0/8 or 2001:db8::/32")
    if "/" not in text:
        raise refusal
    try:
        return InNetwork(network(text))
    except ValueError:
        raise refusal from None


def _numeric(operand: Any) -> Operator:
    if not isinstance(operand, list) or len(operand) not in (2, 4):
        raise InvalidOperand(f"found {found(operand)}; {_NUMERIC_FORMS}")
    comparisons = tuple(zip(operand[::2], operand[1::2], strict=True))
    for sign, bound in comparisons:
        if not isinstance(sign, str) or sign not in _SIGNS:
            raise InvalidOperand(f"found {found(sign)} as a comparison; {allowed(_SIGNS)}")
        if not is_number(bound):
            raise InvalidOperand(f"found {found(bound)} after '{sign}'; allowed is a number")
    if len(comparisons) > 1:
        (low_sign, low), (high_sign, high) = comparisons
        if low_sign not in (">", ">=") or high_sign not in ("<", "<="):
            raise InvalidOperand(f"found '{low_sign}' and then '{high_sign}'; {_NUMERIC_FORMS}")
        if low >= high:
            raise InvalidOperand(f"found a lower bound of {low} and an upper one of {high}; no number is between them")
    return _between(comparisons)


def _between(comparisons: Sequence[tuple[str, float]]) -> Operator:
    low, high = (-math.inf, True), (math.inf, True)
    for sign, bound in comparisons:
        match sign:
            case "=":
                return exact([bound])
            case ">" | ">=":
                low = (bound, sign == ">=")
            case _:
                high = (bound, sign == "<=")
    return Numeric(low[0], high[0], low[1], high[1])


def _anything_but(operand: Any) -> AnythingBut:
    if isinstance(operand, dict):
        return AnythingBut(_nested(operand))
    values = operand if isinstance(operand, list) else [operand]
    if not values or not (all(isinstance(value, str) for value in values) or all(map(is_number, values))):
        raise InvalidOperand(
            f"found {found(operand)}; allowed are a text, a number, a list of texts, a list of numbers, "
            f"or one of {', '.join(_NESTED)}"
        )
    return AnythingBut((exact(values),))


def _nested(operand: dict[Any, Any]) -> tuple[Operator, ...]:
    if len(operand) != 1:
        raise InvalidOperand(f"found {len(operand)} fields; allowed is exactly one of {', '.join(_NESTED)}")
    [(name, values)] = operand.items()
    if name not in _NESTED:
        raise InvalidOperand(unknown("operator", str(name), _NESTED))
    texts = values if isinstance(values, list) else [values]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise InvalidOperand(f"found {found(values)} as {name}; allowed are a text and a list of texts")
    if name in ("prefix", "suffix") and "" in texts:
        raise InvalidOperand(f"found an empty {name}; every text has it, so nothing would match")
    return tuple(parse_operator(name, text) for text in texts)


def _ignoring_case(operand: dict[Any, Any]) -> str:
    if list(operand) != ["equals-ignore-case"]:
        names = ", ".join(map(str, operand)) or "nothing"
        raise InvalidOperand(f"found {names}; allowed is a text or exactly {{equals-ignore-case: <text>}}")
    return _text(operand["equals-ignore-case"])


def _text(operand: Any) -> str:
    if not isinstance(operand, str):
        raise InvalidOperand(f"found {found(operand)}; allowed is text")
    return operand


_SIGNS: Final = ("=", "<", "<=", ">", ">=")
_NUMERIC_FORMS: Final = 'allowed is [sign, number] or a range [">" or ">=", number, "<" or "<=", number]'
_NESTED: Final = ("prefix", "suffix", "equals-ignore-case", "wildcard")
_PARSERS: Final[dict[str, Callable[[Any], Operator]]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _equals_ignore_case,
    "wildcard": _wildcard,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
}
OPERATOR_NAMES: Final = (*_PARSERS, "exists")
