"""The whole product in processes of its own, on the real stack, under names that no other test uses."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg
from confluent_kafka import Consumer, Message, TopicPartition
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client

from taskfactory.dev import Endpoints
from taskfactory.envelope import EventEnvelope, decode
from taskfactory.envelope.kafka import EnvelopeProducer
from tests.conftest import RunningStack

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).parent / "taskfactory"
QUICK_RECONCILER = {"TASKFACTORY_RECONCILE_INTERVAL": "0.5", "TASKFACTORY_RECONCILE_GRACE": "1"}
"""Settings under which a test need not wait long for the reconciler."""


def eventually(condition: Callable[[], Any], what: str, timeout: float = 60.0) -> Any:
    """The condition's first true value.

    Raises:
        AssertionError: it did not become true in time.
    """
    deadline = time.monotonic() + timeout
    pause = 0.02
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:.0f} s: {what}; last seen: {value!r}")
        time.sleep(pause)  # between two looks at another process, which has no event to wait for
        pause = min(pause * 1.5, 0.5)


@dataclass
class Service:
    """One running process of the product."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    metrics_port: int

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Until `/readyz` says so."""
        eventually(self.is_ready, f"{self.name} is ready\n{self.tail()}", timeout)

    def is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}\n{self.tail()}")
        with suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{self.metrics_port}/readyz", timeout=2).status_code == 200
        return False

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        text = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5).text
        lines = (line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def kill(self) -> None:
        """SIGKILL, as a power cut would have it."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """SIGSTOP: it stands still, and its connections stay."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def entries(self, name: str) -> list[dict[str, Any]]:
        """The log's entries with that event name; the log is JSON lines."""
        lines = (line for line in self.log.read_text(errors="replace").splitlines() if f'"{name}"' in line)
        return [entry for line in lines if (entry := orjson.loads(line)).get("event") == name]

    def stop(self, timeout: float = 45.0) -> int:
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def tail(self, lines: int = 25) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass
class Platform:
    """Topics, a database and a task queue of its own, and the services that use them."""

    stack: RunningStack
    folder: Path
    partitions: int = 4
    settings: dict[str, str] = field(default_factory=dict)
    services: list[Service] = field(default_factory=list)
    topic_config: dict[str, str] = field(default_factory=dict)
    """Of the topics of events and of outcomes."""
    behind: Endpoints | None = None
    """How the product's processes reach the servers, where that is not how the test itself does."""

    def __post_init__(self) -> None:
        self.topic = self.stack.topic("events", self.partitions, self.topic_config)
        self.outcomes_topic = self.stack.topic("outcomes", config=self.topic_config)
        # The broker's own clock on a dead letter says when it became durable.
        timed = {"max.message.bytes": "4194304", "message.timestamp.type": "LogAppendTime"}
        self.dlq_topic = self.stack.topic("dlq", config=timed)
        self.queue = self.stack.name("queue")
        self.group = self.stack.name("group")
        self.orchestrator_queue = self.stack.name("orchestrator")
        self.journal = self.folder / "journal"
        self.journal.touch()
        self.database_url = self.stack.database()
        endpoints = self.behind or self.stack.endpoints
        database = self.database_url.rpartition("/")[2]
        self.env = {
            **os.environ,
            **endpoints.env(),
            "TASKFACTORY_KAFKA_TOPICS": self.topic,
            "TASKFACTORY_KAFKA_GROUP_ID": self.group,
            "TASKFACTORY_OUTCOMES_TOPIC": self.outcomes_topic,
            "TASKFACTORY_DLQ_TOPIC": self.dlq_topic,
            "TASKFACTORY_DATABASE_URL": f"{endpoints.database_url.rpartition('/')[0]}/{database}",
            "TASKFACTORY_ORCHESTRATOR_QUEUE": self.orchestrator_queue,
            "TASKFACTORY_API_PORT": "0",
            "TASKFACTORY_METRICS_HOST": "127.0.0.1",
            "TASKFACTORY_LOG_FORMAT": "json",
            "TASKFACTORY_DRAIN_TIMEOUT": "15",
            "TEST_JOURNAL": str(self.journal),
            **self.settings,
        }
        self.run("migrate")

    def run(self, *arguments: str, check: bool = True, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
        """Run one `taskfactory` command to its end."""
        done = subprocess.run(
            [str(COMMAND), *arguments],
            env=self.env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            input=stdin.decode() if stdin is not None else None,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"taskfactory {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def apply(self, text: str) -> None:
        """Apply definitions given as YAML; `{queue}` stands for this platform's task queue."""
        file = self.folder / f"definitions-{time.monotonic_ns()}.yaml"
        file.write_text(text.replace("{queue}", self.queue))
        self.run("apply", "-f", str(file))

    def start(self, *arguments: str, env: Mapping[str, str] | None = None, ready: bool = True) -> Service:
        """Start a long-running `taskfactory` command."""
        name = arguments[0]
        port = _free_port()
        log = self.folder / f"{name}-{len(self.services)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(COMMAND), *arguments],
                env={**self.env, "TASKFACTORY_METRICS_PORT": str(port), **(env or {})},
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        service = Service(name, process, log, port)
        self.services.append(service)
        if ready:
            service.wait_ready()
        return service

    def worker(self, queue: str | None = None, env: Mapping[str, str] | None = None) -> Service:
        """Start a worker with the tests' handlers."""
        return self.start("worker", "--module", "tests.e2e.handlers", "--queue", queue or self.queue, env=env)

    def send(self, envelopes: Sequence[EventEnvelope]) -> None:
        with_config = {
            "bootstrap.servers": self.stack.endpoints.kafka_bootstrap_servers,
            "message.max.bytes": "100000000",  # the broker decides what is too large
        }
        producer = EnvelopeProducer(with_config)
        try:
            producer.send(self.topic, envelopes)
        finally:
            producer.close()

    def outcomes(self) -> list[EventEnvelope]:
        """Every record of the outcomes topic, from its beginning."""
        return [decode(value, headers, key) for value, headers, key in self.records(self.outcomes_topic)]

    def records(self, topic: str) -> list[tuple[bytes, list[tuple[str, bytes]], bytes | None]]:
        """Value, headers and key of every record of a topic, from its beginning to its present end."""
        return [(message.value() or b"", headers_of(message), message.key()) for message in self.messages(topic)]

    def messages(self, topic: str) -> list[Message]:
        """The same as Kafka's client gives them."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.stack.endpoints.kafka_bootstrap_servers,
                "group.id": "unused",
                "enable.auto.commit": "false",
                "enable.partition.eof": "true",
            }
        )
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
            found, ended = [], 0
            while ended < len(partitions):
                for message in consumer.consume(500, 0.5):
                    if message.error():
                        ended += 1
                    else:
                        found.append(message)
            return found
        finally:
            consumer.close()

    def committed(self) -> dict[int, int]:
        """Committed offset by partition of the events topic."""
        # Not through the admin client: librdkafka crashes there when the group's coordinator is still loading.
        consumer = Consumer(
            {
                "bootstrap.servers": self.stack.endpoints.kafka_bootstrap_servers,
                "group.id": self.group,
            }
        )
        try:
            wanted = [TopicPartition(self.topic, partition) for partition in range(self.partitions)]
            found = consumer.committed(wanted, timeout=10)
            return {part.partition: part.offset for part in found if part.offset >= 0}
        finally:
            consumer.close()

    def end_offsets(self) -> dict[int, int]:
        """End offset by partition of the events topic, where there are records."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.stack.endpoints.kafka_bootstrap_servers,
                "group.id": "unused",
            }
        )
        try:
            ends = {
                partition: consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=10)[1]
                for partition in range(self.partitions)
            }
            return {partition: end for partition, end in ends.items() if end > 0}
        finally:
            consumer.close()

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(sql, parameters).fetchall()  # type: ignore[arg-type,unused-ignore]

    def scalar(self, sql: str, *parameters: Any) -> Any:
        return self.query(sql, *parameters)[0][0]

    def effects(self) -> list[str]:
        """Idempotency keys that handlers wrote down, one for each effect."""
        return self.journal.read_text().split()

    def rewind(self) -> None:
        """Bring the group's offsets back to the beginning, as an operator would; no ingress may run."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.stack.endpoints.kafka_bootstrap_servers,
                "group.id": self.group,
            }
        )
        try:
            start = [TopicPartition(self.topic, partition, 0) for partition in range(self.partitions)]
            consumer.commit(offsets=start, asynchronous=False)
        finally:
            consumer.close()

    def close(self) -> None:
        for service in self.services:
            if service.process.poll() is None:
                service.process.kill()
                service.process.wait()


def event(
    number: int | str, *, kind: str = "test.order", subject: str | None = None, data: Any = None, **extra: Any
) -> EventEnvelope:
    """An envelope that differs from others by its number only."""
    return EventEnvelope(
        source="/tests",
        id=f"event-{number}",
        type=kind,
        subject=subject or f"subject-{number}",
        time="2026-01-01T00:00:00Z",
        data=data if data is not None else {"number": number},
        **extra,
    )


async def temporal(platform: Platform) -> Client:
    """A client of the stack's Temporal."""
    return await Client.connect(platform.stack.endpoints.temporal_address)


async def reset(client: Client, run_id: str) -> None:
    """Bring a run back to before its first step, as an operator would."""
    execution = (await client.get_workflow_handle(run_id).describe()).run_id
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run_id, run_id=execution),
            reason="test",
            workflow_task_finish_event_id=3,
            request_id="reset",
        )
    )


def ids(outcomes: Iterable[EventEnvelope]) -> set[str]:
    return {outcome.id for outcome in outcomes}


def as_json(completed: subprocess.CompletedProcess[str]) -> Any:
    return orjson.loads(completed.stdout)


def headers_of(message: Message) -> list[tuple[str, bytes]]:
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return [(name, value.encode() if isinstance(value, str) else value or b"") for name, value in pairs]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
