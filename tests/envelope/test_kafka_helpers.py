"""The producer and subscriber helpers against a real broker."""

import threading
from collections.abc import Iterable
from itertools import islice
from typing import Protocol

import pytest
from confluent_kafka import KafkaException, Producer

from taskfactory.envelope import EventEnvelope, Format, InvalidEnvelope
from taskfactory.envelope.kafka import DeliveryFailed, EnvelopeProducer, Received, subscribe


class Endpoints(Protocol):
    @property
    def kafka_bootstrap_servers(self) -> str: ...


class Stack(Protocol):
    """What these tests use of the session's stack."""

    @property
    def endpoints(self) -> Endpoints: ...

    def topic(self, hint: str = ..., partitions: int = ..., config: dict[str, str] | None = ...) -> str: ...

    def name(self, hint: str) -> str: ...


def servers(stack: Stack) -> dict[str, str]:
    return {"bootstrap.servers": stack.endpoints.kafka_bootstrap_servers}


def events(count: int, prefix: str = "e", **attributes: str) -> list[EventEnvelope]:
    return [
        EventEnvelope(
            id=f"{prefix}-{number}", source="/shop", type="t", datacontenttype="application/json", data=number
        ).model_copy(update=attributes)
        for number in range(count)
    ]


def take(records: Iterable[Received], count: int) -> list[Received]:
    return list(islice(records, count))


@pytest.mark.parametrize("fmt", ["structured", "binary", "avro"])
def test_what_was_sent_is_received(stack: Stack, fmt: Format) -> None:
    topic = stack.topic("helpers", partitions=2)
    sent = events(20, subject="orders/7")
    with EnvelopeProducer(servers(stack)) as producer:
        producer.send(topic, sent, fmt=fmt)
    with subscribe(servers(stack), [topic], from_beginning=True) as records:
        received = take(records, 20)
    assert [record.envelope for record in received] == sent
    assert {record.key for record in received} == {b"orders/7"}
    assert len({record.partition for record in received}) == 1
    assert [record.offset for record in received] == list(range(20))
    assert all(record.topic == topic and record.timestamp for record in received)


def test_given_keys_are_used(stack: Stack) -> None:
    topic = stack.topic("helpers")
    with EnvelopeProducer(servers(stack)) as producer:
        producer.send(topic, events(3, partitionkey="own"), keys=[b"\xff", None, b""])
    with subscribe(servers(stack), [topic], from_beginning=True) as records:
        assert [record.key for record in take(records, 3)] == [b"\xff", b"own", b""]


def test_an_envelope_that_does_not_fit_fails_alone(stack: Stack) -> None:
    topic = stack.topic("helpers")
    sent = events(3)
    sent[1] = sent[1].model_copy(update={"data": "x" * 5000})
    with (
        EnvelopeProducer({**servers(stack), "message.max.bytes": "2000"}) as producer,
        pytest.raises(DeliveryFailed) as caught,
    ):
        producer.send(topic, sent)
    (failure,) = caught.value.failures
    assert (failure.index, failure.identity, failure.fatal) == (1, ("/shop", "e-1"), False)
    assert "MSG_SIZE_TOO_LARGE" in failure.reason
    with subscribe(servers(stack), [topic], from_beginning=True) as records:
        assert [record.envelope.id for record in take(records, 2)] == ["e-0", "e-2"]


def test_a_refusal_by_the_broker_is_raised(stack: Stack) -> None:
    topic = stack.topic("helpers", config={"max.message.bytes": "500"})
    big = events(1)[0].model_copy(update={"data": "x" * 5000})
    with EnvelopeProducer(servers(stack)) as producer:
        with pytest.raises(DeliveryFailed, match="MSG_SIZE_TOO_LARGE"):
            producer.send(topic, [big])
        producer.send(topic, events(1))


def test_an_unknown_topic_is_raised_after_the_delivery_timeout(stack: Stack) -> None:
    with (
        EnvelopeProducer({**servers(stack), "delivery.timeout.ms": "1000"}) as producer,
        pytest.raises(DeliveryFailed),
    ):
        producer.send(stack.name("never-made"), events(1))


