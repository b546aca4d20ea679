"""The Kafka helpers where no broker answers, and where the client library reports trouble."""

import subprocess
import sys
import threading
from collections import deque

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from taskfactory.envelope import EventEnvelope, encode
from taskfactory.envelope.kafka import DeliveryFailed, EnvelopeProducer, Subscription
from taskfactory.envelope.kafka.deliveries import Deliveries

NOWHERE = {"bootstrap.servers": "127.0.0.1:1", "log_level": "0"}
ENVELOPES = [EventEnvelope(id=str(number), source="/shop", type="t") for number in range(3)]


class ScriptedConsumer:
    """Stands in for confluent_kafka.Consumer: hands out prepared messages, and remembers what was stored."""

    def __init__(self, messages: list[Message], *, refuses_to_store: KafkaException | None = None) -> None:
        self._messages = deque(messages)
        self._refusal = refuses_to_store
        self.stored: list[int | None] = []
        self.closed = 0

    def poll(self, _timeout: float) -> Message | None:
        return self._messages.popleft() if self._messages else None

    def store_offsets(self, message: Message) -> None:
        if self._refusal is not None:
            raise self._refusal
        self.stored.append(message.offset())

    def close(self) -> None:
        self.closed += 1


def subscription(consumer: ScriptedConsumer, *, keeps_place: bool = True, errors: tuple[int, ...] = ()) -> Subscription:
    client_errors = deque(KafkaError(code) for code in errors)
    return Subscription(consumer, keeps_place=keeps_place, client_errors=client_errors)  # type: ignore[arg-type]


def message(offset: int = 0, error: int | None = None) -> Message:
    record = encode(ENVELOPES[0])
    return Message(
        topic="events",
        partition=0,
        offset=offset,
        key=record.key,
        value=record.value,
        headers=list(record.headers),
        error=None if error is None else KafkaError(error),
        timestamp=(0, 0),
    )


def test_the_codecs_need_no_client_of_kafka_or_of_a_registry() -> None:
    check = (
        "import sys, taskfactory.envelope; sys.exit(not sys.modules.keys().isdisjoint({'confluent_kafka', 'httpx'}))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_what_cannot_be_delivered_in_time_is_raised_for_every_envelope() -> None:
    with (
        EnvelopeProducer({**NOWHERE, "delivery.timeout.ms": "300"}) as producer,
        pytest.raises(DeliveryFailed) as caught,
    ):
        producer.send("events", ENVELOPES)
    failures = caught.value.failures
    assert [(failure.index, failure.identity) for failure in failures] == [
        (number, envelope.identity) for number, envelope in enumerate(ENVELOPES)
    ]
    assert all("_MSG_TIMED_OUT" in failure.reason for failure in failures)
    assert not caught.value.fatal
    assert "3 envelope(s) not acknowledged by events" in str(caught.value)


def test_closing_gives_up_on_sends_that_hang() -> None:
    producer = EnvelopeProducer({**NOWHERE, "queue.buffering.max.messages": "1"})
    raised: list[DeliveryFailed] = []

    def send() -> None:
        try:
            producer.send("events", ENVELOPES)
        except DeliveryFailed as error:
            raised.append(error)

    sender = threading.Thread(target=send)
    sender.start()
    with producer._state:
        assert producer._state.wait_for(lambda: producer._sending == 1, 10)
    producer.close(timeout=0.1)
    sender.join(10)
    assert not sender.is_alive()
    assert len(raised[0].failures) == len(ENVELOPES)


def test_a_closed_producer_says_so() -> None:
    producer = EnvelopeProducer(NOWHERE)
    producer.close()
    producer.close()
    with pytest.raises(RuntimeError, match="closed"):
        producer.send("events", ENVELOPES)


def test_keys_are_given_for_all_envelopes_or_none() -> None:
    with EnvelopeProducer(NOWHERE) as producer, pytest.raises(ValueError, match="shorter"):
        producer.send("events", ENVELOPES, keys=[b"a"])


def test_an_empty_list_is_sent_at_once() -> None:
    with EnvelopeProducer(NOWHERE) as producer:
        producer.send("events", [])


def test_a_wrong_configuration_is_refused() -> None:
    with pytest.raises(KafkaException, match=r"no\.such\.property"):
        EnvelopeProducer({**NOWHERE, "no.such.property": "1"})


@pytest.mark.parametrize("name", ["delivery.timeout.ms", "message.timeout.ms"])
def test_waiting_for_ever_cannot_be_configured(name: str) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        EnvelopeProducer({**NOWHERE, name: "0"})


def test_a_report_that_comes_too_late_changes_nothing() -> None:
    deliveries = Deliveries([("/shop", "0"), ("/shop", "1")])
    deliveries.settle(1, None)
    failures = deliveries.wait(0)
    deliveries.settle(0, None)
    assert [failure.index for failure in failures] == [0]
    assert deliveries.wait(0) == failures


def test_failures_come_in_the_order_of_the_list() -> None:
    deliveries = Deliveries([("/shop", "0"), ("/shop", "1")])
    for index in (1, 0):
        deliveries.settle(index, KafkaError(KafkaError._FATAL, fatal=True))
    failures = deliveries.wait(0)
    assert [failure.index for failure in failures] == [0, 1]
    assert DeliveryFailed("events", failures).fatal


def test_a_record_counts_as_done_when_the_next_one_is_asked_for() -> None:
    consumer = ScriptedConsumer([message(7), message(8)])
    with subscription(consumer) as records:
        next(records)
        assert consumer.stored == []
        next(records)
    assert consumer.stored == [7]
    assert consumer.closed == 1


def test_without_a_group_nothing_is_stored() -> None:
    consumer = ScriptedConsumer([message(7), message(8)])
    with subscription(consumer, keeps_place=False) as records:
        assert [next(records).offset, next(records).offset] == [7, 8]
    assert consumer.stored == []


def test_troubles_that_pass_are_waited_out() -> None:
    consumer = ScriptedConsumer(
        [message(error=KafkaError._TRANSPORT), message(error=KafkaError._PARTITION_EOF), message(7)]
    )
    assert next(subscription(consumer)).offset == 7


@pytest.mark.parametrize("code", [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED])
def test_troubles_that_stay_are_raised(code: int) -> None:
    with pytest.raises(KafkaException):
        next(subscription(ScriptedConsumer([message(error=code)])))


def test_errors_of_the_connection_are_waited_out_or_raised() -> None:
    consumer = ScriptedConsumer([message(7)])
    assert next(subscription(consumer, errors=(KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT))).offset == 7
    with pytest.raises(KafkaException, match="_AUTHENTICATION"):
        next(subscription(consumer, errors=(KafkaError._TRANSPORT, KafkaError._AUTHENTICATION)))


def test_a_record_whose_partition_went_to_another_member_is_theirs() -> None:
    consumer = ScriptedConsumer(
        [message(7), message(8)], refuses_to_store=KafkaException(KafkaError(KafkaError._STATE))
    )
    records = subscription(consumer)
    assert [next(records).offset, next(records).offset] == [7, 8]


def test_other_troubles_with_the_place_are_raised() -> None:
    consumer = ScriptedConsumer([message(7)], refuses_to_store=KafkaException(KafkaError(KafkaError._FATAL)))
    records = subscription(consumer)
    next(records)
    with pytest.raises(KafkaException):
        next(records)


def test_closing_ends_the_iteration_and_closes_once() -> None:
    consumer = ScriptedConsumer([message(7)])
    records = subscription(consumer)
    next(records)
    records.close()
    assert list(records) == []
    records.close()
    assert consumer.closed == 1
