"""The wiring of ingress: what is made of what, in which order it starts and ends."""

import asyncio
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

from temporalio.client import Client

from taskfactory.ingress.consumer import RecordConsumer
from taskfactory.ingress.definition_watch import DefinitionWatch
from taskfactory.ingress.deliveries import Delivery
from taskfactory.ingress.flow import Limits
from taskfactory.ingress.pipeline import Pipeline, PipelineLimits
from taskfactory.ingress.retrying import Dependency
from taskfactory.ingress.settings import IngressSettings
from taskfactory.intake import DeadLetterSink, KafkaDeadLetters, TemporalStarter
from taskfactory.registry import DefinitionListener, DefinitionStore, open_engine
from taskfactory.runtime import Outage, Shared, masked

FLUSH_SECONDS: Final = 5.0
"""How long dead letters under way may take at the end."""
LOAD_SECONDS: Final = 2.0
"""Definitions that are not there by then are worth a line in the log."""


class Ingress:
    """Consumes events and starts the runs that follow from them."""

    name = "ingress"

    @cached_property
    def settings(self) -> IngressSettings:
        """Read from the environment, once."""
        return IngressSettings()

    async def run(self, shared: Shared) -> None:
        """Work until asked to stop; then let the records under way end, commit, and close, last opened first.

        Raises:
            ExceptionGroup: a part broke for good; the process must not go on without it.
            KafkaException: librdkafka refuses the configuration.
        """
        settings = self.settings
        shared.health.add_check("kafka", lambda: "not consuming yet")
        engine = open_engine(settings.database_url.get_secret_value(), pool_size=2)
        watch = DefinitionWatch(DefinitionStore(engine).changes, DefinitionListener(engine))
        shared.health.add_check("definitions", watch.problem)
        dead_letters = KafkaDeadLetters(settings.dead_letter_config(), settings.dlq_topic)
        try:
            client = await shared.temporal(settings)
            if client is not None:
                await self._work(shared, client, watch, dead_letters)
        finally:
            await asyncio.to_thread(dead_letters.close, FLUSH_SECONDS)
            engine.dispose()

    async def _work(self, shared: Shared, client: Client, watch: DefinitionWatch, dead_letters: DeadLetterSink) -> None:
        settings = self.settings
        loop = asyncio.get_running_loop()

        def deliver(deliveries: Sequence[Delivery]) -> None:
            loop.call_soon_threadsafe(pipeline.accept, deliveries)

        consumer = RecordConsumer(
            settings.consumer_config(),
            settings.kafka_topics,
            Limits(settings.max_in_flight, settings.max_in_flight_bytes),
            deliver,
        )
        temporal, kafka = Dependency("temporal"), Dependency("dead_letters")
        pipeline = Pipeline(
            lambda: watch.current,
            TemporalStarter(
                client,
                settings.orchestrator_queue,
                eager="orchestrator" in shared.names,
                max_input_bytes=settings.max_run_input_bytes,
            ),
            dead_letters,
            consumer.settle,
            PipelineLimits(settings.decision_limits, settings.max_concurrent_starts),
            temporal=temporal,
            kafka=kafka,
        )
        shared.health.add_check("kafka", consumer.problem)
        shared.health.add_check("starts", temporal.problem)
        shared.health.add_check("dead_letters", kafka.problem)
        async with asyncio.TaskGroup() as parts:
            background = [parts.create_task(watch.follow()), parts.create_task(pipeline.run())]
            await self._consume(shared, watch, consumer)
            for part in background:
                part.cancel()

    async def _consume(self, shared: Shared, watch: DefinitionWatch, consumer: RecordConsumer) -> None:
        stopping, loaded = asyncio.create_task(shared.stop.wait()), asyncio.create_task(watch.loaded.wait())
        first = {stopping, loaded}
        done, _ = await asyncio.wait(first, timeout=LOAD_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            where = str(masked("database_url", self.settings.database_url))
            outage = Outage("database", where, "TASKFACTORY_DATABASE_URL and that `taskfactory migrate` was run")
            outage.away("no definitions could be read yet")
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if loaded.done():
                outage.back()
        loaded.cancel()
        if shared.stop.is_set():
            return
        consumer.start()
        ended = asyncio.wrap_future(consumer.finished)
        try:
            running: set[asyncio.Future[Any]] = {stopping, ended}
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            consumer.stop(self.settings.drain_timeout)
            await ended
        except asyncio.CancelledError:
            # Another part broke: leave the group at once, so that other members need not wait for a timeout.
            consumer.stop(0)
            await asyncio.wait({ended}, timeout=FLUSH_SECONDS)
            raise
        finally:
            stopping.cancel()
