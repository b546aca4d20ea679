"""`taskfactory audit records`: a topic read again, and the proof that every record is accounted for."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer
from sqlalchemy import Engine

from taskfactory.cli.database import registry
from taskfactory.cli.exit_status import ExitStatus
from taskfactory.cli.history import history
from taskfactory.cli.named import definition_named
from taskfactory.cli.options import OnlyDefinition
from taskfactory.cli.output import Output, OutputOption, Table, counted, show
from taskfactory.cli.progress import progress
from taskfactory.cli.reading import event_reader
from taskfactory.cli.settings import CliSettings
from taskfactory.cli.temporal import temporal
from taskfactory.cli.topic_options import From, OnlyPartitions, To, TopicOption, between
from taskfactory.intake.audit import (
    Auditor,
    Disposition,
    Expectations,
    Report,
    Row,
    Scope,
    Timeline,
    Versions,
    committed_offsets,
    read_letters,
)
from taskfactory.intake.executions import TemporalExecutions
from taskfactory.intake.history import History
from taskfactory.intake.positions import Position
from taskfactory.registry import DefinitionStore, Evidence, IngressRevisions

SHOWN_DISCREPANCIES: Final = 20
UNREMARKABLE: Final = frozenset({Disposition.FILTERED, Disposition.NOT_IN_FORCE, Disposition.IN_FLIGHT})
"""A definition to which nothing but these happened is only counted, unless asked for by name."""


def records(  # noqa: PLR0913 -- one parameter per option
    topic: TopicOption,
    start: From,
    end: To = "latest",
    *,
    partition: OnlyPartitions = None,
    definition: OnlyDefinition = None,
    group: Annotated[
        str | None, typer.Option("--group", help="Ingress's consumer group, if not TASKFACTORY_KAFKA_GROUP_ID.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show every definition and every discrepancy.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Read a topic again and prove that every record is accounted for.

    Each record is evaluated with the definitions that were in force when ingress decided about it, and compared with
    the runs, claims and dead letters that there are. Nothing is written or started.

    Exit status: 0 the books balance, 1 something does not add up, 3 nothing contradicts but not everything could be
    proven (records that were removed, or from before there was a log of revisions; dead letters that were removed).
    """
    begin, until = between(start, end)
    settings = CliSettings()
    with history(settings) as past, registry(settings) as engine:
        activity = None if definition is None else definition_named(engine, definition).id
        scope = _scope(
            settings, past, engine, topic, begin, until, partition, group or settings.kafka_group_id, activity
        )
        report = asyncio.run(_audit(settings, past, engine, scope, definition))
    _show(report, output, definition, everything=everything)
    if report.discrepancies:
        raise typer.Exit(ExitStatus.FAILED)
    if _unproven(report):
        raise typer.Exit(ExitStatus.DIFFERENT)


def _scope(  # noqa: PLR0913, PLR0917 -- what an audit is about
    settings: CliSettings,
    past: History,
    engine: Engine,
    topic: str,
    begin: Position,
    until: Position,
    partitions: Sequence[int] | None,
    group: str,
    activity: str | None,
) -> Scope:
    # The order in which these are asked is the auditor's.
    named = {span.offsets.partition for span in past.spans(topic, begin, until, partitions)}
    committed = committed_offsets(settings.librdkafka(), group, topic, named)
    spans = [span for span in past.spans(topic, begin, until, partitions) if span.offsets.partition in named]
    log = IngressRevisions(engine)
    return Scope(
        topic=topic,
        spans=spans,
        committed=committed,
        timelines={number: Timeline.of(log.of_partition(group, topic, number)) for number in sorted(named)},
        letters=read_letters(past, settings.dlq_topic, topic, [span.offsets for span in spans]),
        definition_id=activity,
    )


async def _audit(settings: CliSettings, past: History, engine: Engine, scope: Scope, definition: str | None) -> Report:
    evidence = Evidence(engine)
    versions = Versions(evidence, DefinitionStore(engine), scope.topic, definition)
    async with temporal(settings) as client, event_reader(settings) as reader:
        expectations = Expectations(versions, reader, settings.decision_limits)
        auditor = Auditor(scope, expectations, versions, evidence, TemporalExecutions(client))
        with progress("offsets audited") as report:
            return await auditor.audit(past, report)


def _show(report: Report, output: Output, definition: str | None, *, everything: bool) -> None:
    if output is not Output.TABLE:
        show(output, Table((), ()), _value(report))
        return
    for read in report.partitions:
        typer.echo(
            f"{read.offsets}: {counted(read.records, 'record')}"
            if len(read.offsets)
            else f"{read.offsets.topic}/{read.partition}: nothing"
        )
    rows = [row for row in report.rows if everything or definition or _remarkable(row)]
    if rows:
        typer.echo("")
        show(output, rows_table(rows), [])
    if hidden := len({row.definition for row in report.rows} - {row.definition for row in rows}):
        typer.echo(f"\n{counted(hidden, 'more definition')} took none of these records; --all shows them too")
    if report.discrepancies:
        typer.echo("")
        shown = report.discrepancies if everything else report.discrepancies[:SHOWN_DISCREPANCIES]
        show(output, _discrepancies_table(shown), [])
        if more := len(report.discrepancies) - len(shown):
            typer.echo(f"… and {more} more; --all shows them too")
    if not report.partitions:
        typer.echo("no record lies between --from and --to")
    typer.echo("")
    for line in _verdict(report):
        typer.echo(line)


