"""`taskfactory replay`: let one definition see what arrived while it was disabled or paused, or did not exist."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from sqlalchemy import Engine

from taskfactory.cli.database import registry
from taskfactory.cli.disposing import (
    DEFAULT_RATE,
    DisposingSettings,
    Interrupted,
    disposing,
    require_consent,
)
from taskfactory.cli.errors import BadInput, CommandFailed, OperationFailed
from taskfactory.cli.kafka import kafka
from taskfactory.cli.output import Output, Table, show
from taskfactory.cli.progress import progress
from taskfactory.cli.ranges import position_range
from taskfactory.definitions import RegisteredDefinition
from taskfactory.intake import (
    History,
    InForce,
    Position,
    Reading,
    RehearsedResolutions,
    Replay,
    Span,
    UnknownTopic,
    load_in_force,
    open_history,
)
from taskfactory.registry import DeadLetterResolutions, DefinitionStore


def replay(  # noqa: PLR0913 -- one parameter per option
    *,
    definition: Annotated[str, typer.Option("--definition", "-D", help="The one definition to ask.")],
    topic: Annotated[str, typer.Option("--topic", "-t", help="Whose history.")],
    start: Annotated[str, typer.Option("--from", help="earliest, an offset, a time with its zone, or 7d.")],
    end: Annotated[str, typer.Option("--to", help="The first that is left out: latest, or as --from.")] = "latest",
    partition: Annotated[list[int] | None, typer.Option(min=0, help="Only this one; repeatable.")] = None,
    rate: Annotated[float, typer.Option(min=0.001, help="Starts and dead letters per second at most.")] = DEFAULT_RATE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would come of it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print it.")] = Output.TABLE,
) -> None:
    """Start what a definition missed in a topic's history.

    Reads the records between two positions and asks the definition in its present version, also if it is paused or was
    not active then. Runs that exist are not started again, so repeating it is safe; Ctrl-C is too. Events that it fails
    on become its dead letters, and the status is 1.
    """
    now = datetime.now(UTC)
    first, last = position_range(("--from", start), ("--to", end), now)
    settings = DisposingSettings()
    with kafka(settings), open_history(settings.librdkafka()) as history, registry(settings) as engine:
        in_force = load_in_force(engine)
        asked = _asked(engine, in_force, definition, topic)
        spans = _spans(history, settings, topic, (first, last), partition)
        count = sum(len(span.offsets) for span in spans)
        what = f"Up to {count:,} records of {topic!r} would be read, and what matches {definition!r} started"
        require_consent(what, count, given=yes or dry_run)
        work = Replay(asked, in_force, RehearsedResolutions() if dry_run else DeadLetterResolutions(engine))
        with progress("offsets passed") as report:
            reading = history.read(spans, report)
            try:
                asyncio.run(_run(work, reading, settings, rate, dry_run=dry_run))
            except KeyboardInterrupt:
                raise Interrupted(
                    [f"Interrupted after {reading.done:,} of {reading.total:,} offsets. Run it again to go on."]
                ) from None
            finally:
                _show(work, reading, output, dry_run=dry_run)
    if failed := work.tally["dead_lettered"]:
        raise CommandFailed(
            [f"{definition} failed on {failed:,} records; `taskfactory dlq list -D {definition}` says why."]
        )


async def _run(work: Replay, reading: Reading, settings: DisposingSettings, rate: float, *, dry_run: bool) -> None:
    async with disposing(settings, rate, dry_run=dry_run) as disposer:
        await work.run(iter(reading), disposer)


def _asked(engine: Engine, in_force: InForce, name: str, topic: str) -> RegisteredDefinition:
    """The definition in force, which can match something on the topic.

    Raises:
        OperationFailed: there is none of that name.
        BadInput: it is disabled, or reads other topics.
    """
    rows = DefinitionStore(engine).list(name)
    if not rows:
        raise OperationFailed(f"There is no definition named {name!r}.", "`taskfactory get definitions` lists all.")
    if not rows[0].enabled:
        enable = "apply it with `enabled: true`. To replay before new events start anything, pause it before that"
        raise BadInput([f"{name} is disabled: {enable} (`taskfactory pause {name}`)"])
    found = next((item for item in in_force.definitions.definitions if item.definition.name == name), None)
    if found is None:
        raise OperationFailed(f"This version of taskfactory can't read {name!r}.", "Apply it again.")
    topics = found.definition.trigger.topics
    if topics is not None and topic not in topics:
        raise BadInput([f"{name} takes events from {', '.join(topics)} only; nothing on {topic!r} can start it"])
    return found


def _spans(
    history: History,
    settings: DisposingSettings,
    topic: str,
    between: tuple[Position, Position],
    partitions: Sequence[int] | None,
) -> Sequence[Span]:
    try:
        return history.spans(topic, *between, partitions)
    except UnknownTopic as error:
        raise OperationFailed(f"At {settings.kafka_bootstrap_servers} {error}.") from error


def _show(work: Replay, reading: Reading, output: Output, *, dry_run: bool) -> None:
    tally = work.tally
    counts = {
        "read": tally.total(),
        "matched": tally["started"] + tally["already_started"],
        "started": tally["started"],
        "already_started": tally["already_started"],
        "filtered": tally["filtered"],
        "dead_lettered": tally["dead_lettered"],
        "unreadable_offsets": sum(map(len, reading.unreadable)),
    }
    head = tuple(name.replace("_", " ").upper() for name in counts)
    show(output, Table(head, [tuple(f"{count:,}" for count in counts.values())]), [counts])
    if dry_run:
        typer.echo("Dry run, nothing was done. Runs that exist already count as started here.", err=True)
    for gone in reading.unreadable:
        typer.echo(f"Removed by retention, unreadable: {gone}", err=True)
