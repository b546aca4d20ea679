"""How single values read in a cell of a table."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic_core import to_json

VALUE: Final = 120
"""Characters of a value in a cell."""


def reason(error: Mapping[str, Any] | None) -> str:
    """`type: message` of a failure as the API gives it, or a dash."""
    return "-" if error is None else f"{error['type']}: {error['message']}"


def moment(at: datetime | str | None) -> str:
    """In UTC, to the second; a dash for none.

    Args:
        at: with its zone; text is RFC 3339, as the API gives times.
    """
    if at is None:
        return "-"
    at = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def took(start: str | None, end: str | None) -> str:
    """From one of the API's times to another, as `span`; a dash when one of them is not yet."""
    if start is None or end is None:
        return "-"
    return span(datetime.fromisoformat(end) - datetime.fromisoformat(start))


def span(of: timedelta) -> str:
    """A span of time, as precise as it is short: `0.84s`, `12s`, `1:02:03`."""
    seconds = of.total_seconds()
    if seconds < 10:  # noqa: PLR2004 -- where hundredths stop to matter
        return f"{seconds:.2f}s"
    return f"{seconds:.0f}s" if seconds < 60 else str(timedelta(seconds=round(seconds)))  # noqa: PLR2004 -- a minute


def text(value: Any) -> str:
    """Whatever the API gave: text as it is, a dash for nothing, numbers with thousands, lists with commas."""
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(text, value))
    return str(value)


def short_json(value: Any) -> str:
    """A JSON value in so many characters at most; `-o json` has all of it."""
    written = to_json(value).decode()
    return written if len(written) <= VALUE else f"{written[:VALUE]}…"
