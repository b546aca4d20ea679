"""Places in a topic's history as people name them. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from taskfactory.definitions.durations import InvalidDuration, parse_duration

ALLOWED: Final = (
    "allowed are earliest, latest, an offset such as 1200, a time with its zone such as 2026-11-20T09:00:00Z, or a "
    "duration back from now such as 7d or 1h30m"
)
_OFFSET: Final = re.compile(r"[0-9]{1,19}")
MAX_OFFSET: Final = 2**63 - 1
"""Kafka's offsets have 64 bits, a sign included."""
MAX_PARTITION: Final = 2**31 - 1
"""Its partitions have 32."""


@dataclass(frozen=True, slots=True)
class Earliest:
    """The oldest record that is still there."""


@dataclass(frozen=True, slots=True)
class Latest:
    """Behind the newest record that is committed now."""


@dataclass(frozen=True, slots=True)
class AtOffset:
    """An offset, the same one in every partition."""

    offset: int


@dataclass(frozen=True, slots=True)
class AtTime:
    """The first record whose timestamp is this or later; has a zone."""

    time: datetime

    @property
    def timestamp(self) -> int:
        """Milliseconds since the epoch, as Kafka is asked for them.

        Never negative: no record is older than 1970, and Kafka takes -1 for its end and refuses the others.
        """
        return max(0, int(self.time.timestamp() * 1000))


Position = Earliest | Latest | AtOffset | AtTime


def is_backwards(start: Position, end: Position) -> bool:
    """Whether nothing can lie between two positions, because the first lies behind the second.

    An offset and a time can't be compared without the topic; false for those.
    """
    match start, end:
        case (AtOffset(), AtOffset()):
            return start.offset > end.offset
        case (AtTime(), AtTime()):
            return start.time > end.time
        case (Latest(), AtOffset() | AtTime() | Earliest()) | (AtOffset() | AtTime(), Earliest()):
            return True
    return False


class InvalidPosition(ValueError):  # noqa: N818 -- the subject, not the mechanism
    """The text names no place in a topic.

    Attributes:
        text: what was found.
    """

    def __init__(self, text: str) -> None:
        super().__init__(f"found {text!r}; {ALLOWED}")
        self.text = text


def parse_position(text: str, now: datetime) -> Position:
    """Read a position.

    Args:
        text: `earliest`, `latest`, an offset, an RFC 3339 time, or a duration as definitions write them.
        now: what a duration counts back from; with a zone.

    Raises:
        InvalidPosition: it is none of these.
    """
    if text == "earliest":
        return Earliest()
    if text == "latest":
        return Latest()
    if _OFFSET.fullmatch(text) and int(text) <= MAX_OFFSET:
        return AtOffset(int(text))
    return AtTime(parse_moment(text, now))


def parse_moment(text: str, now: datetime) -> datetime:
    """Read a time: RFC 3339 with its zone, or a duration back from `now`.

    Raises:
        InvalidPosition: it is neither.
    """
    try:
        return now - timedelta(seconds=parse_duration(text))
    except InvalidDuration:
        pass
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidPosition(text) from None
    # Without a zone nobody could say which hour was meant; dates alone, week dates and the like are refused with it.
    if time.tzinfo is None:
        raise InvalidPosition(text)
    return time
