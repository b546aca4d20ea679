"""`taskfactory explain`: why an event does, or does not, start runs; one answer for every definition."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from sqlalchemy import Engine

from taskfactory.cli.apply import read_documents
from taskfactory.cli.database import registry
from taskfactory.cli.errors import BadInput, OperationFailed
from taskfactory.cli.inspection import InspectionSettings, event_reader, history, temporal
from taskfactory.cli.output import Output, Table, show
from taskfactory.cli.settings import reaching
from taskfactory.definitions import DefinitionSet, Documents, RegisteredDefinition
from taskfactory.intake import DeadLetter, InForce, NoEvent, ReadEvent, ReadResult, Record, Unavailable
from taskfactory.intake.executions import TemporalExecutions
from taskfactory.intake.explanation import Answered, Facts, asked_for, explain_event
from taskfactory.intake.history import History
from taskfactory.intake.positions import AtOffset, Earliest, Latest
from taskfactory.registry import DefinitionStore, Evidence, claim_keys

STRUCTURED: Final = (("content-type", b"application/cloudevents+json"),)
SHORT: Final = 20
"""So many definitions are shown whatever they say; of more, those of other types are only counted."""


@dataclass(frozen=True)
class Question:
    """What is to be explained."""

    record: Record
    topic: str | None
    """None when nobody said where the event would be read."""
    placed: bool
    """The record is in Kafka; otherwise it comes from a file."""

    @property
    def title(self) -> str:
        """How the record is called in sentences."""
        record = self.record
        return f"record {record.topic}/{record.partition}/{record.offset}" if self.placed else "the event"


@dataclass(frozen=True)
class Found:
    """What there is to say."""

    reading: ReadResult
    answers: Sequence[Answered] = ()
    """Every definition's, if there is an event."""
    resolution: str | None = None
    """How the dead letter of the record itself was resolved, if it was."""


def explain(  # noqa: PLR0913 -- one parameter per option
    event: Annotated[
        str | None, typer.Option("--event", "-e", help="File with one CloudEvent in JSON; - reads stdin.")
    ] = None,
    *,
    topic: Annotated[str | None, typer.Option("--topic", "-t", help="Where the record is, or would be read.")] = None,
    partition: Annotated[int | None, typer.Option(min=0, help="The record's partition.")] = None,
    offset: Annotated[int | None, typer.Option(min=0, help="The record's offset.")] = None,
    definition: Annotated[str | None, typer.Option("--definition", "-D", help="Ask only this definition.")] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", help="Ask the definitions of these files, not the registered ones; repeatable."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show definitions of other event types too.")] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print it.")] = Output.TABLE,
) -> None:
    """Say for every definition what it makes of an event, and why.

    The event is a record (--topic, --partition and --offset) or a file (--event, with --topic if definitions are bound
    to topics). Nothing is started or written. With --file nothing is looked up either, so that drafts can be tried
    where there is no registry.
    """
    settings = InspectionSettings()
    documents = read_documents(file) if file else None
    question = _question(settings, event, topic, partition, offset)
    if documents is not None:
        found = _by_drafts(documents, settings, question, definition)
    else:
        found = _by_registered(settings, question, definition)
    _tell(question, found, output, everything=everything)


def _question(
    settings: InspectionSettings, event: str | None, topic: str | None, partition: int | None, offset: int | None
) -> Question:
    if event is not None:
        if partition is not None or offset is not None:
            raise BadInput(["--event is a file: leave out --partition and --offset, or leave out --event"])
        return Question(Record(topic or "", 0, 0, None, None, _one_event(event), STRUCTURED), topic, placed=False)
    if topic is None or partition is None or offset is None:
        raise BadInput(["say which event: --event FILE, or --topic, --partition and --offset of a record"])
    with history(settings) as past:
        return Question(_record(past, topic, partition, offset), topic, placed=True)