def rows_table(rows: Sequence[Row]) -> Table:
    """The books: one line per partition and definition, and one with totals for each definition of several partitions.

    Columns in which every line has 0 are left out, except those that everybody expects.
    """
    lines = [(str(row.partition), row.definition, row.counts, row.ambiguous, row.later) for row in rows]
    lines += _totals(rows)
    always = (Disposition.STARTED, Disposition.ALREADY_STARTED, Disposition.FILTERED, Disposition.DEAD_LETTERED)
    columns = [item for item in Disposition if item in always or any(line[2].get(item) for line in lines)]
    extra = [(name, place) for name, place in (("AMBIGUOUS", 3), ("LATER", 4)) if any(line[place] for line in lines)]
    head = ("PARTITION", "DEFINITION", "RECORDS", *(_heading(item) for item in columns), *(name for name, _ in extra))
    return Table(
        head,
        [
            (
                line[0],
                line[1],
                str(sum(line[2].values())),
                *(str(line[2].get(item, 0)) for item in columns),
                *(str(line[place]) for _, place in extra),
            )
            for line in lines
        ],
    )


def _heading(item: Disposition) -> str:
    return item.value.replace("_", " ").upper()


def _totals(rows: Sequence[Row]) -> list[tuple[str, str, dict[Disposition, int], int, int]]:
    if len({row.partition for row in rows}) < 2:  # noqa: PLR2004 -- one partition is its own total
        return []
    totals = []
    for name in sorted({row.definition for row in rows}):
        mine = [row for row in rows if row.definition == name]
        counts = {item: sum(row.counts.get(item, 0) for row in mine) for item in Disposition}
        totals.append(("all", name, counts, sum(row.ambiguous for row in mine), sum(row.later for row in mine)))
    return totals


def _discrepancies_table(discrepancies: Sequence[Any]) -> Table:
    return Table(
        ("RECORD", "EVENT", "DEFINITION", "TROUBLE", "EXPECTED", "FOUND"),
        [
            (
                f"{item.place.partition}/{item.place.offset}",
                item.event,
                item.definition,
                item.trouble.value,
                item.expected,
                item.found,
            )
            for item in discrepancies
        ],
    )


def _remarkable(row: Row) -> bool:
    return bool(row.counts.keys() - UNREMARKABLE) or row.ambiguous > 0


def _unproven(report: Report) -> list[str]:
    """What could not be proven, in sentences."""
    lines = [
        f"unreadable: {offsets}, removed by the topic's retention"
        for read in report.partitions
        for offsets in read.unreadable
    ]
    lines += [
        f"no activation log: {counted(read.unlogged, 'record')} of partition {read.partition} covered by no line of "
        "the log of revisions (from before there was one, or this group never read them: see --group)"
        for read in report.partitions
        if read.unlogged
    ]
    if unproven := sum(row.counts.get(Disposition.UNPROVEN, 0) for row in report.rows):
        lines.append(f"unproven: {unproven} dead letters are not on their topic, which has lost letters to retention")
    return lines


def _verdict(report: Report) -> list[str]:
    lines = _unproven(report)
    if ambiguous := sum(row.ambiguous for row in report.rows):
        lines.append(
            f"ambiguous: {ambiguous}, where two revisions may have decided and differ; counted as what the facts show"
        )
    if later := sum(row.later for row in report.rows):
        lines.append(f"later: {later}, taken up again by a replay, a redrive or a rerun")
    if report.earlier:
        lines.append(
            f"earlier topic: {report.earlier} runs and dead letters name these offsets and came of records of an "
            "earlier topic of this name, before it was created again; they prove nothing here"
        )
    if in_flight := sum(row.counts.get(Disposition.IN_FLIGHT, 0) for row in report.rows):
        lines.append(
            f"in flight: {in_flight:,} not done yet, a record once for each definition; audit again later to prove them"
        )
    records = counted(sum(read.records for read in report.partitions), "record")
    found = f"{len(report.discrepancies):,} discrepanc{'y' if len(report.discrepancies) == 1 else 'ies'}"
    if report.discrepancies:
        lines += [
            f"DOES NOT ADD UP: {found} in {records}",
            "`taskfactory explain` says what is known of one record; docs/explain.md what each trouble means",
        ]
    elif _unproven(report):
        lines.append(f"NOT PROVEN: nothing contradicts in {records}, but not everything could be looked at")
    else:
        lines.append(f"BALANCED: {records}, all accounted for")
    return lines


def _value(report: Report) -> dict[str, Any]:
    verdict = "does_not_add_up" if report.discrepancies else "not_proven" if _unproven(report) else "balanced"
    return {
        "verdict": verdict,
        "partitions": [
            {
                "partition": read.partition,
                "from": read.offsets.start,
                "to": read.offsets.end,
                "records": read.records,
                "no_activation_log": read.unlogged,
                "unreadable": [{"from": offsets.start, "to": offsets.end} for offsets in read.unreadable],
            }
            for read in report.partitions
        ],
        "definitions": [
            {
                "partition": row.partition,
                "definition": row.definition,
                "records": sum(row.counts.values()),
                **{item.value: row.counts.get(item, 0) for item in Disposition},
                "ambiguous": row.ambiguous,
                "later": row.later,
            }
            for row in report.rows
        ],
        "discrepancies": [
            {**asdict(item), "place": {"partition": item.place.partition, "offset": item.place.offset}}
            for item in report.discrepancies
        ],
        "dead_letters_lost": report.letters_lost,
        "of_earlier_topic": report.earlier,
    }
