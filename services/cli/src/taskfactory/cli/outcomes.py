"""`taskfactory outcomes`: read what tasks and runs ended with, as it is published."""

import json
import sys
import threading
from contextlib import suppress
from enum import StrEnum
from typing import Annotated

import typer
from confluent_kafka.admin import AdminClient
from pydantic import ValidationError

from taskfactory.cli.errors import OperationFailed
from taskfactory.cli.kafka import BrokerSettings, has_topic, kafka, no_topic
from taskfactory.envelope import TYPE_PREFIX, EventEnvelope, InvalidEnvelope, Outcome
from taskfactory.envelope.kafka import Subscription, subscribe

app = typer.Typer(name="outcomes", help="Read outcomes.", no_args_is_help=True, add_completion=False)


class Format(StrEnum):
    """How an outcome is printed: it comes line by line, so as no table."""

    TEXT = "text"
    JSON = "json"


@app.callback()
def outcomes() -> None:
    """Read outcomes."""


@app.command()
def tail(
    count: Annotated[int | None, typer.Option("--count", min=1, help="End after so many; default: never.")] = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="json: one CloudEvent per line.")] = Format.TEXT,
    timeout: Annotated[float | None, typer.Option("--timeout", min=0, help="End after so many seconds.")] = None,
    *,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="Start with the oldest.")] = False,
) -> None:
    """Print outcomes as they are published, from now on or from the beginning.

    With both --count and --timeout the exit status is 1 when fewer outcomes came in time.
    """
    settings = BrokerSettings()
    with (
        kafka(settings) as admin,
        _subscribed(admin, settings, from_beginning=from_beginning) as subscription,
        suppress(KeyboardInterrupt),
    ):
        if sys.stderr.isatty():
            at = f"{settings.outcomes_topic!r} at {settings.kafka_bootstrap_servers}"
            typer.echo(f"Outcomes of {at} follow; Ctrl-C ends it.", err=True)
        timer = threading.Timer(timeout or 0, subscription.close)
        if timeout is not None:
            timer.daemon = True
            timer.start()
        received = _print(subscription, count, output)
        timer.cancel()
        if count is not None and received < count:
            raise OperationFailed(
                f"{received} of {count} outcomes came from {settings.outcomes_topic!r} within {timeout:g} s."
            )


def _subscribed(admin: AdminClient, settings: BrokerSettings, *, from_beginning: bool) -> Subscription:
    if not has_topic(admin, settings.outcomes_topic):
        hint = "`taskfactory migrate` creates it; TASKFACTORY_OUTCOMES_TOPIC names another."
        raise no_topic(admin, settings.outcomes_topic, settings, hint)
    return subscribe(settings.librdkafka(), [settings.outcomes_topic], from_beginning=from_beginning)


def _print(subscription: Subscription, count: int | None, output: Format) -> int:
    printed = 0
    for record in subscription:
        try:
            envelope = record.envelope
        except InvalidEnvelope as error:
            place = f"{record.topic}[{record.partition}]@{record.offset}"
            typer.echo(f"{place}: not an envelope: {error.message}", err=True)
            continue
        text = json.dumps(envelope.to_json_dict(), ensure_ascii=False) if output is Format.JSON else line(envelope)
        typer.echo(text)
        printed += 1
        if printed == count:
            break
    return printed


def line(envelope: EventEnvelope) -> str:
    """An outcome in one line: when, what ended and how, of which run, and with what."""
    when = envelope.time or "-"
    what = envelope.type.removeprefix(TYPE_PREFIX)
    try:
        outcome = Outcome.model_validate(envelope.data)
    except ValidationError:
        return f"{when}  {what}  {envelope.source} {envelope.id}"
    name = outcome.activity.name
    task = outcome.task
    if task is None:
        counts = ", ".join(f"{number} {status}" for status, number in (outcome.run.tasks or {}).items())
        told = str(outcome.run.error.message) if outcome.run.error else counts
    else:
        name += f"/{task.name}" + ("" if task.index is None else f"[{task.index}]")
        told = task.error.message if task.error else json.dumps(task.result, ensure_ascii=False)
    return f"{when}  {what:<14}  {name}  {outcome.run.id}  {told}".rstrip()
