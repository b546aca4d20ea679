"""What `taskfactory.intake` needs to look into topics and to start runs, opened for one request."""

import asyncio
import math
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from taskfactory.admin.services import Services
from taskfactory.intake import (
    Disposer,
    History,
    KafkaDeadLetters,
    Pace,
    PastEvents,
    RehearsedLetters,
    RehearsedStarts,
    Rerunner,
    TemporalStarter,
    load_in_force,
    open_history,
)
from taskfactory.intake.explaining import open_reader
from taskfactory.registry import DedupeStore

FLUSH_SECONDS: Final = 5.0


@asynccontextmanager
async def history_of(services: Services) -> AsyncIterator[History]:
    """Topics' histories; connecting and closing happen in threads.

    Raises:
        KafkaException: librdkafka refuses the configuration.
    """
    opened = open_history(services.settings.librdkafka())
    history = await asyncio.to_thread(opened.__enter__)
    try:
        yield history
    finally:
        await asyncio.to_thread(opened.__exit__, None, None, None)


async def starter_of(services: Services) -> TemporalStarter:
    """What starts runs as ingress does.

    Raises:
        Unavailable: Temporal does not answer.
    """
    settings = services.settings
    return TemporalStarter(
        await services.temporal(),
        settings.orchestrator_queue,
        eager=False,
        max_input_bytes=settings.max_run_input_bytes,
    )


@asynccontextmanager
async def rerunner_of(services: Services) -> AsyncIterator[Rerunner]:
    """Runs ended runs again.

    Raises:
        Unavailable: Temporal does not answer.
    """
    async with AsyncExitStack() as opened:
        starter = await starter_of(services)
        # What was let through once may be larger than what is let through now.
        reader = await opened.enter_async_context(open_reader(services.settings, sys.maxsize))
        # Connects when it is first asked: most often Temporal remembers, and Kafka need not be there.
        history = await opened.enter_async_context(history_of(services))
        in_force = await asyncio.to_thread(load_in_force, services.engine)
        present = await asyncio.to_thread(services.definitions.list)
        yield Rerunner(
            {row.id: row for row in present},
            definitions=services.definitions,
            dedupe=DedupeStore(services.engine),
            client=await services.temporal(),
            starter=starter,
            events=lambda: PastEvents(history, reader, in_force),
        )


@asynccontextmanager
async def disposer_of(services: Services, rate: float, *, dry_run: bool) -> AsyncIterator[Disposer]:
    """Makes decisions about records durable; in a dry run nothing is started or written, and Temporal is not asked.

    Args:
        services: say where everything is.
        rate: starts and dead letters per second at most.
        dry_run: only say what would be done.

    Raises:
        Unavailable: Temporal does not answer.
        KafkaException: librdkafka refuses the configuration.
    """
    settings = services.settings
    async with AsyncExitStack() as opened:
        reader = await opened.enter_async_context(open_reader(settings, settings.max_event_bytes))
        if dry_run:
            yield Disposer(reader, RehearsedStarts(), RehearsedLetters(), settings.decision_limits, Pace(math.inf))
            return
        starter = await starter_of(services)
        dead_letters = KafkaDeadLetters(settings.librdkafka(), settings.dlq_topic)
        opened.push_async_callback(asyncio.to_thread, dead_letters.close, FLUSH_SECONDS)
        yield Disposer(reader, starter, dead_letters, settings.decision_limits, Pace(rate))
