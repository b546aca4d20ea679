"""CloudEvents' type system for attributes, as Pydantic types.

Source: CloudEvents 1.0.2, sections "Naming Conventions" and "Type System".
"""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

MAX_INTEGER: Final = 2**31 - 1
"""CloudEvents integers are signed 32-bit words."""

NOT_IN_ATTRIBUTES: Final = "control characters, surrogates and noncharacters are not allowed in an attribute"

# Every plane ends in two noncharacters; U+FDD0-U+FDEF are the other 32. Surrogates cannot occur in UTF-8.
_NONCHARACTERS = r"\uFDD0-\uFDEF\uFFFE\uFFFF" + "".join(
    f"\\U{plane:04X}FFFE\\U{plane:04X}FFFF" for plane in range(1, 17)
)
_FORBIDDEN = re.compile(rf"[\x00-\x1F\x7F-\x9F\uD800-\uDFFF{_NONCHARACTERS}]")
_RUST_FORBIDDEN = r"\x00-\x1F\x7F-\x9F\u{FDD0}-\u{FDEF}" + "".join(
    rf"\u{{{plane * 0x10000 + last:X}}}" for plane in range(17) for last in (0xFFFE, 0xFFFF)
)
_NAME = re.compile(r"[a-z0-9]+")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:(?P<second>\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_LEAP_SECOND: Final = "60"


def forbidden_character(text: str) -> str | None:
    """The first character that an attribute must not hold, as `U+0007`; None when there is none."""
    found = _FORBIDDEN.search(text)
    return None if found is None else f"U+{ord(found[0]):04X}"


def parse_time(text: str) -> datetime:
    """Parse an RFC 3339 timestamp, leap seconds included; digits behind microseconds are cut off.

    Raises:
        ValueError: It is not one.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"is {text[:60]!r}; allowed is an RFC 3339 timestamp like 2026-11-03T09:12:44Z")
    upper = text.upper()
    leap = timedelta(0)
    if match["second"] == _LEAP_SECOND:
        start, end = match.span("second")
        upper, leap = f"{upper[:start]}59{upper[end:]}", timedelta(seconds=1)
    try:
        return datetime.fromisoformat(upper) + leap
    except (ValueError, OverflowError):
        raise ValueError(f"is {text[:60]!r}, which is no moment of the calendar (RFC 3339)") from None


def _check_time(text: str) -> str:
    parse_time(text)
    return text


def _number(value: Any) -> Any:
    # Binary mode carries every attribute as text, and gateways hand that text on into JSON.
    if type(value) is str and value.isascii() and value.isdigit() and len(value) <= len(str(MAX_INTEGER)):
        return int(value)
    return value


def _check_name(name: str) -> str:
    if name == "data" or not _NAME.fullmatch(name):
        raise ValueError("is not an attribute name; allowed are a-z and 0-9, and `data` is reserved")
    return name


def _check_extension(value: Any) -> Any:
    if type(value) is str:
        if (found := forbidden_character(value)) is not None:
            raise ValueError(f"holds {found}; {NOT_IN_ATTRIBUTES}")
    elif type(value) is int:
        if not -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
            raise ValueError(f"is {str(value)[:30]}; CloudEvents integers fit in 32 bits, so send it as a string")
    elif type(value) is not bool:
        raise ValueError(f"is a {type(value).__name__}; an extension is a string, an integer or a boolean")
    return value


Text = Annotated[str, StringConstraints(strict=True, min_length=1, pattern=rf"\A[^{_RUST_FORBIDDEN}]*\z")]
"""A CloudEvents String, not empty."""
Timestamp = Annotated[Text, AfterValidator(_check_time)]
"""RFC 3339, kept as written."""
Count = Annotated[int, Field(strict=True, ge=0, le=MAX_INTEGER), BeforeValidator(_number)]
"""A CloudEvents Integer from 0."""
ExtensionName = Annotated[str, AfterValidator(_check_name)]
ExtensionValue = Annotated[Any, AfterValidator(_check_extension)]
"""str, bool, or int of 32 bits."""
