"""Read envelopes from topics, with a group that remembers its place or without one."""

import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Final, Self, cast

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from taskfactory.envelope.codec import decode
from taskfactory.envelope.model import EventEnvelope

_LOG: Final = logging.getLogger(__name__)
_POLL_S: Final = 0.2
_METADATA_TIMEOUT_S: Final = 10.0
_NO_GROUP: Final = "taskfactory-subscriber-without-group"
"""librdkafka wants a name even where it never uses it: nothing is joined and nothing is committed under it."""
_PASSING: Final = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - librdkafka's names of its local errors
        KafkaError._MAX_POLL_EXCEEDED,  # noqa: SLF001 - it rejoins by itself
        KafkaError._PARTITION_EOF,  # noqa: SLF001 - no error, and only with enable.partition.eof
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
    }
)
"""Troubles that librdkafka overcomes by itself."""


@dataclass(frozen=True)
class Received:
    """One record, and the envelope in it.

    Attributes:
        topic: Its topic.
        partition: Its partition.
        offset: Its offset.
        key: Its key, as it is.
        timestamp: Milliseconds since 1970-01-01 UTC; None where the record has none.
        value: Its value, as it is.
        headers: Its headers, in order.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    timestamp: int | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @cached_property
    def envelope(self) -> EventEnvelope:
        """The event. It is decoded when it is asked for, so a broken record is the reader's to skip, keep or report.

        Raises:
            taskfactory.envelope.InvalidEnvelope: The record holds none. The subscription goes on with the next.
        """
        return decode(self.value, self.headers, self.key)


class Subscription:
    """An iterator over records that ends only when it is closed. Build it with `subscribe`.

    With a group, a record counts as done when the next one is asked for: one that was being handled in a crash, or that
    the loop was left with, comes again. Iterate in one thread; `close` may be called from any.
    """

    def __init__(self, consumer: Consumer, *, keeps_place: bool, client_errors: deque[KafkaError]) -> None:
        self._consumer = consumer
        self._client_errors = client_errors  # filled while polling
        self._keeps_place = keeps_place
        self._handed_out: Message | None = None
        self._closing = threading.Event()
        self._closed = False
        self._in_use = threading.Lock()  # a consumer serves one call at a time

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Received:
        """Wait for the next record.

        Raises:
            confluent_kafka.KafkaException: An error that does not pass by itself: an unknown topic, a refused login.
            StopIteration: The subscription was closed.
        """
        with self._in_use:
            self._finish_last()
            while not self._closing.is_set():
                message = self._consumer.poll(_POLL_S)
                while self._client_errors:
                    _raise_unless_passing(self._client_errors.popleft())
                if message is None:
                    continue
                if (error := message.error()) is not None:
                    _raise_unless_passing(error)
                    continue
                self._handed_out = message
                return _received(message)
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Leave the group, its place committed, and free the connections. Waits for a running `next` to end."""
        self._closing.set()
        with self._in_use:
            if not self._closed:
                self._closed = True
                self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _finish_last(self) -> None:
        """Mark the record that was handed out as done; it is committed with the next automatic commit, or on close."""
        message, self._handed_out = self._handed_out, None
        if message is None or not self._keeps_place or self._closed:
            return
        try:
            self._consumer.store_offsets(message)
        except KafkaException as error:
            # The partition went to another member of the group, which reads the record again.
            if error.args[0].code() != KafkaError._STATE:  # noqa: SLF001 - librdkafka's name of a local error
                raise


def subscribe(
    config: Mapping[str, str],
    topics: Sequence[str],
    *,
    group_id: str | None = None,
    from_beginning: bool = False,
) -> Subscription:
    """Read topics from now on, from the beginning, or from where a group has left them.

    When this returns without a group, the place is fixed: what is sent afterwards is received.

    Args:
        config: librdkafka properties; `bootstrap.servers` at least.
        topics: Names of topics that exist.
        group_id: Members of one group share the partitions, and the group's place survives a restart. Without it every
            subscription reads all partitions that exist now, and nothing is committed.
        from_beginning: Where to start when there is no place yet: at the oldest record, or behind the newest.

    Raises:
        confluent_kafka.KafkaException: The configuration is refused, or (without a group) no broker answers or a topic
            is unknown.
    """
    client_errors: deque[KafkaError] = deque()
    consumer = Consumer(
        {
            **config,
            # Without a group the place is chosen below, and this is for records that retention removes meanwhile.
            "auto.offset.reset": "earliest" if from_beginning or group_id is None else "latest",
            "group.id": group_id or _NO_GROUP,
            "enable.auto.commit": group_id is not None,
            "enable.auto.offset.store": False,
            # Without this callback such errors are only logged, and a subscriber with a wrong password waits for ever.
            "error_cb": client_errors.append,
        },
        logger=_LOG,
    )
    try:
        if group_id is not None:
            consumer.subscribe(list(topics))
        else:
            consumer.assign(
                [place for topic in topics for place in _places(consumer, topic, from_beginning=from_beginning)]
            )
    except BaseException:
        consumer.close()
        raise
    return Subscription(consumer, keeps_place=group_id is not None, client_errors=client_errors)


def _places(consumer: Consumer, topic: str, *, from_beginning: bool) -> list[TopicPartition]:
    metadata = consumer.list_topics(topic, timeout=_METADATA_TIMEOUT_S).topics[topic]
    if metadata.error is not None:
        raise KafkaException(metadata.error)
    places = [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in sorted(metadata.partitions)]
    if not from_beginning:
        for place in places:
            _, place.offset = consumer.get_watermark_offsets(place, timeout=_METADATA_TIMEOUT_S)
    return places


def _raise_unless_passing(error: KafkaError) -> None:
    if error.fatal() or (error.code() not in _PASSING and not error.retriable()):
        raise KafkaException(error)


def _received(message: Message) -> Received:
    kind, timestamp = message.timestamp()
    return Received(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        timestamp=None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp,
        value=message.value(),
        headers=tuple(cast("list[tuple[str, bytes | None]]", message.headers() or [])),
    )
