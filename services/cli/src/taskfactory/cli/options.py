"""Options that several commands have: each name means one thing, whichever command it is given to.

`--since` and `--until` are moments; `--from` and `--to`, of the commands that read topics, are places in a topic
(`topic_options.py`). `--reason` is a dead letter's code, `--because` are somebody's own words. Nothing here is slow to
import: completion and the commands on the API load it.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from taskfactory.cli.errors import BadInput
from taskfactory.cli.names import definition_names

DEFAULT_RATE: Final = "100/s"
"""Starts and dead letters: well below what a namespace of Temporal takes by default beside the traffic."""
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)(?:/s)?")

DefinitionOption = Annotated[
    str, typer.Option("--definition", "-D", help="The definition's name.", autocompletion=definition_names)
]
OnlyDefinition = Annotated[
    str | None, typer.Option("--definition", "-D", help="Only this definition.", autocompletion=definition_names)
]
DefinitionArgument = Annotated[str, typer.Argument(help="The definition's name.", autocompletion=definition_names)]
DefinitionsArgument = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="Definitions.", autocompletion=definition_names)
]
Files = Annotated[
    list[str],
    typer.Option("--file", "-f", help="File, folder (its *.yaml, *.yml, *.json), or - for stdin; repeatable."),
]
OnePartition = Annotated[
    int | None, typer.Option("--partition", "-p", min=0, max=2**31 - 1, help="The record's partition.")
]
OneOffset = Annotated[int | None, typer.Option("--offset", min=0, max=2**63 - 1, help="The record's offset.")]
"""Both as far as Kafka counts, which `intake.positions` says for topics' ranges."""
Since = Annotated[
    str | None, typer.Option("--since", help="Then or later: 7d back from now, or a time such as 2026-11-20T09:00:00Z.")
]
Until = Annotated[str | None, typer.Option("--until", help="Before then: as for --since.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
Why = Annotated[str, typer.Option("--because", help="Why, in your own words; kept with what was done.")]
Because = Annotated[str | None, typer.Option("--because", help="Why, in your own words; kept with what was done.")]
Rate = Annotated[
    str, typer.Option("--rate", metavar="N/s", help="Starts and dead letters per second at most, such as 20/s.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="So many at most, the newest first.")]


def moments(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """The moments that `--since` and `--until` name, with zones; None for an option that was not given.

    Raises:
        BadInput: one of them names none.
    """
    now = datetime.now(UTC)
    return moment_of("--since", since, now), moment_of("--until", until, now)


def moment_of(option: str, text: str | None, now: datetime) -> datetime | None:
    """The moment that an option names; None when it was not given.

    Args:
        option: as people type it.
        text: a duration back from now, or an RFC 3339 time.
        now: with a zone.

    Raises:
        BadInput: it names none.
    """
    if text is None:
        return None
    from taskfactory.intake.positions import InvalidPosition, parse_moment  # noqa: PLC0415 -- loads Kafka and Temporal

    try:
        return parse_moment(text, now)
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
