"""`taskfactory replay`: let one definition see what arrived while it was disabled or paused, or did not exist."""

import asyncio

import typer
from sqlalchemy import Engine

from taskfactory.cli.consent import require_consent
from taskfactory.cli.database import registry
from taskfactory.cli.disposing import disposing
from taskfactory.cli.errors import BadInput, CommandFailed, Interrupted, OperationFailed
from taskfactory.cli.history import history
from taskfactory.cli.named import definition_named
from taskfactory.cli.options import DEFAULT_RATE, DefinitionOption, DryRun, Rate, Yes, per_second
from taskfactory.cli.output import Output, OutputOption, Table, counted, show
from taskfactory.cli.progress import progress
from taskfactory.cli.settings import CliSettings
from taskfactory.cli.topic_options import From, OnlyPartitions, To, TopicOption, between
from taskfactory.definitions import EventTrigger, RegisteredDefinition
from taskfactory.intake import (
    InForce,
    Reading,
    RehearsedResolutions,
    Replay,
    load_in_force,
)
from taskfactory.registry import DeadLetterResolutions


def replay(  # noqa: PLR0913 -- one parameter per option
    *,
    definition: DefinitionOption,
    topic: TopicOption,
    start: From,
    end: To = "latest",
    partition: OnlyPartitions = None,
    rate: Rate = DEFAULT_RATE,
    dry_run: DryRun = False,
    yes: Yes = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Start what a definition missed in a topic's history.

    Reads the records between two positions and asks the definition in its present version, also if it is paused or was
    not active then. Runs that exist are not started again, so repeating it is safe; Ctrl-C is too. Events that it fails
    on become its dead letters, and the status is 1.
    """
    first, last = between(start, end)
    pace = per_second(rate)
    settings = CliSettings()
    with history(settings) as past, registry(settings) as engine:
        in_force = load_in_force(engine)
        asked = _asked(engine, in_force, definition, topic)
        spans = past.spans(topic, first, last, partition)
        count = sum(len(span.offsets) for span in spans)
        what = f"Up to {counted(count, 'record')} of {topic!r} would be read, and what matches {definition!r} started"
        require_consent(what, count, given=yes or dry_run)
        work = Replay(asked, in_force, RehearsedResolutions() if dry_run else DeadLetterResolutions(engine))
        with progress("offsets passed") as report:
            reading = past.read(spans, report)
            try:
                asyncio.run(_run(work, reading, settings, pace, dry_run=dry_run))
            except KeyboardInterrupt:
                raise Interrupted(
                    [f"Interrupted after {reading.done:,} of {reading.total:,} offsets. Run it again to go on."]
                ) from None
            finally:
                if work.tally or not reading.total:  # whatever ends it, what was done is said
                    _show(work, reading, output, dry_run=dry_run)
    if not reading.total:
        typer.echo(f"{topic} has no records between {start} and {end}.", err=True)
    if failed := work.tally["dead_lettered"]:
        raise CommandFailed([_failure(definition, failed, dry_run=dry_run)])


def _failure(definition: str, failed: int, *, dry_run: bool) -> str:
    records = counted(failed, "record")
    if dry_run:
        return f"{definition} would fail on {records}; without --dry-run a dead letter of each would say why."
    return f"{definition} failed on {records}; `taskfactory dlq list -D {definition}` says why."


async def _run(work: Replay, reading: Reading, settings: CliSettings, rate: float, *, dry_run: bool) -> None:
    async with disposing(settings, rate, dry_run=dry_run) as disposer:
        await work.run(iter(reading), disposer)


def _asked(engine: Engine, in_force: InForce, name: str, topic: str) -> RegisteredDefinition:
    """The definition in force, which can match something on the topic.

    Raises:
        OperationFailed: there is none of that name.
        BadInput: it is disabled or deleted, or reads other topics.
    """
    stored = definition_named(engine, name)
    if stored.trigger_type == "cron":
        raise BadInput([f"{name} fires by schedule; events can't start it, so there is nothing to replay"])
    if stored.state == "deleted":
        raise BadInput([f"{name} was deleted: apply it again, then replay"])
    if stored.shadow_version == stored.version:
        raise BadInput([f"{name} has only a shadow version, which starts nothing: promote it, then replay"])
    if not stored.enabled:
        enable = "apply it with `enabled: true`. To replay before new events start anything, pause it before that"
        raise BadInput([f"{name} is disabled: {enable} (`taskfactory pause {name}`)"])
    found = next((item for item in in_force.definitions.definitions if item.definition.name == name), None)
    if found is None:
        raise OperationFailed(f"This version of taskfactory can't read {name!r}.", "Apply it again.")
    trigger = found.definition.trigger
    topics = trigger.topics if isinstance(trigger, EventTrigger) else ()
    if topics is not None and topic not in topics:
        raise BadInput([f"{name} takes events from {', '.join(topics)} only; nothing on {topic!r} can start it"])
    return found


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
