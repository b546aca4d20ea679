"""The part of a topic that a command is about, as its two options name it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from taskfactory.cli.errors import BadInput
from taskfactory.intake.positions import InvalidPosition, Position, is_backwards, parse_position

Option = tuple[str, str]
"""An option's name and its text."""


def position_range(start: Option, end: Option, now: datetime) -> tuple[Position, Position]:
    """The first record that is meant, and the first behind it that is not.

    Args:
        start: where it begins.
        end: where it ends.
        now: what durations count back from.

    Raises:
        BadInput: a text is no position, or the range ends before it begins.
    """
    with positions_told(start[0]):
        first = parse_position(start[1], now)
    with positions_told(end[0]):
        last = parse_position(end[1], now)
    if is_backwards(first, last):
        told = " ".join([*start, *end])
        raise BadInput([f"{told}: the range ends before it begins, so nothing is in it; exchange them"])
    return first, last


@contextmanager
def positions_told(option: str) -> Iterator[None]:
    """Name the option whose text is no position.

    Raises:
        BadInput: in its place.
    """
    try:
        yield
    except InvalidPosition as error:
        raise BadInput([f"{option}: {error}"]) from error
