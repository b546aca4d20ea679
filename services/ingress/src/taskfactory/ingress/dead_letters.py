"""Dead letters: what could not become a run, kept in full in a topic of its own.

A dead letter is the original record, key, value and headers untouched, with headers added that say why and where it
came from. Its id is derived from the coordinates, so a repeated write is recognisable as the same letter.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka._types import HeadersType

from taskfactory.definitions import RegisteredDefinition
from taskfactory.ingress.records import Record
from taskfactory.ingress.retrying import Unavailable

PREFIX: Final = "taskfactory_dlq_"
"""Every header that is added starts so."""
MESSAGE_LIMIT: Final = 2000
"""Characters of the message that are kept."""
POLL_SECONDS: Final = 0.1

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that no run comes of, for every definition or for one."""

    record: Record
    reason: str
    """A short stable code."""
    message: str
    """A sentence, for people."""
    definition: RegisteredDefinition | None = None
    """The definition that it concerns; None if the record itself is at fault."""

    @property
    def id(self) -> str:
        """`topic/partition/offset`, and `/activity id` where a definition is concerned."""
        parts = [self.record.topic, str(self.record.partition), str(self.record.offset)]
        return "/".join(parts if self.definition is None else [*parts, self.definition.id])

    def headers(self) -> Headers:
        """The original headers, then `taskfactory_dlq_*`; those of an earlier dead letter are replaced.

        `taskfactory_dlq_attempts` counts how many times the event was dead-lettered, redriven records included.
        """
        record = self.record
        added: dict[str, str] = {
            "id": self.id,
            "reason": self.reason,
            "message": self.message[:MESSAGE_LIMIT],
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "attempts": str(1 + _earlier_attempts(record)),
        }
        if record.timestamp is not None:
            added["timestamp"] = str(record.timestamp)
        if self.definition is not None:
            added["activity_id"] = self.definition.id
            added["activity_name"] = self.definition.definition.name
            added["version"] = str(self.definition.version)
        kept: Headers = [(name, value) for name, value in record.headers if not name.startswith(PREFIX)]
        return kept + [(PREFIX + name, text.encode("utf-8", "backslashreplace")) for name, text in added.items()]


def _earlier_attempts(record: Record) -> int:
    found = dict(record.headers).get(f"{PREFIX}attempts")
    with contextlib.suppress(ValueError, TypeError):
        return max(0, int(found or 0))
    return 0


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
