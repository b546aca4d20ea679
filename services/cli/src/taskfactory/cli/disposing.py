"""What redrive and replay share: settings, consent, and everything that makes a decision durable."""

import asyncio
import math
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import typer

from taskfactory.cli.errors import BadInput, CommandFailed, OperationFailed
from taskfactory.cli.settings import reaching
from taskfactory.intake import (
    Disposer,
    EventReader,
    IntakeSettings,
    KafkaDeadLetters,
    Pace,
    RehearsedLetters,
    RehearsedStarts,
    TemporalStarter,
    Unavailable,
    WriterFailed,
    schema_registry,
)
from taskfactory.runtime import DatabaseSettings, TemporalSettings
from taskfactory.runtime.temporal import connect, connection_error

FEW: Final = 10
"""More than so many at once want a yes."""
DEFAULT_RATE: Final = 100.0
"""Starts and dead letters per second: well below what a namespace of Temporal takes by default beside the traffic."""
FLUSH_SECONDS: Final = 5.0


class DisposingSettings(IntakeSettings, DatabaseSettings, TemporalSettings):
    """What decides about a record must be set as it is for ingress: both read the same variables."""


class Interrupted(CommandFailed):
    """Ctrl-C: what was done stays done."""

    exit_status = 130


@asynccontextmanager
async def disposing(settings: DisposingSettings, rate: float, *, dry_run: bool) -> AsyncIterator[Disposer]:
    """What disposes of records, connected, for the length of the block.

    Args:
        settings: where Temporal and Kafka are, and limits.
        rate: starts and dead letters per second at most.
        dry_run: nothing is connected, and nothing happens.

    Raises:
        OperationFailed: Temporal or Kafka was away for too long, now or within the block.
    """
    async with AsyncExitStack() as opened:
        registry = schema_registry(settings)
        if registry is not None:
            opened.push_async_callback(registry.close)
        reader = EventReader(settings.max_event_bytes, registry)
        if dry_run:
            yield Disposer(reader, RehearsedStarts(), RehearsedLetters(), settings.decision_limits, Pace(math.inf))
            return
        try:
            client = await connect(settings)
        except (RuntimeError, OSError) as error:
            raise OperationFailed(
                f"Temporal at {settings.temporal_address} could not be used: {connection_error(error)}.",
                reaching("TASKFACTORY_TEMPORAL_ADDRESS", " and its credentials"),
            ) from error
        starter = TemporalStarter(
            client, settings.orchestrator_queue, eager=False, max_input_bytes=settings.max_run_input_bytes
        )
        dead_letters = KafkaDeadLetters(settings.librdkafka(), settings.dlq_topic)
        opened.push_async_callback(asyncio.to_thread, dead_letters.close, FLUSH_SECONDS)
        try:
            yield Disposer(reader, starter, dead_letters, settings.decision_limits, Pace(rate))
        except (Unavailable, WriterFailed) as error:
            raise OperationFailed(
                f"It can't go on: {error}.", "What was done stays done; run the command again to go on."
            ) from error


def require_consent(what: str, count: int, *, given: bool) -> None:
    """Let a command that does much begin only if somebody wants it to.

    Args:
        what: would be done, with the number, as the beginning of a sentence.
        count: of letters or records.
        given: `--yes`, or a dry run.

    Raises:
        BadInput: nobody is there to ask.
        typer.Exit: the one who was asked said no.
    """
    if given or count <= FEW:
        return
    if not sys.stdin.isatty():
        raise BadInput([f"{what}; add --yes to do it, or --dry-run to see what would come of it"])
    if not typer.confirm(f"{what}. Go on?"):
        raise typer.Exit(1)
