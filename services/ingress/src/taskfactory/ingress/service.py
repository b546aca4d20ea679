"""The wiring of ingress: what is made of what, in which order it starts and ends."""

import asyncio
import os
import secrets
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import cached_property
from typing import Any, Final

from taskfactory.ingress.consumer import RecordConsumer
from taskfactory.ingress.definition_watch import DefinitionWatch
from taskfactory.ingress.deliveries import Delivery
from taskfactory.ingress.effects import Dependencies, Effects, Ports
from taskfactory.ingress.flow import Limits
from taskfactory.ingress.pin_log import Member, PinLog, RevisionLog
from taskfactory.ingress.pipeline import Pipeline
from taskfactory.ingress.retrying import Dependency
from taskfactory.ingress.revision_log import RegistryRevisions
from taskfactory.ingress.settings import IngressSettings
from taskfactory.ingress.shadow_log import RegistryShadows
from taskfactory.ingress.topic_ids import AdminTopicIds
from taskfactory.intake import EventReader, KafkaDeadLetters, KafkaDecisionStream, TemporalStarter, schema_registry
from taskfactory.registry import DefinitionListener, DefinitionStore, ShadowMatches, open_engine
from taskfactory.runtime import Outage, Shared, masked

FLUSH_SECONDS: Final = 5.0
"""How long dead letters under way may take at the end."""
LOAD_SECONDS: Final = 2.0
"""Definitions that are not there by then are worth a line in the log."""


def member_name() -> str:
    """Who decides, in the log of revisions: a new name at every start, so that a restart is no reload to an audit."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


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
        async with AsyncExitStack() as opened:
            engine = open_engine(settings.database_url.get_secret_value(), pool_size=3)
            opened.callback(engine.dispose)
            watch = DefinitionWatch(DefinitionStore(engine).changes, DefinitionListener(engine))
            shared.health.add_check("definitions", watch.problem)
            dead_letters = KafkaDeadLetters(settings.librdkafka(), settings.dlq_topic)
            opened.push_async_callback(asyncio.to_thread, dead_letters.close, FLUSH_SECONDS)
            decisions = None
            if settings.decision_stream:
                decisions = KafkaDecisionStream(settings.librdkafka(), settings.decisions_topic)
                opened.push_async_callback(asyncio.to_thread, decisions.close, FLUSH_SECONDS)
            registry = schema_registry(settings)
            if registry is not None:
                opened.push_async_callback(registry.close)
            client = await shared.temporal(settings)
            if client is not None:
                starter = TemporalStarter(
                    client,
                    settings.orchestrator_queue,
                    eager="orchestrator" in shared.names,
                    max_input_bytes=settings.max_run_input_bytes,
                )
                reader = EventReader(settings.max_event_bytes, registry)
                shadows = RegistryShadows(ShadowMatches(engine).put)
                ports = Ports(reader, starter, dead_letters, decisions, shadows)
                await self._work(shared, watch, ports, RegistryRevisions(engine))

    async def _work(self, shared: Shared, watch: DefinitionWatch, ports: Ports, revisions: RevisionLog) -> None:
        settings = self.settings
        loop = asyncio.get_running_loop()

        def deliver(deliveries: Sequence[Delivery]) -> None:
            loop.call_soon_threadsafe(pipeline.accept, deliveries)

        consumer = RecordConsumer(
            settings.consumer_config(),
            settings.kafka_topics,
            Limits(settings.max_in_flight, settings.max_in_flight_bytes),
            deliver,
            topic_ids=AdminTopicIds(settings.librdkafka()),
        )
        registry = Dependency("registry")
        dependencies = Dependencies(
            schema_registry=Dependency("schema_registry"),
            temporal=Dependency("temporal"),
            dead_letters=Dependency("dead_letters"),
            decisions=Dependency("decisions"),
            registry=registry,
        )
        pipeline = Pipeline(
            lambda: watch.current,
            Effects(ports, dependencies, settings.max_concurrent_starts),
            consumer,
            PinLog(revisions, registry, Member(settings.kafka_group_id, member_name())),
            settings.pipeline_limits(),
        )
        shared.health.add_check("kafka", consumer.problem)
        shared.health.add_check("schema_registry", dependencies.schema_registry.problem)
        shared.health.add_check("starts", dependencies.temporal.problem)
        shared.health.add_check("dead_letters", dependencies.dead_letters.problem)
        shared.health.add_check("registry", registry.problem)
        shared.health.add_check("decisions", dependencies.decisions.problem)
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
