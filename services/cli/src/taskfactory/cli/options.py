"""Options that several commands have: each name means one thing, whichever command it is given to.

`--from` and `--to` are places in a topic, `--since` and `--until` moments; where a topic is read both pairs are one.
`--reason` is a dead letter's code, `--because` are somebody's own words.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from taskfactory.cli.errors import BadInput
from taskfactory.intake import InvalidPosition, Position, parse_moment, parse_position
from taskfactory.intake.positions import MAX_OFFSET, MAX_PARTITION, is_backwards

DEFAULT_RATE: Final = "100/s"
"""Starts and dead letters: well below what a namespace of Temporal takes by default beside the traffic."""
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)(?:/s)?")

DefinitionOption = Annotated[str, typer.Option("--definition", "-D", help="The definition's name.")]
OnlyDefinition = Annotated[str | None, typer.Option("--definition", "-D", help="Only this definition.")]
Files = Annotated[
    list[str],
    typer.Option("--file", "-f", help="File, folder (its *.yaml, *.yml, *.json), or - for stdin; repeatable."),
]
TopicOption = Annotated[str, typer.Option("--topic", "-t", help="The topic whose history is read.")]
OnlyPartitions = Annotated[
    list[int] | None,
    typer.Option("--partition", "-p", min=0, max=MAX_PARTITION, help="Only this partition; repeatable."),
]
OnePartition = Annotated[
    int | None, typer.Option("--partition", "-p", min=0, max=MAX_PARTITION, help="The record's partition.")
]
OneOffset = Annotated[int | None, typer.Option("--offset", min=0, max=MAX_OFFSET, help="The record's offset.")]
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
Since = Annotated[
    str | None, typer.Option("--since", help="Then or later: 7d back from now, or a time such as 2026-11-20T09:00:00Z.")
]
Until = Annotated[str | None, typer.Option("--until", help="Before then: as for --since.")]
Rate = Annotated[
    str, typer.Option("--rate", metavar="N/s", help="Starts and dead letters per second at most, such as 20/s.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
Because = Annotated[str | None, typer.Option("--because", help="Why, in your own words; kept with what was done.")]


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


def moments(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """The moments that `--since` and `--until` name, with zones; None for an option that was not given.

    Raises:
        BadInput: one of them names none.
    """
    now = datetime.now(UTC)
    return _moment("--since", since, now), _moment("--until", until, now)


def _moment(option: str, text: str | None, now: datetime) -> datetime | None:
    try:
        return None if text is None else parse_moment(text, now)
    except InvalidPosition as error:
        allowed = "allowed are a duration back from now such as 2h, or a time with its zone such as"
        raise BadInput([f"{option}: found {error.text!r}; {allowed} 2026-11-20T09:00:00Z"]) from error


def per_second(rate: str) -> float:
    """The number that `--rate` names.

    Raises:
        BadInput: it is none, or 0.
    """
    match = _RATE.fullmatch(rate)
    if match is None or float(match[1]) <= 0:
        raise BadInput([f"--rate: found {rate!r}; allowed is a number per second above 0, such as 5/s or 0.5/s"])
    return float(match[1])
