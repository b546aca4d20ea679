"""The demo's own dealings with Kafka: a topic, a stream of records into it, and everything read back."""

import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from examples.shop.stage import PARTITIONS, DemoFailed, Stage
from taskfactory.envelope import Record
from taskfactory.envelope.kafka import Received, subscribe

REQUEST_SECONDS: Final = 20.0
FLUSH_SECONDS: Final = 30.0

Place = tuple[int, int]
"""Partition and offset of a record."""


class Broker:
    """Kafka, as this demo run uses it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._config = {"bootstrap.servers": stage.endpoints.kafka_bootstrap_servers}
        self._admin = AdminClient(dict(self._config))

    def create_events_topic(self) -> None:
        """Create the topic that the events go to; `taskfactory migrate` creates the others."""
        topic = NewTopic(self.stage.events_topic, PARTITIONS, 1)
        self._admin.create_topics([topic])[topic.topic].result(REQUEST_SECONDS)

    def send(self, records: Sequence[Record]) -> list[Place]:
        """Send records as they are, broken ones too, which `EnvelopeProducer` would refuse.

        Returns:
            Where Kafka put each.

        Raises:
            DemoFailed: a record was not acknowledged.
        """
        producer = Producer({**self._config, "enable.idempotence": "true", "log_level": "3"})
        places: dict[int, Place] = {}

        def reporter(index: int) -> Callable[[KafkaError | None, Message], None]:
            def report(error: KafkaError | None, message: Message) -> None:
                if error is None:
                    places[index] = message.partition() or 0, message.offset() or 0

            return report

        for index, record in enumerate(records):
            producer.produce(
                self.stage.events_topic,
                value=record.value,
                key=record.key,
                headers=list(record.headers),
                on_delivery=reporter(index),
            )
            producer.poll(0)
        producer.flush(FLUSH_SECONDS)
        if len(places) < len(records):
            raise DemoFailed(f"Kafka acknowledged {len(places)} of {len(records)} records")
        return [places[index] for index in range(len(records))]

    def read_back(self) -> "Readback":
        """Follow this run's three topics from their beginning."""
        stage = self.stage
        return Readback(self._config, [stage.events_topic, stage.outcomes_topic, stage.dlq_topic])

    def committed(self) -> int:
        """Number of records behind the ingress's committed offsets."""
        wanted = [TopicPartition(self.stage.events_topic, partition) for partition in range(PARTITIONS)]
        asked = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(self.stage.group, wanted)])
        found = asked[self.stage.group].result(REQUEST_SECONDS).topic_partitions
        return sum(max(0, place.offset) for place in found)

    def ends(self, topic: str) -> int:
        """Number of records that were ever written to a topic of this run."""
        consumer = Consumer({**self._config, "group.id": self.stage.group})
        try:
            partitions = consumer.list_topics(topic, timeout=REQUEST_SECONDS).topics[topic].partitions
            places = [TopicPartition(topic, number) for number in partitions]
            return sum(consumer.get_watermark_offsets(place, timeout=REQUEST_SECONDS)[1] for place in places)
        finally:
            consumer.close()


class Readback:
    """Collects topics in a thread, as any subscriber would read them."""

    def __init__(self, config: Mapping[str, str], topics: Sequence[str]) -> None:
        self._received: dict[str, list[Received]] = {topic: [] for topic in topics}
        self._subscription = subscribe(config, topics, from_beginning=True)
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._collect, name="readback", daemon=True)
        self._thread.start()

    def received(self, topic: str, start: int = 0) -> list[Received]:
        """What was read so far, partition by partition in order; from the `start`th record on."""
        with self._changed:
            return self._received[topic][start:]

    def wait(self, topic: str, number: int, timeout: float) -> bool:
        """Wait until so many records of a topic were read; False if they did not come in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._received[topic]) >= number, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._subscription.close()
        self._thread.join()

    def _collect(self) -> None:
        for record in self._subscription:
            with self._changed:
                self._received[record.topic].append(record)
                self._changed.notify_all()
