"""The dead letter topic: where dead letters are written, each acknowledged by Kafka."""

import contextlib
from collections.abc import Mapping
from typing import Protocol

from taskfactory.intake.dead_letters import PREFIX, DeadLetter
from taskfactory.intake.kafka_writer import KafkaWriter, TooLarge


class DeadLetterSink(Protocol):
    """Where dead letters go."""

    async def write(self, letter: DeadLetter) -> None:
        """Return when the letter is durable.

        Raises:
            Unavailable: not now; the same letter may be written again.
        """


class KafkaDeadLetters:
    """Writes dead letters to a topic with an idempotent producer and waits for Kafka's acknowledgement."""

    def __init__(self, config: Mapping[str, str], topic: str) -> None:
        """Create the producer; nothing is connected yet.

        Args:
            config: librdkafka properties of the connection; what dead letters need is set here.
            topic: the dead letter topic.

        Raises:
            KafkaException: librdkafka refuses the configuration.
        """
        # The sender repeats by itself, so an attempt need not outlive a patient reader.
        defaults = {"compression.type": "zstd", "message.timeout.ms": "30000"}
        fixed = {
            # The broker decides what is too large, not the client.
            "message.max.bytes": "1000000000",
            # Brokers apply their size limit to whole batches: alone, a refusal concerns exactly one dead letter.
            "batch.num.messages": "1",
        }
        self._writer = KafkaWriter({**defaults, **config, **fixed}, topic)

    async def write(self, letter: DeadLetter) -> None:
        """Return when Kafka has acknowledged the letter.

        A letter that is too large for the topic is written without its value, and if need be without its key and its
        own headers too, and marked `taskfactory_dlq_truncated=true`: the original is still at its coordinates, and its
        partition goes on.

        Raises:
            Unavailable: Kafka did not acknowledge; the same letter may be written again.
            TooLarge: the topic takes not even some kilobytes.
            WriterFailed: the producer is broken for good.
        """
        key, headers, truncated = letter.record.key, letter.headers(), (f"{PREFIX}truncated", b"true")
        with contextlib.suppress(TooLarge):
            return await self._writer.write(key, letter.record.value, headers)
        with contextlib.suppress(TooLarge):
            return await self._writer.write(key, None, [*headers, truncated])
        return await self._writer.write(None, None, [*letter.added_headers(), truncated])

    def close(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for letters under way, then stop."""
        self._writer.close(timeout)
