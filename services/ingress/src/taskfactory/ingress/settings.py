"""Ingress's settings, read from the environment once."""

from pydantic import Field

from taskfactory.runtime import (
    CommaList,
    DatabaseSettings,
    KafkaSettings,
    ProcessSettings,
    TemporalSettings,
    TopicSettings,
)

MIB = 1024 * 1024


class IngressSettings(ProcessSettings, KafkaSettings, DatabaseSettings, TemporalSettings, TopicSettings):
    """`TASKFACTORY_KAFKA_TOPICS` and so on; the blocks it is put together from say the rest."""

    kafka_topics: CommaList = Field(("events",), min_length=1)
    """Topics to consume; a name that starts with `^` is a regular expression."""
    kafka_group_id: str = Field("taskfactory-ingress", min_length=1)
    """Consumer group. Keep it stable: a new name reads every topic from its start."""
    max_event_bytes: int = Field(MIB, ge=1)
    """A larger record value is dead-lettered as `too_large` without being decoded."""
    max_hops: int = Field(10, ge=0)
    """Reactions that a chain of events may have; an event that has come further is dead-lettered as `too_many_hops`."""
    max_run_input_bytes: int = Field(2 * MIB - 64 * 1024, ge=1, le=4_000_000)
    """A larger encoded RunInput is dead-lettered; Temporal's own limit (`limit.blobSize.error`) is 2 MiB by default."""
    max_in_flight: int = Field(1000, ge=1)
    """Records consumed and not yet disposed, above which consumption pauses."""
    max_in_flight_bytes: int = Field(64 * MIB, ge=1)
    """The same in bytes of keys and values."""
    max_concurrent_starts: int = Field(64, ge=1)
    """Runs being started at the same time."""

    def consumer_config(self) -> dict[str, str]:
        """The consumer's librdkafka properties: defaults, what the operator set, and what ingress relies on."""
        given = self.librdkafka()
        defaults = {
            "auto.offset.reset": "earliest",
            # Memory stays bounded beside `max_in_flight_bytes`: librdkafka would prefetch 64 MiB.
            "queued.max.messages.kbytes": "16384",
            "statistics.interval.ms": "2000",
            "topic.metadata.refresh.interval.ms": "10000",
        }
        if given.get("group.protocol", "classic") == "classic":
            defaults["partition.assignment.strategy"] = "cooperative-sticky"
        fixed = {
            "group.id": self.kafka_group_id,
            "enable.auto.commit": "false",
            "enable.auto.offset.store": "false",
            "enable.partition.eof": "false",
        }
        return defaults | given | fixed

    def dead_letter_config(self) -> dict[str, str]:
        """The librdkafka properties of the producer of dead letters."""
        defaults = {"compression.type": "zstd"}
        fixed = {
            "enable.idempotence": "true",
            # The broker decides what is too large, not the client.
            "message.max.bytes": "1000000000",
            # Brokers apply their size limit to whole batches: alone, a refusal concerns exactly one dead letter.
            "batch.num.messages": "1",
            # The sender repeats by itself, so an attempt need not outlive a patient reader.
            "message.timeout.ms": "30000",
        }
        return defaults | self.librdkafka() | fixed
