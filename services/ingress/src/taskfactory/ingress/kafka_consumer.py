"""The Kafka consumer as ingress uses it: a protocol that the tests' fake follows too, and the real one."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, cast

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

SAME_INSTANCE_ID: Final = frozenset({KafkaError.FENCED_INSTANCE_ID, KafkaError.UNRELEASED_INSTANCE_ID})
TWICE: Final = (
    "another process of the group has the same TASKFACTORY_KAFKA_GROUP_INSTANCE_ID: give every process one of its own"
)

Rebalance = Callable[[Any, list[TopicPartition]], None]


class KafkaConsumer(Protocol):
    """What is used of `confluent_kafka.Consumer`."""

    def subscribe(self, topics: list[str], on_assign: Rebalance, on_revoke: Rebalance, on_lost: Rebalance) -> None:
        """Join the group; the callbacks run inside `consume`, `poll` and `close`."""

    def consume(self, num_messages: int, timeout: float) -> list[Message]:
        """What there is, or comes within `timeout` seconds; errors are messages too."""

    def poll(self, timeout: float) -> Message | None:
        """The same for one message; returns as soon as it is there."""

    def pause(self, partitions: list[TopicPartition]) -> None:
        """Hold the partitions' records back."""

    def resume(self, partitions: list[TopicPartition]) -> None:
        """Let them come again."""

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition] | None:
        """Commit; if asynchronous, `on_commit` of the configuration hears of it in a later call."""

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        """The group's commits, with their metadata."""

    def seek(self, partition: TopicPartition) -> None:
        """Go on with an assigned partition at another offset; what was prefetched is thrown away."""

    def close(self) -> None:
        """Give the partitions back and leave the group."""


class ConsumerFailed(Exception):  # noqa: N818 -- it says what happened
    """Kafka refused this consumer for good, for example because another one took its identity. Restart the process."""

    def __init__(self, error: KafkaError) -> None:
        # Behind "fatal" only the text still tells what it was.
        hint = f"; {TWICE}" if any(KafkaError(code).str() in error.str() for code in SAME_INSTANCE_ID) else ""
        super().__init__(f"the Kafka consumer can't go on: {error.str()} ({error.name()}){hint}")
        self.error = error


def is_fatal(error: KafkaError) -> bool:
    """Whether the consumer can't go on after this error; the error callback gets such ones as `_FATAL`."""
    return error.fatal() or error.code() == KafkaError._FATAL  # noqa: SLF001 -- librdkafka's local codes are spelt so


def confluent_consumer(config: Mapping[str, Any]) -> KafkaConsumer:
    """The real consumer; librdkafka's own log lines join the process's log."""
    return cast("KafkaConsumer", Consumer(dict(config), logger=logging.getLogger("librdkafka")))
