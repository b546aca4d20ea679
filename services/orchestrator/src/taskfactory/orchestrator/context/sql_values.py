"""PostgreSQL's values as JSON: what JSON would round or lacks becomes text, as docs/context.md lists it."""

import base64
import math
from datetime import date, datetime, time, timedelta
from typing import Any

from taskfactory.envelope.json_text import MAX_INTEGER, MIN_INTEGER


def plain(value: Any) -> Any:  # noqa: PLR0911 -- one return for each kind of value
    """One value; decimals, times, UUIDs, large integers, ranges and whatever else there is become text."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if MIN_INTEGER <= value <= MAX_INTEGER else str(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case list() | tuple():
            return [plain(element) for element in value]
        case dict():
            return {str(key): plain(element) for key, element in value.items()}
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(bytes(value)).decode("ascii")
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return f"{value / timedelta(microseconds=1) / 1_000_000:f}".rstrip("0").rstrip(".") + "s"
        case _:
            return str(value)
