"""Durations as authors write them: `500ms`, `30s`, `5m`, `4h`, `7d`, and combinations such as `1h30m`."""

import re
from functools import lru_cache
from typing import Any, Final

from taskfactory.definitions.suggestions import found

DURATION_PATTERN: Final = r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$"
"""Units from large to small, each at most once. It matches the empty text too, which `parse_duration` refuses."""

MAX_SECONDS: Final = 3650 * 86_400.0

_UNIT_MILLISECONDS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_PART = re.compile(r"(\d+)(ms|[dhms])")


class InvalidDuration(ValueError):  # noqa: N818  the subject, not the mechanism
    """The text is not a duration between 1 ms and 3650 days."""

    def __init__(self, value: Any) -> None:
        """Say what was found and what is allowed."""
        super().__init__(
            f"found {found(value)}; allowed is a duration from 1ms to 3650d, such as 500ms, 30s, 5m, 4h, 7d or 1h30m"
        )
        self.value = value


def parse_duration(text: Any) -> float:
    """Give the duration in seconds.

    Raises:
        InvalidDuration: Unknown unit, wrong order, zero, or longer than 3650 days.
    """
    if not isinstance(text, str):
        raise InvalidDuration(text)
    return _seconds(text)


@lru_cache(maxsize=1_024)  # thousands of definitions share a few durations
def _seconds(text: str) -> float:
    if not text or not text.isascii() or re.fullmatch(DURATION_PATTERN, text) is None:
        raise InvalidDuration(text)
    milliseconds = sum(int(number) * _UNIT_MILLISECONDS[unit] for number, unit in _PART.findall(text))
    seconds = milliseconds / 1000
    if not 0 < seconds <= MAX_SECONDS:
        raise InvalidDuration(text)
    return seconds
