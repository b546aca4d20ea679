"""A topic's history on a real broker: with gaps, removed records, transactions, and while more is appended."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from taskfactory.intake.history import History, OffsetRange, Span, UnknownTopic, open_history
from taskfactory.intake.positions import AtOffset, AtTime, Earliest, Latest, Position
from tests.conftest import RunningStack
from tests.e2e.platform import eventually

T0 = 1_700_000_000_000
"""Timestamp of the first record; each later one is a second younger."""


@pytest.fixture
def history(stack: RunningStack) -> Iterator[History]:
    with open_history(config(stack)) as opened:
        yield opened


def config(stack: RunningStack) -> dict[str, str]:
    return {"bootstrap.servers": stack.endpoints.kafka_bootstrap_servers}


def produce(stack: RunningStack, topic: str, count: int, *, partition: int = 0, first: int = 0) -> None:
    producer = Producer({**config(stack), "enable.idempotence": True})
    for number in range(first, first + count):
        producer.produce(topic, str(number).encode(), partition=partition, timestamp=T0 + number * 1000)
    assert producer.flush(20) == 0


def produce_in_transaction(stack: RunningStack, topic: str, count: int, *, commit: bool) -> None:
    producer = Producer({**config(stack), "transactional.id": stack.name("transaction")})
    producer.init_transactions(20)
    producer.begin_transaction()
    for _ in range(count):
        producer.produce(topic, b"in a transaction", partition=0)
    assert producer.flush(20) == 0
    if commit:
        producer.commit_transaction(20)
    else:
        producer.abort_transaction(20)


def remove_before(stack: RunningStack, topic: str, offset: int) -> None:
    admin = AdminClient({**config(stack)})
    [future] = admin.delete_records([TopicPartition(topic, 0, offset)]).values()
    future.result(20)


def read(history: History, spans: Sequence[Span]) -> list[tuple[int, int]]:
    return [(record.partition, record.offset) for batch in history.read(spans) for record in batch]


def end_of(history: History, topic: str) -> int:
    [span] = history.spans(topic, Earliest(), Latest())
    return span.offsets.end


def at(second: float) -> AtTime:
    return AtTime(datetime.fromtimestamp(T0 / 1000 + second, UTC))


def test_all_partitions_are_read_from_their_oldest_record_to_their_newest(
    stack: RunningStack, history: History
) -> None:
    topic = stack.topic(partitions=3)
    produce(stack, topic, 5, partition=0)
    produce(stack, topic, 300, partition=2)
    spans = history.spans(topic, Earliest(), Latest())
    assert [span.offsets for span in spans] == [OffsetRange(topic, 0, 0, 5), OffsetRange(topic, 2, 0, 300)]
    found = read(history, spans)
    assert sorted(found) == [(0, n) for n in range(5)] + [(2, n) for n in range(300)]
    assert [offset for partition, offset in found if partition == 2] == list(range(300))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (AtOffset(2), AtOffset(4), range(2, 4)),
        (AtOffset(2), AtOffset(99), range(2, 10)),
        (AtOffset(99), Latest(), range(0)),
        (AtOffset(7), AtOffset(3), range(0)),
        (at(3), at(6), range(3, 6)),
        (at(3.5), Latest(), range(4, 10)),
        (at(-100), at(2), range(2)),
        (at(100), Latest(), range(0)),
        (Earliest(), Earliest(), range(0)),
        (Latest(), Latest(), range(0)),
    ],
)
def test_a_history_begins_with_its_start_and_ends_before_its_end(
    stack: RunningStack, history: History, start: Position, end: Position, expected: range
) -> None:
    topic = stack.topic()
    produce(stack, topic, 10)
    spans = history.spans(topic, start, end)
    assert [offset for _, offset in read(history, spans)] == list(expected)
    assert all(span.removed is None for span in spans)


@pytest.mark.parametrize(
    "ancient", ["1969-12-31T23:59:59.999+00:00", "1900-01-01T00:00:00+00:00", "0001-01-01T00:00:00+00:00"]
)
def test_a_time_before_all_records_is_the_beginning(stack: RunningStack, history: History, ancient: str) -> None:
    topic = stack.topic(partitions=1)
    produce(stack, topic, 3)
    start = AtTime(datetime.fromisoformat(ancient))
    assert read(history, history.spans(topic, start, Latest())) == [(0, 0), (0, 1), (0, 2)]
    assert read(history, history.spans(topic, Earliest(), start)) == []


def test_what_is_appended_during_the_reading_is_left_out(stack: RunningStack, history: History) -> None:
    topic = stack.topic()
    produce(stack, topic, 10)
    spans = history.spans(topic, Earliest(), Latest())
    produce(stack, topic, 10, first=10)
    assert len(read(history, spans)) == 10


def test_removed_offsets_are_named_not_jumped_over(stack: RunningStack, history: History) -> None:
    topic = stack.topic()
    produce(stack, topic, 10)
    remove_before(stack, topic, 4)
    for start, first in ((AtOffset(1), 1), (Earliest(), 0), (at(-5), 0)):
        reading = history.read(history.spans(topic, start, Latest()))
        assert [record.offset for batch in reading for record in batch] == list(range(4, 10))
        assert reading.unreadable == [OffsetRange(topic, 0, first, 4)]
    [all_gone] = history.spans(topic, AtOffset(1), AtOffset(3))
    assert (len(all_gone.offsets), all_gone.removed) == (0, OffsetRange(topic, 0, 1, 3))
    [span] = history.spans(topic, at(6), Latest())
    assert span.removed is None


def test_what_retention_takes_while_we_read_is_named_too(stack: RunningStack, history: History) -> None:
    topic = stack.topic()
    produce(stack, topic, 10)
    spans = history.spans(topic, AtOffset(2), AtOffset(8))
    remove_before(stack, topic, 5)
    reading = history.read(spans)
    assert [record.offset for batch in reading for record in batch] == [5, 6, 7]
    assert reading.unreadable == [OffsetRange(topic, 0, 2, 5)]
    assert str(reading.unreadable[0]) == f"{topic}/0: 2 to 4"
    assert reading.done == reading.total == 6


def test_everything_removed_while_we_read_ends_the_reading(stack: RunningStack, history: History) -> None:
    topic = stack.topic()
    produce(stack, topic, 10)
    spans = history.spans(topic, AtOffset(2), AtOffset(8))
    remove_before(stack, topic, 10)
    reading = history.read(spans)
    assert list(reading) == []
    assert reading.unreadable == [OffsetRange(topic, 0, 2, 8)]


def test_gaps_of_transactions_end_a_reading_where_no_record_is(stack: RunningStack, history: History) -> None:
    topic = stack.topic()
    produce_in_transaction(stack, topic, 3, commit=True)  # 0, 1, 2, and the marker 3
    produce_in_transaction(stack, topic, 3, commit=False)  # 4, 5, 6, and the marker 7
    # The coordinator writes the last marker some time after it has agreed to the end of the transaction.
    eventually(lambda: end_of(history, topic) == 8, "the marker of the aborted transaction is written")
    [span] = history.spans(topic, Earliest(), Latest())
    reading = history.read([span])
    assert [record.offset for batch in reading for record in batch] == [0, 1, 2]
    assert (reading.done, reading.total, reading.unreadable) == (8, 8, [])


def test_progress_rises_to_the_whole(stack: RunningStack, history: History) -> None:
    topic = stack.topic(partitions=2)
    produce(stack, topic, 450, partition=0)
    produce(stack, topic, 5, partition=1)
    seen: list[tuple[int, int]] = []
    spans = history.spans(topic, Earliest(), Latest())
    assert sum(len(batch) for batch in history.read(spans, lambda done, total: seen.append((done, total)))) == 455
    assert seen == sorted(seen)
    assert seen[-1] == (455, 455)


def test_a_history_can_be_read_again_also_after_it_was_left_in_the_middle(
    stack: RunningStack, history: History
) -> None:
    topic = stack.topic()
    produce(stack, topic, 450)
    spans = history.spans(topic, Earliest(), Latest())
    next(iter(history.read(spans)))
    assert len(read(history, spans)) == 450
    assert len(read(history, spans)) == 450


def test_nothing_is_left_behind_at_the_broker(stack: RunningStack, history: History) -> None:
    topic = stack.topic()
    produce(stack, topic, 3)
    read(history, history.spans(topic, Earliest(), Latest()))
    admin = AdminClient({**config(stack)})
    groups = admin.list_consumer_groups(request_timeout=20).result()
    assert "taskfactory-history" not in {group.group_id for group in groups.valid}


def test_a_topic_or_partition_that_is_not_there_is_named(stack: RunningStack, history: History) -> None:
    missing, topic = stack.name("missing"), stack.topic(partitions=2)
    with pytest.raises(UnknownTopic, match=f"there is no topic '{missing}'"):
        history.spans(missing, Earliest(), Latest())
    with pytest.raises(UnknownTopic, match="there is no topic 'no topic'"):
        history.spans("no topic", Earliest(), Latest())
    with pytest.raises(UnknownTopic, match="has no partition 2; it has 0 to 1"):
        history.spans(topic, Earliest(), Latest(), [0, 2])


def test_settings_of_a_consumer_group_do_no_harm(stack: RunningStack) -> None:
    topic = stack.topic()
    produce(stack, topic, 3)
    given = {"group.protocol": "consumer", "group.instance.id": "m-1", "auto.offset.reset": "latest"}
    with open_history({**config(stack), **given}) as history:
        assert len(read(history, history.spans(topic, Earliest(), Latest()))) == 3


def test_a_cluster_that_is_away_is_an_error_not_an_empty_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskfactory.intake.history.ANSWER_SECONDS", 0.5)
    with open_history({"bootstrap.servers": "127.0.0.1:1"}) as history, pytest.raises(KafkaException):
        history.spans("events", Earliest(), Latest())
