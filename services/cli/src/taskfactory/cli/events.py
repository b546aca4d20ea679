"""`taskfactory events`: produce events from a file, checked as the ingress would check them."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from taskfactory.cli import kafka_setup
from taskfactory.cli.errors import BadInput, CommandFailed
from taskfactory.cli.kafka import BrokerSettings, has_topic, kafka, no_topic
from taskfactory.cli.output import counted
from taskfactory.envelope import EventEnvelope, InvalidEnvelope, decode
from taskfactory.envelope.kafka import DeliveryFailed, EnvelopeProducer

SHOWN_FAILURES: Final = 10

app = typer.Typer(name="events", help="Produce events.", no_args_is_help=True, add_completion=False)


class WireFormat(StrEnum):
    """How an event is written into its record."""

    STRUCTURED = "structured"
    BINARY = "binary"
    AVRO = "avro"


@app.callback()
def events() -> None:
    """Produce events."""


@app.command()
def send(
    file: Annotated[str, typer.Option("--file", "-f", help="One CloudEvent in JSON per line; - reads stdin.")],
    topic: Annotated[str, typer.Option("--topic", "-t", help="Where to send them.")],
    wire_format: Annotated[
        WireFormat, typer.Option("--format", help="CloudEvents JSON or binary mode, or Avro single-object.")
    ] = WireFormat.STRUCTURED,
    *,
    create_topic: Annotated[bool, typer.Option("--create-topic", help="Create the topic if it is missing.")] = False,
) -> None:
    """Send events from a file and wait until Kafka has acknowledged all of them.

    All lines are checked first; one that is no valid CloudEvent, and nothing is sent. Records are keyed by
    `partitionkey`, otherwise by `subject`.
    """
    name = "stdin" if file == "-" else file
    numbered = read_events(_lines(file), name)
    envelopes = [envelope for _, envelope in numbered]
    settings = BrokerSettings()
    with kafka(settings) as admin, EnvelopeProducer(settings.librdkafka()) as producer:
        if not has_topic(admin, topic):
            if not create_topic:
                hint = "Create it, or let --create-topic do it with the broker's defaults."
                raise no_topic(admin, topic, settings, hint)
            kafka_setup.create_topic(admin, topic, {})
        try:
            producer.send(topic, envelopes, fmt=wire_format.value)
        except InvalidEnvelope as error:
            raise BadInput([f"{name}: {error.message}"]) from error
        except DeliveryFailed as error:
            numbers = [number for number, _ in numbered]
            places = [f"{name}:{numbers[failure.index]}: {failure.reason}" for failure in error.failures]
            raise _NotSent(topic, len(envelopes), places) from error
    typer.echo(f"sent {counted(len(envelopes), 'event')} to {topic} at {settings.kafka_bootstrap_servers}")


class _NotSent(CommandFailed):
    def __init__(self, topic: str, count: int, places: Sequence[str]) -> None:
        sent = f"Kafka acknowledged {count - len(places)} of {count} events for {topic!r}"
        super().__init__(
            [
                *_first(places),
                f"{sent}; sending the file again is safe, its events keep their ids",
            ]
        )


def read_events(lines: Sequence[bytes], name: str) -> list[tuple[int, EventEnvelope]]:
    """Check every line as the ingress checks a record; blank lines are skipped.

    Args:
        lines: each one event in the CloudEvents JSON format.
        name: of the file, for messages.

    Returns:
        The events with their line numbers, from 1.

    Raises:
        BadInput: counts the lines that are no valid events, and lists the first of them.
    """
    numbered: list[tuple[int, EventEnvelope]] = []
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            numbered.append((number, decode(line, [("content-type", b"application/cloudevents+json")])))
        except InvalidEnvelope as error:
            problems.append(f"{name}:{number}: {error.message} ({error.code})")
    if problems:
        count = f"{len(problems)} of {len(problems) + len(numbered)} events are not valid"
        raise BadInput([*_first(problems), f"nothing was sent: {count}"])
    return numbered


def _first(problems: Sequence[str]) -> list[str]:
    more = len(problems) - SHOWN_FAILURES
    return [*problems[:SHOWN_FAILURES], *([f"… and {more} more"] if more > 0 else [])]


def _lines(file: str) -> list[bytes]:
    if file == "-":
        return sys.stdin.buffer.read().split(b"\n")
    try:
        return Path(file).read_bytes().split(b"\n")
    except OSError as error:
        raise BadInput([f"{file}: {error.strerror}"]) from error
