"""Everything that talks to Kafka gets into a broker that asks who is there, by settings alone."""

import asyncio
import queue
import re
from collections.abc import Iterator, Sequence

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic  # the admin module does not export it
from structlog.testing import capture_logs
from typer.testing import CliRunner

from taskfactory.cli.main import app
from taskfactory.dev.errors import ToolMissingError
from taskfactory.envelope import EventEnvelope
from taskfactory.envelope.kafka import EnvelopeProducer
from taskfactory.ingress.consumer import RecordConsumer
from taskfactory.ingress.deliveries import Delivery
from taskfactory.ingress.flow import Limits
from taskfactory.ingress.settings import IngressSettings
from taskfactory.ingress.topic_ids import AdminTopicIds
from taskfactory.intake import DeadLetter, KafkaDeadLetters
from taskfactory.orchestrator.settings import OrchestratorSettings
from tests.ingress.conftest import event, eventually
from tests.ingress.fakes import PATIENCE
from tests.ingress.secured import Premises, secured_kafka

# Not on the shared stack, but as slow: a broker of its own, started once where tests are distributed by group.
pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("secured-kafka")]

WAYS = ("SCRAM-SHA-256", "SCRAM-SHA-512", "mTLS", "OAUTHBEARER")
CONFIG = "TASKFACTORY_KAFKA_CONFIG__"


@pytest.fixture(scope="module")
def premises(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Premises]:
    try:
        with secured_kafka(tmp_path_factory.mktemp("secured")) as premises:
            admin = AdminClient({"bootstrap.servers": premises.plaintext})
            topics = [f"{use}-{way}" for way in WAYS for use in ("events", "dlq", "outcomes")]
            for future in admin.create_topics([NewTopic(topic, 1, 1) for topic in topics]).values():
                future.result(20)
            yield premises
    except ToolMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def lenient_premises(premises: Premises) -> Iterator[Premises]:
    """The same, with an issuer whose tokens a test may spoil."""
    yield premises
    premises.issuer.lifetime = 3600.0


class Reader:
    """A consumer with the settings of the environment, and what it read."""

    def __init__(self, topic: str) -> None:
        self.read: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        settings = IngressSettings()
        config = settings.consumer_config() | {"statistics.interval.ms": "200"}
        ids = AdminTopicIds(settings.librdkafka())
        self.consumer = RecordConsumer(config, [topic], Limits(100, 100_000), self._deliver, topic_ids=ids)
        self.consumer.start()

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self.read.put(delivery)

    def close(self) -> None:
        self.consumer.stop(5)
        self.consumer.finished.result(PATIENCE)


@pytest.mark.parametrize("way", WAYS)
async def test_consumer_producers_and_commands_get_in(
    premises: Premises, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    topics = {"TASKFACTORY_DLQ_TOPIC": f"dlq-{way}", "TASKFACTORY_OUTCOMES_TOPIC": f"outcomes-{way}"}
    for name, value in {**premises.env(way), **topics}.items():
        monkeypatch.setenv(name, value)
    commands = CliRunner()

    sent = commands.invoke(app, ["events", "send", "-f", "-", "-t", f"events-{way}"], input=event(1) + b"\n")
    assert sent.exit_code == 0, sent.output

    reader = Reader(f"events-{way}")
    try:
        delivery = await asyncio.to_thread(reader.read.get, timeout=30)
        assert reader.consumer.problem() is None
        letters = KafkaDeadLetters(IngressSettings().librdkafka(), f"dlq-{way}")
        await asyncio.wait_for(letters.write(DeadLetter(delivery.record, "a_reason", "a sentence")), 30)
        letters.close(5)
        reader.consumer.settle(delivery, disposed=True)
    finally:
        reader.close()
    [committed] = _committed(premises, f"events-{way}")
    assert committed.offset == 1
    assert (committed.metadata or "").startswith("topic-id="), "the admin client got in too"

    outcome = EventEnvelope(id="run/completed", source="/x", type="io.taskfactory.run.completed", data={})
    with EnvelopeProducer(OrchestratorSettings().producer_config()) as producer:
        producer.send(f"outcomes-{way}", [outcome])
    tail = ["outcomes", "tail", "--count", "1", "--timeout", "30", "--from-beginning"]
    told = await asyncio.to_thread(commands.invoke, app, tail)
    assert told.exit_code == 0, told.output
    assert "run.completed" in told.output


def _committed(premises: Premises, topic: str) -> list[TopicPartition]:
    group = IngressSettings().kafka_group_id
    consumer = Consumer({"bootstrap.servers": premises.plaintext, "group.id": group})
    try:
        return consumer.committed([TopicPartition(topic, 0)], timeout=20)
    finally:
        consumer.close()


REFUSALS = {
    "a wrong password": ("SCRAM-SHA-512", {"SASL_PASSWORD": "wrong"}, "SASL_PASSWORD_FILE", "invalid credentials"),
    "an authority that did not sign the broker's certificate": (
        "SCRAM-SHA-256",
        {"SSL_CA_LOCATION": "stranger.pem"},
        None,
        "no TLS connection to Kafka: .*certificate verify failed",
    ),
    "no certificate of the client": (
        "mTLS",
        {},
        "SSL_CERTIFICATE_LOCATION SSL_KEY_LOCATION",
        "no TLS connection to Kafka: .*certificate",
    ),
    "a wrong client secret": ("OAUTHBEARER", {"SASL_OAUTHBEARER_CLIENT_SECRET": "wrong"}, None, "invalid_client"),
    "an expired token": ("OAUTHBEARER", {}, None, "unexpired token"),
}


def _matching(reason: str, told: str | None) -> str | None:
    return told if told is not None and re.search(reason, told) else None


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_who_is_not_let_in_is_told_why(
    lenient_premises: Premises, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    way, changed, removed, reason = REFUSALS[refusal]
    monkeypatch.setattr("taskfactory.cli.kafka.ANSWER_SECONDS", 1.0)
    for name, value in lenient_premises.env(way).items():
        monkeypatch.setenv(name, value)
    for name, value in changed.items():
        monkeypatch.setenv(CONFIG + name, str(lenient_premises.folder / value) if value.endswith(".pem") else value)
    for name in (removed or "").split():
        monkeypatch.delenv(CONFIG + name)
    if "expired" in refusal:
        lenient_premises.issuer.lifetime = -3600
    with capture_logs() as lines:
        reader = Reader("events")
        try:
            problem = await eventually(lambda: _matching(reason, reader.consumer.problem()), "readiness says why")
            await eventually(
                lambda: [line for line in lines if line["event"] == "dependency_unreachable"], "the log too"
            )
        finally:
            reader.close()
    answer = await asyncio.to_thread(CliRunner().invoke, app, ["events", "send", "-f", "-", "-t", "events"], event(1))
    assert answer.exit_code == 1
    assert _matching(reason.partition(": ")[2] or reason, answer.output)
    [line] = [line for line in lines if line["event"] == "dependency_unreachable"]
    assert _matching(reason, line["error"])
    assert CONFIG in problem
