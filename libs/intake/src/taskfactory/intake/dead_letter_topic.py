"""The dead letter topic: where dead letters are written, each acknowledged by Kafka."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Final, Protocol, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka._types import HeadersType

from taskfactory.intake.dead_letters import PREFIX, DeadLetter
from taskfactory.intake.unavailable import Unavailable

POLL_SECONDS: Final = 0.1

Headers = list[tuple[str, bytes | None]]


class DeadLetterSink(Protocol):
    """Where dead letters go."""

    async def write(self, letter: DeadLetter) -> None:
        """Return when the letter is durable.

        Raises:
            Unavailable: not now; the same letter may be written again.
        """


class DeadLettersFailed(Exception):  # noqa: N818 -- it says what happened
    """The producer of dead letters is broken for good. Restart the process."""

    def __init__(self, error: KafkaError) -> None:
        super().__init__(f"the producer of dead letters can't go on: {error.str()} ({error.name()})")
        self.error = error


class KafkaDeadLetters:
    """Writes dead letters to a topic with an idempotent producer and waits for Kafka's acknowledgement."""

    def __init__(self, config: Mapping[str, str], topic: str) -> None:
        """Create the producer; nothing is connected yet.

        Args:
            config: librdkafka properties, see `IngressSettings.dead_letter_config`.
            topic: the dead letter topic.

        Raises:
            KafkaException: librdkafka refuses the configuration.
        """
        self._topic = topic
        self._producer = Producer(dict(config), logger=logging.getLogger("librdkafka"))
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve_callbacks, name="dead-letters", daemon=True)
        self._thread.start()

    async def write(self, letter: DeadLetter) -> None:
        """Return when Kafka has acknowledged the letter.

        A letter that is too large for the topic is written without its value and marked
        `taskfactory_dlq_truncated=true`: the original is still at its coordinates, and its partition goes on.

        Raises:
            Unavailable: Kafka did not acknowledge; the same letter may be written again.
            DeadLettersFailed: the producer is broken for good.
        """
        error = await self._produce(letter, letter.record.value, letter.headers())
        if error is not None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            error = await self._produce(letter, None, [*letter.headers(), (f"{PREFIX}truncated", b"true")])
        if error is None:
            return
        if error.fatal():
            raise DeadLettersFailed(error)
        raise Unavailable(error.name(), f"topic {self._topic!r}: {error.str()}")

    def close(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for letters under way, then stop."""
        self._producer.flush(timeout)
        self._closed.set()
        self._thread.join()

    async def _produce(self, letter: DeadLetter, value: bytes | None, headers: Headers) -> KafkaError | None:
        loop = asyncio.get_running_loop()
        acknowledged: asyncio.Future[KafkaError | None] = loop.create_future()
        try:
            self._producer.produce(
                self._topic,
                value=value,
                key=letter.record.key,
                headers=cast("HeadersType", headers),
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
        # The loop may be closed when a letter of an aborted shutdown is acknowledged late.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(resolve, error)

    return on_delivery