def _one_event(source: str) -> bytes:
    try:
        content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise BadInput([f"{source}: {error.strerror}"]) from error
    lines = [line for line in content.splitlines() if line.strip()]
    if len(lines) > 1 and all(_is_object(line) for line in lines):
        name = "stdin" if source == "-" else source
        raise BadInput([f"{name}: found {len(lines)} events; one is explained at a time, so give one of the lines"])
    return content.strip()


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _record(past: History, topic: str, partition: int, offset: int) -> Record:
    """The record at an offset.

    Raises:
        OperationFailed: there is none; the message says which there are.
    """
    for batch in past.read(past.spans(topic, AtOffset(offset), AtOffset(offset + 1), [partition])):
        return batch[0]
    there = next((span.offsets for span in past.spans(topic, Earliest(), Latest(), [partition])), None)
    place = f"{topic}/{partition}/{offset}"
    if there is None or not len(there):
        raise OperationFailed(f"There is no record {place}: the partition is empty.")
    exist = f"offsets {there.start} to {there.end - 1} exist"
    if offset < there.start:
        raise OperationFailed(f"Record {place} was removed by the topic's retention; {exist}.")
    if offset >= there.end:
        raise OperationFailed(f"There is no record {place} yet; {exist}.")
    raise OperationFailed(f"There is no record {place}: compaction removed it, or a transaction left a mark there.")


def _by_drafts(documents: Documents, settings: InspectionSettings, question: Question, name: str | None) -> Found:
    registered = [RegisteredDefinition(f"draft-{draft.name}", 0, draft) for draft in documents.definitions]
    if name is not None:
        registered = [item for item in registered if item.definition.name == name]
        if not registered:
            found = ", ".join(draft.name for draft in documents.definitions)
            raise BadInput([f"--definition {name}: the files define {found or 'none'}"])
    mappings = {each.topic: each for each in documents.mappings}
    in_force = InForce(0, DefinitionSet(registered), mappings=mappings)
    reading = asyncio.run(_read(settings, question, in_force))
    if not isinstance(reading, ReadEvent):
        return Found(reading)
    return Found(reading, explain_event(reading, registered, in_force, settings.limits(), question.topic))


def _by_registered(settings: InspectionSettings, question: Question, name: str | None) -> Found:
    with registry(settings) as engine:
        in_force = InForce.nothing().updated(DefinitionStore(engine).changes(None))
        everybody = [*in_force.definitions.definitions, *Evidence(engine).disabled()]
        registered = sorted(everybody, key=lambda item: item.definition.name)
        if name is not None:
            registered = [item for item in registered if item.definition.name == name]
            if not registered:
                what = f"There is no definition named {name!r}."
                raise OperationFailed(what, "`taskfactory get definitions` lists all.")
        reading = asyncio.run(_read(settings, question, in_force))
        if not isinstance(reading, ReadEvent):
            letter = reading.id if isinstance(reading, DeadLetter) and question.placed else None
            return Found(
                reading, resolution=None if letter is None else Evidence(engine).resolutions([letter]).get(letter)
            )
        answers = explain_event(reading, registered, in_force, settings.limits(), question.topic)
        facts = asyncio.run(_facts(engine, settings, answers))
    return Found(reading, [answer.settle(facts, placed=question.placed) for answer in answers])


async def _read(settings: InspectionSettings, question: Question, in_force: InForce) -> ReadResult:
    async with event_reader(settings) as reader:
        return await reader.read(question.record, in_force)


async def _facts(engine: Engine, settings: InspectionSettings, answers: Sequence[Answered]) -> Facts:
    evidence = Evidence(engine)
    runs = asked_for(answers)
    keys = {run.run_id: claim_keys(run) for run in runs}
    windowed = [run for run in runs if run.window is not None]
    facts = Facts(
        # Claims first: a claim and its run's row are committed together, so the row of one that was seen is seen too.
        claimed=evidence.claimed({key for pair in keys.values() for key in pair.all}),
        runs=evidence.runs(keys),
        runs_of_events=evidence.runs_of_events({pair.identity for pair in keys.values()}),
        standings=evidence.window_standings(windowed),
        holders=evidence.window_holders(windowed),
        resolutions=evidence.resolutions([answer.letter.key for answer in answers if answer.letter is not None]),
    )
    unknown = [
        run_id for run_id, pair in keys.items() if run_id not in facts.runs and facts.claimed.isdisjoint(pair.all)
    ]
    if not unknown:
        return facts
    try:
        executions = await TemporalExecutions(await temporal(settings)).find(unknown)
    except Unavailable as error:
        raise OperationFailed(
            f"Temporal at {settings.temporal_address} did not say which runs it has: {error.message}.",
            reaching("TASKFACTORY_TEMPORAL_ADDRESS", " and its namespace"),
        ) from error
    return replace(facts, executions=executions)


