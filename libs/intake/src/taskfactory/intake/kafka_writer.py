"""Writing to Kafka from an event loop: each record is acknowledged, or the error is given back."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka._types import HeadersType

from taskfactory.intake.unavailable import Unavailable

POLL_SECONDS: Final = 0.1

Headers = Sequence[tuple[str, bytes | None]]


class WriterFailed(Exception):  # noqa: N818 -- it says what happened
    """The producer of one of our topics is broken for good. Restart the process."""

    def __init__(self, topic: str, error: KafkaError) -> None:
        super().__init__(f"the producer for topic {topic!r} can't go on: {error.str()} ({error.name()})")
        self.error = error


class KafkaWriter:
    """An idempotent producer whose deliveries can be awaited."""

    def __init__(self, config: Mapping[str, str], topic: str) -> None:
        """Create the producer; nothing is connected yet.

        Args:
            config: librdkafka properties.
            topic: where every record goes.

        Raises:
            KafkaException: librdkafka refuses the configuration.
        """
        self._topic = topic
        self._producer = Producer({**config, "enable.idempotence": "true"}, logger=logging.getLogger("librdkafka"))
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve_callbacks, name=f"writer-{topic}", daemon=True)
        self._thread.start()

    async def write(self, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Return when Kafka has acknowledged the record.

        Raises:
            Unavailable: Kafka did not acknowledge; the same record may be written again.
            TooLarge: the topic takes no record of that size.
            WriterFailed: the producer is broken for good.
        """
        error = await self._produce(key, value, headers)
        if error is None:
            return
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            raise TooLarge(self._topic)
        if error.fatal():
            raise WriterFailed(self._topic, error)
        raise Unavailable(error.name(), f"topic {self._topic!r}: {error.str()}")

    def close(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for records under way, then stop."""
        self._producer.flush(timeout)
        self._closed.set()
        self._thread.join()

    async def _produce(self, key: bytes | None, value: bytes | None, headers: Headers) -> KafkaError | None:
        loop = asyncio.get_running_loop()
        acknowledged: asyncio.Future[KafkaError | None] = loop.create_future()
        try:
            self._producer.produce(
                self._topic,
                value=value,
                key=key,
                headers=cast("HeadersType", list(headers)),
                on_delivery=_resolver(loop, acknowledged),
            )
        except KafkaException as failure:
            return _kafka_error(failure)
        except BufferError:
            return KafkaError(KafkaError._QUEUE_FULL)  # noqa: SLF001 -- librdkafka's local codes are spelt so
        return await acknowledged

    def _serve_callbacks(self) -> None:
        while not self._closed.is_set():
            self._producer.poll(POLL_SECONDS)


class TooLarge(Exception):  # noqa: N818 -- it says what is the matter
    """The topic takes no record of that size, now or later."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"topic {topic!r} takes no record of that size: raise its max.message.bytes")


def _kafka_error(failure: KafkaException) -> KafkaError:
    error = failure.args[0]
    if not isinstance(error, KafkaError):
        raise failure
    return error


def _resolver(
    loop: asyncio.AbstractEventLoop, acknowledged: asyncio.Future[KafkaError | None]
) -> Callable[[KafkaError | None, Message], None]:
    def resolve(error: KafkaError | None) -> None:
        if not acknowledged.done():
            acknowledged.set_result(error)

    def on_delivery(error: KafkaError | None, _message: Message) -> None:
        # The loop may be closed when a record of an aborted shutdown is acknowledged late.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(resolve, error)

    return on_delivery
