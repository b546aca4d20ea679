"""Options of the commands that read topics: `--from` and `--to` are places in a topic, beside moments.

`--since` and `--until` are moments elsewhere; where a topic is read both pairs are one.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from taskfactory.cli.errors import BadInput
from taskfactory.intake import InvalidPosition, Position, parse_position
from taskfactory.intake.positions import MAX_PARTITION, is_backwards

DEFAULT_RATE: Final = "100/s"
"""Starts and dead letters: well below what a namespace of Temporal takes by default beside the traffic."""
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)(?:/s)?")

TopicOption = Annotated[str, typer.Option("--topic", "-t", help="The topic whose history is read.")]
OnlyPartitions = Annotated[
    list[int] | None,
    typer.Option("--partition", "-p", min=0, max=MAX_PARTITION, help="Only this partition; repeatable."),
]
From = Annotated[
    str,
    typer.Option(
        "--from",
        "--since",
        help="The first record: earliest, an offset, a time such as 2026-11-20T09:00:00Z, or 7d back from now.",
    ),
]
To = Annotated[
    str, typer.Option("--to", "--until", help="The first record that is left out: latest, or as for --from.")
]
Rate = Annotated[
    str, typer.Option("--rate", metavar="N/s", help="Starts and dead letters per second at most, such as 20/s.")
]


def between(first: str, last: str) -> tuple[Position, Position]:
    """The positions that `--from` and `--to` name; durations count back from now.

    Raises:
        BadInput: one of them names none, or the range ends before it begins.
    """
    now = datetime.now(UTC)
    start, end = _position("--from", first, now), _position("--to", last, now)
    if is_backwards(start, end):
        raise BadInput(
            [f"--from {first} --to {last}: the range ends before it begins, so nothing is in it; exchange them"]
        )
    return start, end


def _position(option: str, text: str, now: datetime) -> Position:
    try:
        return parse_position(text, now)
    except InvalidPosition as error:
        raise BadInput([f"{option}: {error}"]) from error


def per_second(rate: str) -> float:
    """The number that `--rate` names.

    Raises:
        BadInput: it is none, or 0.
    """
    match = _RATE.fullmatch(rate)
    if match is None or float(match[1]) <= 0:
        raise BadInput([f"--rate: found {rate!r}; allowed is a number per second above 0, such as 5/s or 0.5/s"])
    return float(match[1])
