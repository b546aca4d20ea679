"""`taskfactory backtest`: what definitions would have done with a topic's history, before they are enabled."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer

from taskfactory.cli.cells import moment
from taskfactory.cli.database import registry
from taskfactory.cli.documents import read_documents
from taskfactory.cli.errors import BadInput
from taskfactory.cli.history import history
from taskfactory.cli.options import Files
from taskfactory.cli.output import Output, OutputOption, Table, counted, show
from taskfactory.cli.progress import progress
from taskfactory.cli.reading import event_reader
from taskfactory.cli.settings import CliSettings
from taskfactory.cli.topic_options import From, OnlyPartitions, To, TopicOption, between
from taskfactory.definitions import CronTrigger, EventTrigger, TopicMapping
from taskfactory.intake import InForce, Record, load_in_force
from taskfactory.intake.backtest import Backtest, Draft, Examples, Report, Tally
from taskfactory.intake.history import OffsetRange


def backtest(  # noqa: PLR0913 -- one parameter per option
    file: Files,
    topic: TopicOption,
    start: From = "7d",
    end: To = "latest",
    *,
    partition: OnlyPartitions = None,
    limit_examples: Annotated[
        int, typer.Option("--limit-examples", min=0, max=1000, help="Examples of each kind at most.")
    ] = 5,
    output: OutputOption = Output.TABLE,
) -> None:
    """Try definitions on a topic's history, without starting or writing anything.

    No consumer group is joined. Each definition is reported beside the version of its name that is in force; one with
    `enabled: false` is tried as if it were enabled. What was started before plays no part: duplicates are those within
    the history.
    """
    documents = read_documents(file)
    if not documents.definitions:
        raise BadInput([f"no definitions in {', '.join(file)}; mappings alone can't be tried"])
    first, last = between(start, end)
    settings = CliSettings()
    in_force = _in_force(settings, documents.mappings)
    active = {item.definition.name: item for item in in_force.definitions.definitions}
    drafts = [Draft(draft, active.get(draft.name)) for draft in documents.definitions]
    test = Backtest(drafts, topic, settings.decision_limits, limit_examples)
    with history(settings) as past, progress("offsets read") as report:
        spans = past.spans(topic, first, last, partition)
        reading = past.read(spans, report)
        asyncio.run(_try(settings, test, in_force, reading))
    _show(test, topic, [span.offsets for span in spans if len(span.offsets)], reading.unreadable, output)


def _in_force(settings: CliSettings, mappings: Sequence[TopicMapping]) -> InForce:
    """What is in force, with these mappings instead of those of the same topics."""
    with registry(settings) as engine:
        in_force = load_in_force(engine)
    return replace(in_force, mappings={**in_force.mappings, **{each.topic: each for each in mappings}})


async def _try(
    settings: CliSettings, test: Backtest, in_force: InForce, history_of: Iterable[Sequence[Record]]
) -> None:
    async with event_reader(settings) as reader:
        for batch in history_of:
            for record in batch:
                test.add(await reader.read(record, in_force))


def _show(
    test: Backtest, topic: str, read: Sequence[OffsetRange], removed: Sequence[OffsetRange], output: Output
) -> None:
    if output is not Output.TABLE:
        values = {
            "topic": topic,
            "offsets": [_offsets(offsets) for offsets in read],
            "removed": [_offsets(offsets) for offsets in removed],
            "records": test.records,
            "evaluated": test.evaluated,
            "passed_over": test.passed_over,
            "unreadable": test.unreadable,
            "definitions": [_value(report) for report in test.reports],
        }
        show(output, Table((), ()), values)
        return
    for offsets in read:
        typer.echo(f"read {offsets}")
    for offsets in removed:
        typer.echo(f"not read: {offsets}, removed by the topic's retention")
    reasons = "".join(f", {count} {reason}" for reason, count in sorted(test.unreadable.items()))
    passed_over = f", {test.passed_over} passed over by the mapping" if test.passed_over else ""
    if not test.records:
        typer.echo(f"{topic} has no records between --from and --to")
        return
    typer.echo(f"{counted(test.records, 'record')}: {test.evaluated:,} evaluated{passed_over}{reasons}")
    for report in test.reports:
        _show_report(report, topic)


def _otherwise(trigger: CronTrigger | EventTrigger, topic: str) -> str:
    if isinstance(trigger, CronTrigger):
        return "it fires by schedule and reads no events"
    return f"it reads {', '.join(trigger.topics or ())} and not {topic}"


def _show_report(report: Report, topic: str) -> None:
    draft, active = report.draft.definition, report.draft.active
    beside = "nothing of this name is in force" if active is None else f"beside version {active.version}, in force"
    typer.echo(f"\n{draft.name}: {beside}")
    if not report.reads_topic:
        typer.echo(f"{_otherwise(draft.trigger, topic)}: none of this would start it")
    tallies = [("draft", report.proposed)] + ([("in force", report.present)] if report.present else [])
    show(Output.TABLE, tallies_table(tallies), [])
    if active is not None:
        typer.echo(f"added {report.added.count:,}, removed {report.removed.count:,}")
    _show_examples(report)


def tallies_table(tallies: Sequence[tuple[str, Tally]]) -> Table:
    """One line per version."""
    return Table(
        ("", "MATCHED", "DUPLICATES", "RUNS", "TASKS", "TASKS IN PEAK HOUR", "PEAK HOUR", "ERRORS"),
        [
            (
                name,
                str(tally.matched),
                str(tally.duplicates),
                str(tally.runs),
                str(tally.tasks),
                str(tally.peak.tasks) if tally.peak else "0",
                moment(tally.peak.hour) if tally.peak else "-",
                str(sum(item.count for item in tally.errors.values())),
            )
            for name, tally in tallies
        ],
    )


def _show_examples(report: Report) -> None:
    kinds = (
        [("added", report.added), ("removed", report.removed)] if report.draft.active else [("matched", report.added)]
    )
    kinds += [(f"error {reason} ({item.count})", item) for reason, item in sorted(report.proposed.errors.items())]
    rows = [
        (
            kind,
            f"{example.partition}/{example.offset}",
            f"{example.event_id} from {example.source}",
            example.subject or "-",
            example.told or "",
        )
        for kind, examples in kinds
        for example in examples.first
    ]
    if rows:
        show(Output.TABLE, Table(("EXAMPLE", "RECORD", "EVENT", "SUBJECT", "WHY"), rows), [])


def _offsets(offsets: OffsetRange) -> dict[str, int]:
    return {"partition": offsets.partition, "from": offsets.start, "to": offsets.end}


def _value(report: Report) -> dict[str, Any]:
    active = report.draft.active
    return {
        "name": report.draft.definition.name,
        "active_version": None if active is None else active.version,
        "reads_topic": report.reads_topic,
        "draft": _tally(report.proposed),
        "active": None if report.present is None else _tally(report.present),
        "added": _examples(report.added),
        "removed": _examples(report.removed),
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "matched": tally.matched,
        "would_dedupe": tally.duplicates,
        "runs": tally.runs,
        "tasks": tally.tasks,
        "peak": None if tally.peak is None else asdict(tally.peak),
        "errors": {reason: _examples(item) for reason, item in sorted(tally.errors.items())},
    }


def _examples(examples: Examples) -> dict[str, Any]:
    return {"count": examples.count, "examples": [asdict(example) for example in examples.first]}
