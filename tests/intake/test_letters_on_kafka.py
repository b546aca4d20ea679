"""The dead letter topic as a list, on a real broker."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from taskfactory.intake import (
    DeadLetter,
    History,
    IntakeSettings,
    KafkaDeadLetters,
    Record,
    StoredLetter,
    open_history,
    read_letters,
    read_originals,
)
from tests.conftest import RunningStack


class Place:
    """A topic, the dead letter topic beside it, and both its writer and its reader."""

    def __init__(self, stack: RunningStack) -> None:
        self.config = {"bootstrap.servers": stack.endpoints.kafka_bootstrap_servers}
        self.topic = stack.topic()
        self.dlq = stack.topic("dlq", config={"max.message.bytes": "100000"})
        settings = IntakeSettings(kafka_bootstrap_servers=stack.endpoints.kafka_bootstrap_servers)
        self.sink = KafkaDeadLetters(settings.librdkafka(), self.dlq)

    async def dead_letter(self, offset: int, value: bytes, *, earlier: int = 0) -> DeadLetter:
        record = Record(self.topic, 0, offset, 1_700_000_000_000, b"key", value, [("trace", b"t")])
        letter = DeadLetter(record, "not_an_envelope", "m", earlier=earlier)
        await self.sink.write(letter)
        return letter

    def produce(self, value: bytes, **record: Any) -> None:
        producer = Producer({**self.config, "message.max.bytes": 2_000_000})
        producer.produce(self.topic, value, **record)
        assert producer.flush(20) == 0

    def remove_before(self, topic: str, offset: int) -> None:
        admin = AdminClient({**self.config})
        [future] = admin.delete_records([TopicPartition(topic, 0, offset)]).values()
        future.result(20)

    def originals(self, history: History, letters: list[StoredLetter]) -> list[Record]:
        return [record for batch in read_originals(history, self.dlq, letters) for _, record in batch]


@pytest.fixture
def place(stack: RunningStack) -> Iterator[Place]:
    made = Place(stack)
    yield made
    made.sink.close(5)


@pytest.fixture
def history(place: Place) -> Iterator[History]:
    with open_history(place.config) as opened:
        yield opened


async def test_the_newest_letters_are_listed_and_their_originals_read_back(place: Place, history: History) -> None:
    first = await place.dead_letter(1, b"\xff one")
    await place.dead_letter(2, b"two")
    await place.dead_letter(1, b"\xff one", earlier=1)
    found = read_letters(history, place.dlq, None).by_key
    assert {letter.id: letter.attempts for letter in found.values()} == {
        f"{place.topic}/0/1": 2,
        f"{place.topic}/0/2": 1,
    }
    [original] = place.originals(history, [found[first.key]])
    assert original == replace(first.record, headers=[("trace", b"t")])


async def test_only_letters_since_a_time_are_read(place: Place, history: History) -> None:
    await place.dead_letter(1, b"one")
    now = datetime.now(UTC)
    assert len(read_letters(history, place.dlq, now - timedelta(minutes=5)).by_key) == 1
    assert not read_letters(history, place.dlq, now + timedelta(minutes=5)).by_key


async def test_what_was_too_large_for_the_topic_is_read_at_its_origin(place: Place, history: History) -> None:
    large = os.urandom(200_000)
    place.produce(large)
    letter = await place.dead_letter(0, large)
    [found] = read_letters(history, place.dlq, None).by_key.values()
    assert found.truncated
    assert [record.value for record in place.originals(history, [found])] == [large]
    place.produce(b"later")
    place.remove_before(place.topic, 1)
    assert place.originals(history, [found]) == []
    assert letter.id == found.id


async def test_what_was_too_large_by_its_headers_is_read_at_its_origin_whole(place: Place, history: History) -> None:
    headers = [("trace", os.urandom(200_000)), ("content-type", b"application/json")]
    place.produce(b"small", headers=headers, key=b"key")
    await place.sink.write(DeadLetter(Record(place.topic, 0, 0, 1, b"key", b"small", headers), "mapping_error", "no"))
    [found] = read_letters(history, place.dlq, None).by_key.values()
    [original] = place.originals(history, [found])
    assert (original.key, original.value, list(original.headers)) == (b"key", b"small", headers)


async def test_a_letter_that_retention_took_has_no_original(place: Place, history: History) -> None:
    await place.dead_letter(1, b"one")
    await place.dead_letter(2, b"two")
    letters = list(read_letters(history, place.dlq, None).by_key.values())
    place.remove_before(place.dlq, 1)
    assert [record.value for record in place.originals(history, letters)] == [b"two"]
