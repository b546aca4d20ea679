"""`taskfactory explain`: why an event does, or does not, start runs; one answer for every definition."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from taskfactory.cli.api_client import admin_api
from taskfactory.cli.errors import BadInput, NotFound
from taskfactory.cli.explanation_shown import tell
from taskfactory.cli.options import OneOffset, OnePartition, OnlyDefinition
from taskfactory.cli.output import Output, OutputOption
from taskfactory.cli.standing import require_known


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
    place = None if partition is None and offset is None else (partition, offset)
    if event is not None and place is not None:
        raise BadInput(["--event is a file: leave out --partition and --offset, or leave out --event"])
    if event is None and (topic is None or place is None or None in place):
        raise BadInput(["say which event: --event FILE, or --topic, --partition and --offset of a record"])
    content = None if event is None else _one_event(event)
    if file:
        # Loads Kafka and Temporal, which nothing else here needs.
        from taskfactory.cli.explain_drafts import explained_by_drafts  # noqa: PLC0415

        tell(explained_by_drafts(file, content, place, topic, definition), output, everything=everything)
        return
    asked: dict[str, Any] = {"topic": topic, "definition": definition}
    if content is None:
        asked |= {"partition": partition, "offset": offset}
    else:
        asked |= {"event": _json(event, content)}
    tell(_asked_of_the_api(asked, definition), output, everything=everything)


def _asked_of_the_api(asked: dict[str, Any], definition: str | None) -> Any:
    with admin_api() as api:
        try:
            return api.question("/v1/explain", {name: value for name, value in asked.items() if value is not None})
        except NotFound:
            require_known(api, definition)
            raise


def _json(source: str | None, content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        allowed = "allowed is one CloudEvent in JSON, or what a topic with a mapping carries"
        other = "A record is explained where it lies: --topic, --partition and --offset"
        raise BadInput([f"{source}: no JSON: {error}; {allowed}. {other}"]) from error


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
