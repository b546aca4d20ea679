"""An installation of its own for a test: topics, a group, a migrated database, a task queue."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic  # the admin module does not export it
from temporalio.client import Client

from taskfactory.cli.temporal_setup import prepare_namespace
from taskfactory.definitions import parse_definition
from taskfactory.ingress.service import Ingress
from taskfactory.registry import Applied, DefinitionStore, migrate, open_engine
from taskfactory.runtime import Shared, TemporalSettings, connect
from tests.conftest import RunningStack

STRUCTURED = [("content-type", b"application/cloudevents+json")]


def headers_of(message: Message) -> dict[str, bytes | None]:
    return dict(cast("list[tuple[str, bytes | None]]", message.headers() or ()))


async def eventually(condition: Callable[[], Any], what: str, within: float = 30.0) -> Any:
    """The condition's first true value; for servers, which have no event of ours to wait for."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}; last seen: {value!r}"
        await asyncio.sleep(0.02)
    return value


def event(number: int, type: str = "order", **attributes: Any) -> bytes:  # noqa: A002 -- CloudEvents' name
    given = {"specversion": "1.0", "id": f"e-{number}", "source": "/shop", "type": type, "data": {"number": number}}
    return json.dumps(given | attributes).encode()


@dataclass
class Site:
    """One installation of ingress on the real stack."""

    stack: RunningStack
    partitions: int = 1

    def __post_init__(self) -> None:
        self.topic = self.stack.topic("events", self.partitions)
        self.dlq = self.stack.topic("dlq", config={"max.message.bytes": "200000"})
        self.group = self.stack.name("group")
        self.queue = self.stack.name("orchestrator")
        self.database_url = self.stack.database()
        self.engine = open_engine(self.database_url)
        migrate(self.engine)

    @property
    def env(self) -> dict[str, str]:
        return {
            **self.stack.endpoints.env(),
            "TASKFACTORY_KAFKA_TOPICS": self.topic,
            "TASKFACTORY_KAFKA_GROUP_ID": self.group,
            "TASKFACTORY_DLQ_TOPIC": self.dlq,
            "TASKFACTORY_DATABASE_URL": self.database_url,
            "TASKFACTORY_ORCHESTRATOR_QUEUE": self.queue,
            "TASKFACTORY_METRICS_HOST": "127.0.0.1",
            "TASKFACTORY_METRICS_PORT": "0",
        }

    def apply(self, name: str, match: dict[str, Any], **trigger: Any) -> Applied:
        definition = parse_definition(
            {
                "apiVersion": "taskfactory/v1",
                "kind": "ActivityDefinition",
                "name": name,
                "trigger": {"type": "event", "match": match, **trigger},
                "tasks": [{"name": "only", "type": "activity", "handler": "handle", "queue": "nobody"}],
            }
        )
        [applied] = DefinitionStore(self.engine).apply([definition], "tests")
        return applied

    def produce(self, *values: bytes | None, headers: Any = STRUCTURED, **record: Any) -> None:
        servers = self.stack.endpoints.kafka_bootstrap_servers
        producer = Producer({"bootstrap.servers": servers, "message.max.bytes": "10000000", "linger.ms": "5"})
        failures = []
        for number, value in enumerate(values):
            producer.produce(
                self.topic,
                value,
                headers=headers,
                on_delivery=lambda error, _: failures.append(error) if error else None,
                **{"key": str(number), **record},
            )
            producer.poll(0)
        assert producer.flush(30) == 0
        assert not failures

    def committed(self) -> dict[int, int]:
        """The group's committed offset of every partition that has one.

        Asked through a consumer: librdkafka 2.16's admin client crashes when the group's coordinator answers with an
        error, as it does while it loads.
        """
        return {commit.partition: commit.offset for commit in self.commits() if commit.offset >= 0}

    def commits(self) -> list[TopicPartition]:
        """The group's commits with their metadata."""
        wanted = [TopicPartition(self.topic, partition) for partition in range(self.partitions)]
        return self.reader.committed(wanted, timeout=20)

    def recreate(self) -> None:
        """Delete the topic and create it again, with the same name and partitions."""
        admin = AdminClient({"bootstrap.servers": self.stack.endpoints.kafka_bootstrap_servers})
        for future in admin.delete_topics([self.topic], operation_timeout=30).values():
            future.result(30)
        deadline = time.monotonic() + 30
        while self.topic in admin.list_topics(timeout=10).topics:
            assert time.monotonic() < deadline
        for future in admin.create_topics([NewTopic(self.topic, self.partitions, 1)]).values():
            future.result(30)

    def end_offsets(self) -> dict[int, int]:
        """End offset of every partition that has records."""
        ends = {
            partition: self.reader.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=10)[1]
            for partition in range(self.partitions)
        }
        return {partition: end for partition, end in ends.items() if end}

    async def dead_letters(self, count: int) -> list[Message]:
        """The first so many dead letters, once they are there."""
        return await asyncio.to_thread(self._dead_letters, count)

    def _dead_letters(self, count: int) -> list[Message]:
        consumer = self._consumer("unused")
        try:
            consumer.assign([TopicPartition(self.dlq, 0, 0)])
            found = consumer.consume(count, 30)
        finally:
            consumer.close()
        assert len(found) == count, f"{len(found)} dead letters instead of {count}"
        assert not [message.error() for message in found if message.error()]
        return found

    @cached_property
    def reader(self) -> Consumer:
        """Asks about the group without ever joining it."""
        return self._consumer(self.group)

    def _consumer(self, group: str) -> Consumer:
        servers = self.stack.endpoints.kafka_bootstrap_servers
        return Consumer({"bootstrap.servers": servers, "group.id": group, "enable.auto.commit": "false"})

    def close(self) -> None:
        self.engine.dispose()
        self.reader.close()

    @asynccontextmanager
    async def running(
        self, monkeypatch: pytest.MonkeyPatch, env: Mapping[str, str] | None = None
    ) -> AsyncIterator[Shared]:
        """Ingress in this process, from ready to drained."""
        for name, value in {**self.env, **(env or {})}.items():
            monkeypatch.setenv(name, value)
        shared = Shared(["ingress"])
        running = asyncio.create_task(Ingress().run(shared))
        await asyncio.sleep(0)  # lets it register its readiness checks
        try:
            await eventually(lambda: running.done() or not shared.health.problems(), "ingress is ready")
            if running.done():
                running.result()
            yield shared
        finally:
            shared.stop.set()
            await running


@pytest.fixture
def site(stack: RunningStack) -> Iterator[Site]:
    site = Site(stack)
    yield site
    site.close()


@pytest.fixture
def wide_site(stack: RunningStack) -> Iterator[Site]:
    site = Site(stack, partitions=4)
    yield site
    site.close()


@pytest.fixture
async def temporal(stack: RunningStack) -> Client:
    """A client of the stack's namespace, which has the search attributes that `taskfactory migrate` adds."""
    endpoints = stack.endpoints.env()
    client = await connect(
        TemporalSettings(
            temporal_address=endpoints["TASKFACTORY_TEMPORAL_ADDRESS"],
            temporal_namespace=endpoints["TASKFACTORY_TEMPORAL_NAMESPACE"],
        )
    )
    await prepare_namespace(client, timedelta(days=1))
    return client
