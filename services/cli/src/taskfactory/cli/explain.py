"""`taskfactory explain`: why an event does, or does not, start runs; one answer for every definition."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
from sqlalchemy import Engine

from taskfactory.cli.apply import read_documents
from taskfactory.cli.database import registry
from taskfactory.cli.errors import BadInput, OperationFailed
from taskfactory.cli.explanation_shown import Found, Question, tell
from taskfactory.cli.history import history
from taskfactory.cli.named import unknown_definition
from taskfactory.cli.options import OneOffset, OnePartition, OnlyDefinition
from taskfactory.cli.output import Output, OutputOption
from taskfactory.cli.reading import event_reader
from taskfactory.cli.settings import CliSettings
from taskfactory.cli.temporal import temporal
from taskfactory.definitions import DefinitionSet, Documents, RegisteredDefinition
from taskfactory.intake import DeadLetter, InForce, ReadEvent, ReadResult, Record, load_in_force
from taskfactory.intake.executions import TemporalExecutions
from taskfactory.intake.explanation import Answered, Facts, asked_for, explain_event
from taskfactory.intake.history import History
from taskfactory.intake.positions import AtOffset, Earliest, Latest
from taskfactory.registry import Evidence, claim_keys

STRUCTURED: Final = (("content-type", b"application/cloudevents+json"),)


def explain(  # noqa: PLR0913 -- one parameter per option
    event: Annotated[
        str | None,
        typer.Option("--event", "-e", help="File with one CloudEvent in JSON, or a mapped record's value; - is stdin."),
    ] = None,
    *,
    topic: Annotated[str | None, typer.Option("--topic", "-t", help="Where the record is, or would be read.")] = None,
    partition: OnePartition = None,
    offset: OneOffset = None,
    definition: OnlyDefinition = None,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", help="Ask the definitions of these files, not the registered ones; repeatable."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show definitions of other event types too.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say for every definition what it makes of an event, and why.

    The event is a record (--topic, --partition and --offset) or a file (--event, with --topic if definitions are bound
    to topics, or if the file is what a topic with a mapping carries). Nothing is started or written. With --file
    nothing is looked up either, so that drafts can be tried where there is no registry.
    """
    settings = CliSettings()
    documents = read_documents(file) if file else None
    question = _question(settings, event, topic, partition, offset)
    if documents is not None:
        found = _by_drafts(documents, settings, question, definition)
    else:
        found = _by_registered(settings, question, definition)
    tell(question, found, output, everything=everything)


def _question(
    settings: CliSettings, event: str | None, topic: str | None, partition: int | None, offset: int | None
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
        one = f"`sed -n 1p {name} | taskfactory explain --event -`" if source != "-" else "one of the lines"
        raise BadInput([f"{name}: found {len(lines)} events; one is explained at a time, so give {one}"])
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


def _by_drafts(documents: Documents, settings: CliSettings, question: Question, name: str | None) -> Found:
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
    return Found(reading, explain_event(reading, registered, in_force, settings.decision_limits, question.topic))


def _by_registered(settings: CliSettings, question: Question, name: str | None) -> Found:
    with registry(settings) as engine:
        in_force = load_in_force(engine)
        everybody = [*in_force.definitions.definitions, *Evidence(engine).disabled()]
        registered = sorted(everybody, key=lambda item: item.definition.name)
        if name is not None:
            registered = [item for item in registered if item.definition.name == name]
            if not registered:
                raise unknown_definition(name, (item.definition.name for item in everybody))
        reading = asyncio.run(_read(settings, question, in_force))
        if not isinstance(reading, ReadEvent):
            letter = reading.id if isinstance(reading, DeadLetter) and question.placed else None
            return Found(
                reading, resolution=None if letter is None else Evidence(engine).resolutions([letter]).get(letter)
            )
        answers = explain_event(reading, registered, in_force, settings.decision_limits, question.topic)
        facts = asyncio.run(_facts(engine, settings, answers))
    return Found(reading, [answer.settle(facts, placed=question.placed) for answer in answers])


async def _read(settings: CliSettings, question: Question, in_force: InForce) -> ReadResult:
    async with event_reader(settings) as reader:
        return await reader.read(_as_on_topic(question, in_force), in_force)


def _as_on_topic(question: Question, in_force: InForce) -> Record:
    """The record, or the file as a record: with a mapping, what is no CloudEvent does not say it were one."""
    record = question.record
    plain = not question.placed and record.topic in in_force.mappings and not _is_cloudevent(record.value or b"")
    return replace(record, headers=()) if plain else record


def _is_cloudevent(content: bytes) -> bool:
    """Whether it is meant as one: JSON with a `specversion`, which every CloudEvent has to have."""
    return _is_object(content) and "specversion" in json.loads(content)


async def _facts(engine: Engine, settings: CliSettings, answers: Sequence[Answered]) -> Facts:
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
    async with temporal(settings) as client:
        return replace(facts, executions=await TemporalExecutions(client).find(unknown))