def test_more_than_the_local_queue_holds_is_sent_all_the_same(stack: Stack) -> None:
    topic = stack.topic("helpers")
    with EnvelopeProducer({**servers(stack), "queue.buffering.max.messages": "10"}) as producer:
        producer.send(topic, events(200))
    with subscribe(servers(stack), [topic], from_beginning=True) as records:
        assert [record.envelope.data for record in take(records, 200)] == list(range(200))


def test_several_threads_share_a_producer(stack: Stack) -> None:
    topic = stack.topic("helpers", partitions=2)
    failures: list[BaseException] = []
    with EnvelopeProducer(servers(stack)) as producer:

        def send(sender: int) -> None:
            try:
                for batch in range(5):
                    producer.send(topic, events(10, f"{sender}-{batch}"))
            except BaseException as error:  # noqa: BLE001 - shown by the assertion below
                failures.append(error)

        senders = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
    assert failures == []
    with subscribe(servers(stack), [topic], from_beginning=True) as records:
        ids = [record.envelope.id for record in take(records, 200)]
    assert len(set(ids)) == len(ids)


def test_a_subscription_from_now_on_gets_everything_sent_after_it(stack: Stack) -> None:
    topic = stack.topic("helpers", partitions=2)
    with EnvelopeProducer(servers(stack)) as producer:
        producer.send(topic, events(5, "before"))
        with subscribe(servers(stack), [topic]) as records:
            producer.send(topic, events(5, "after"))
            received = take(records, 5)
    assert sorted(record.envelope.id for record in received) == [f"after-{number}" for number in range(5)]


def test_a_group_goes_on_with_the_record_that_was_in_hand(stack: Stack) -> None:
    topic, group = stack.topic("helpers"), stack.name("group")
    with EnvelopeProducer(servers(stack)) as producer:
        producer.send(topic, events(4))
    with subscribe(servers(stack), [topic], group_id=group, from_beginning=True) as records:
        assert [record.offset for record in take(records, 3)] == [0, 1, 2]
    with subscribe(servers(stack), [topic], group_id=group, from_beginning=True) as records:
        assert [record.offset for record in take(records, 2)] == [2, 3]


def test_a_broken_record_is_the_readers_to_deal_with_and_the_next_one_follows(stack: Stack) -> None:
    topic = stack.topic("helpers")
    foreign = Producer(servers(stack))
    foreign.produce(topic, b"not an envelope", headers={"who": b"someone else"})
    foreign.produce(topic, None)
    assert foreign.flush(30) == 0
    with EnvelopeProducer(servers(stack)) as producer:
        producer.send(topic, events(1))
    with subscribe(servers(stack), [topic], from_beginning=True) as records:
        broken, tombstone, good = take(records, 3)
    with pytest.raises(InvalidEnvelope):
        _ = broken.envelope
    assert (broken.value, broken.headers) == (b"not an envelope", (("who", b"someone else"),))
    assert (tombstone.value, tombstone.headers) == (None, ())
    assert good.envelope.id == "e-0"


def test_a_waiting_subscription_can_be_closed_from_another_thread(stack: Stack) -> None:
    records = subscribe(servers(stack), [stack.topic("helpers")], from_beginning=True)
    ended = threading.Event()

    def read() -> None:
        assert list(records) == []
        ended.set()

    threading.Thread(target=read).start()
    records.close()
    assert ended.wait(10)


def test_a_refused_login_is_said(stack: Stack) -> None:
    login = {"sasl.mechanism": "PLAIN", "sasl.username": "nobody", "sasl.password": "wrong"}
    config = {**servers(stack), **login, "security.protocol": "SASL_PLAINTEXT", "log_level": "0"}
    with (
        subscribe(config, [stack.topic("helpers")], group_id=stack.name("group")) as records,
        pytest.raises(KafkaException, match="_AUTHENTICATION"),
    ):
        next(records)


def test_a_topic_that_does_not_exist_is_said(stack: Stack) -> None:
    with pytest.raises(KafkaException, match="UNKNOWN_TOPIC_OR_PART"):
        subscribe(servers(stack), [stack.name("never-made")])
    with (
        subscribe(servers(stack), [stack.name("never-made")], group_id=stack.name("group")) as records,
        pytest.raises(KafkaException, match="UNKNOWN_TOPIC_OR_PART"),
    ):
        next(records)