def _tell(question: Question, found: Found, output: Output, *, everything: bool) -> None:
    match found.reading:
        case ReadEvent() as read:
            _show(question, read, found.answers, output, everything=everything)
        case DeadLetter() as letter:
            _show_unreadable(question, letter, found.resolution, output)
        case NoEvent():
            value = {**_described(question), "passed_over": True, "definitions": []}
            sentence = f"{question.title} is no event, says the topic's mapping: nothing follows from it."
            _show_sentences([sentence], value, output)


def _show_unreadable(question: Question, letter: DeadLetter, resolution: str | None, output: Output) -> None:
    told = {
        "reason": letter.reason,
        "message": letter.message,
        "letter": letter.id if question.placed else None,
        "resolution": resolution,
    }
    sentences = [
        f"{question.title} holds no event that can be read: a dead letter, whatever is defined.",
        f"{letter.reason}: {letter.message}",
    ]
    if question.placed:
        sentences.append(f"letter: {letter.id}" + (f" ({resolution})" if resolution else ""))
    _show_sentences(sentences, {**_described(question), "dead_lettered": told, "definitions": []}, output)


def _show_sentences(sentences: Sequence[str], value: dict[str, Any], output: Output) -> None:
    if output is not Output.TABLE:
        show(output, Table((), ()), value)
        return
    for sentence in sentences:
        typer.echo(sentence)


def _show(
    question: Question, read: ReadEvent, answers: Sequence[Answered], output: Output, *, everything: bool
) -> None:
    ordered = sorted(answers, key=lambda item: (*item.distance, item.registered.definition.name))
    if output is not Output.TABLE:
        values = {**_described(question, read), "definitions": [_value(item, question) for item in ordered]}
        show(output, Table((), ()), values)
        return
    envelope = read.envelope
    subject = f", subject {envelope.subject}" if envelope.subject else ""
    typer.echo(f"{question.title}: {envelope.type} {envelope.id} of {envelope.source}{subject}")
    if question.topic is None:
        typer.echo("no --topic was given: definitions that read certain topics only were asked as well")
    shown = ordered if everything or len(ordered) <= SHORT else [item for item in ordered if not item.of_another_type]
    if shown:
        typer.echo("")
        show(output, _table(shown), [])
    hidden = len(ordered) - len(shown)
    if hidden:
        typer.echo(f"\n{hidden} more definitions want other types of events; --all shows them too")
    if not ordered:
        typer.echo("no definition is registered; `taskfactory apply` registers them")


def _table(answers: Sequence[Answered]) -> Table:
    return Table(
        ("DEFINITION", "ANSWER", "WHY"),
        [
            (
                item.registered.definition.name + (f"@{item.registered.version}" if item.registered.version else ""),
                item.answer.value,
                item.sentence,
            )
            for item in answers
        ],
    )


def _described(question: Question, read: ReadEvent | None = None) -> dict[str, Any]:
    record = question.record
    described: dict[str, Any] = {"topic": question.topic}
    if question.placed:
        described |= {"partition": record.partition, "offset": record.offset, "timestamp": record.timestamp}
    if read is not None:
        envelope = read.envelope
        described["event"] = {
            "source": envelope.source,
            "id": envelope.id,
            "type": envelope.type,
            "subject": envelope.subject,
        }
    return described


def _value(item: Answered, question: Question) -> dict[str, Any]:
    return {
        "name": item.registered.definition.name,
        "version": item.registered.version or None,
        "answer": item.answer.value,
        "sentence": item.sentence,
        "run_id": item.run.run_id if item.run else None,
        "held_by": item.held_by.run_id if item.held_by else None,
        "reason": item.letter.reason if item.letter else None,
        "letter": item.letter.id if item.letter and question.placed else None,
        "resolution": item.resolution,
        "mismatches": [mismatch._asdict() for mismatch in item.mismatches],
    }
