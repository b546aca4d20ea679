"""`taskfactory explain`: why an event does, or does not, start runs; one answer for every definition."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

from taskfactory.cli.alike import unknown_definition
from taskfactory.cli.database import registry
from taskfactory.cli.documents import read_documents
from taskfactory.cli.errors import BadInput, OperationFailed
from taskfactory.cli.explanation_shown import tell
from taskfactory.cli.history import history
from taskfactory.cli.options import OnlyDefinition
from taskfactory.cli.output import Output, OutputOption
from taskfactory.cli.reading import event_reader
from taskfactory.cli.settings import CliSettings
from taskfactory.cli.temporal import temporal
from taskfactory.cli.topic_options import OneOffset, OnePartition
from taskfactory.definitions import Documents
from taskfactory.intake.executions import TemporalExecutions
from taskfactory.intake.explaining import (
    Explained,
    Explainer,
    NobodyToAsk,
    NoRecord,
    Question,
    explain_by_drafts,
    given_event,
    record_at,
)


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
        explained = asyncio.run(_by_drafts(documents, settings, question, definition))
    else:
        explained = asyncio.run(_by_registered(settings, question, definition))
    tell(question, explained, output, everything=everything)


def _question(
    settings: CliSettings, event: str | None, topic: str | None, partition: int | None, offset: int | None
) -> Question:
    if event is not None:
        if partition is not None or offset is not None:
            raise BadInput(["--event is a file: leave out --partition and --offset, or leave out --event"])
        return given_event(_one_event(event), topic)
    if topic is None or partition is None or offset is None:
        raise BadInput(["say which event: --event FILE, or --topic, --partition and --offset of a record"])
    with history(settings) as past:
        try:
            return record_at(past, topic, partition, offset)
        except NoRecord as error:
            raise OperationFailed(str(error)) from error


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


async def _by_drafts(documents: Documents, settings: CliSettings, question: Question, name: str | None) -> Explained:
    async with event_reader(settings) as reader:
        try:
            return await explain_by_drafts(reader, settings.decision_limits, question, documents, name)
        except NobodyToAsk as error:
            found = ", ".join(error.known)
            raise BadInput([f"--definition {name}: the files define {found or 'none'}"]) from error


async def _by_registered(settings: CliSettings, question: Question, name: str | None) -> Explained:
    async with AsyncExitStack() as opened:
        engine = opened.enter_context(registry(settings))
        reader = await opened.enter_async_context(event_reader(settings))

        async def executions() -> TemporalExecutions:
            return TemporalExecutions(await opened.enter_async_context(temporal(settings)))

        try:
            return await Explainer(engine, reader, settings.decision_limits, executions).explain(question, name)
        except NobodyToAsk as error:
            raise unknown_definition(error.name, error.known) from error
