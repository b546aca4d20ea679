"""JSON as the wire may carry it: RFC 8259, narrowed to what every part behind it keeps exactly.

Narrower than RFC 8259 on purpose (RFC 7493, I-JSON, gives the reasons): integers fit in a signed 64-bit word, numbers
are finite, strings hold no lone surrogate, and nesting is bounded. A number that one parser rounds would change a
dedupe key. Of repeated member names the last one counts.
"""

import math
from typing import Any, Final

from pydantic_core import from_json, to_json

MAX_DEPTH: Final = 100
"""Levels of nesting that a value may have."""
MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**63 - 1

_LONE_SURROGATE = ("lone leading surrogate", "unexpected end of hex escape")


class MalformedJson(ValueError):  # noqa: N818 - named as its error code is
    """The text is not JSON. `lone_surrogate` tells the one case apart that RFC 8259 allows and RFC 7493 forbids."""

    def __init__(self, reason: str, *, lone_surrogate: bool = False) -> None:
        super().__init__(reason)
        self.lone_surrogate = lone_surrogate


class UnfitValue(ValueError):  # noqa: N818 - reads as what it is
    """A value that cannot be carried exactly. Its text continues the value's name: `.items[0] is …`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []

    def __str__(self) -> str:
        return "".join(reversed(self.path)) + " " + self.reason


def parse(text: str | bytes) -> Any:
    """Parse one JSON text.

    Returns:
        dict, list, str, int, float, bool or None. Check it with `check` before it leaves the library.

    Raises:
        MalformedJson: It is not JSON in UTF-8, holds NaN, or escapes half of a surrogate pair.
    """
    try:
        return from_json(text, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        reason = str(error)
        if reason.startswith(_LONE_SURROGATE):
            raise MalformedJson(
                f"a string escapes half of a surrogate pair ({reason}); RFC 7493, section 2.1, forbids it",
                lone_surrogate=True,
            ) from None
        raise MalformedJson(reason) from None


def dump(value: Any) -> bytes:
    """Write a checked value as compact JSON in UTF-8."""
    return to_json(value)


def check(value: object, *, depth: int = 0) -> None:
    """Make sure that a value survives any trip as JSON text.

    Raises:
        UnfitValue: It says at which path, what was found, and what is allowed.
    """
    kind = type(value)
    if value is None or kind is bool:
        return
    if kind is str:
        _check_text(value)  # type: ignore[arg-type]  # `kind` has just said so; isinstance would let subclasses in
    elif kind is int:
        if not MIN_INTEGER <= value <= MAX_INTEGER:  # type: ignore[operator]  # the same
            raise UnfitValue(f"is {str(value)[:30]}; integers must fit in 64 bits, so send it as a string")
    elif kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]  # the same
            raise UnfitValue(f"is {value}; JSON has finite numbers only")
    elif kind is dict or kind is list:
        if depth == MAX_DEPTH:
            raise UnfitValue(f"nests deeper than {MAX_DEPTH} levels")
        _check_members(value, depth)  # type: ignore[arg-type]  # the same
    else:
        raise UnfitValue(f"is a {kind.__name__}; allowed are dict, list, str, int, float, bool and None")


def check_parsed(value: Any) -> None:
    """`check` for what `parse` gave: names and text are sound then, numbers and nesting may not be.

    Raises:
        UnfitValue: As `check` does.
    """
    if not _fits([value], MAX_DEPTH + 1):
        check(value)


def _fits(level: list[Any], levels: int) -> bool:
    """Whether all numbers fit and nothing nests deeper; level by level, because most values are neither."""
    for _ in range(levels):
        nested = False
        inner: list[Any] = []
        for value in level:
            kind = type(value)
            if kind is str:
                continue
            if kind is dict:
                nested = True
                inner += value.values()
            elif kind is list:
                nested = True
                inner += value
            elif kind is int:
                if not MIN_INTEGER <= value <= MAX_INTEGER:
                    return False
            elif kind is float and not math.isfinite(value):
                return False
        if not nested:
            return True
        level = inner
    return False


def _check_members(value: dict[Any, Any] | list[Any], depth: int) -> None:
    named = isinstance(value, dict)
    place: Any = None
    try:
        for place, member in value.items() if isinstance(value, dict) else enumerate(value):
            if named:
                _check_name(place)
            check(member, depth=depth + 1)
    except UnfitValue as error:
        # The path is put together on the way out: the usual case pays nothing for it.
        error.path.append(_step(place))
        raise


def _check_name(name: object) -> None:
    if type(name) is not str:
        raise UnfitValue(f"is a name of type {type(name).__name__}; JSON names members with strings")
    _check_text(name)


def _step(place: object) -> str:
    if isinstance(place, str) and place.isidentifier():
        return f".{place[:60]}"
    return f"[{ascii(place)[:60]}]"


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UnfitValue("holds half of a surrogate pair; RFC 7493, section 2.1, forbids it") from None
