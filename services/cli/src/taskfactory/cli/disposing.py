"""What redrive and replay share: everything that makes a decision durable."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from taskfactory.cli.away import told_when_away
from taskfactory.cli.reading import event_reader
from taskfactory.cli.settings import CliSettings
from taskfactory.cli.temporal import starter, temporal
from taskfactory.intake import Disposer, KafkaDeadLetters, Pace, RehearsedLetters, RehearsedStarts

FLUSH_SECONDS: Final = 5.0
GO_ON: Final = "What was done stays done; run the command again to go on."


@asynccontextmanager
async def disposing(settings: CliSettings, rate: float, *, dry_run: bool) -> AsyncIterator[Disposer]:
    """What disposes of records, connected, for the length of the block.

    Args:
        settings: where Temporal and Kafka are, and limits.
        rate: starts and dead letters per second at most.
        dry_run: nothing is started or written, and Temporal is not asked.

    Raises:
        BadInput: the schema registry's settings are wrong.
        OperationFailed: a server was away for too long, now or within the block.
    """
    async with AsyncExitStack() as opened:
        reader = await opened.enter_async_context(event_reader(settings))
        if dry_run:
            yield Disposer(reader, RehearsedStarts(), RehearsedLetters(), settings.decision_limits, Pace(math.inf))
            return
        client = await opened.enter_async_context(temporal(settings))
        dead_letters = KafkaDeadLetters(settings.librdkafka(), settings.dlq_topic)
        opened.push_async_callback(asyncio.to_thread, dead_letters.close, FLUSH_SECONDS)
        with told_when_away(settings, GO_ON):
            yield Disposer(reader, starter(client, settings), dead_letters, settings.decision_limits, Pace(rate))
