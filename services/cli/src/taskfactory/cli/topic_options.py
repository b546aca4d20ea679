"""Options of the commands that read topics: `--from` and `--to` are places in a topic, beside moments.

`--since` and `--until` are moments elsewhere; where a topic is read both pairs are one.
"""

from datetime import UTC, datetime
from typing import Annotated

import typer

from taskfactory.cli.errors import BadInput
from taskfactory.intake import InvalidPosition, Position, parse_position
from taskfactory.intake.positions import MAX_PARTITION, is_backwards

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
