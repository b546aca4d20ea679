"""Ingress's settings, read from the environment once."""

from pydantic import Field

from taskfactory.ingress.dead_letter_share import ShareLimit
from taskfactory.ingress.pipeline import PipelineLimits
from taskfactory.intake import IntakeSettings
from taskfactory.runtime import CommaList, DatabaseSettings, ProcessSettings, TemporalSettings

MIB = 1024 * 1024


class IngressSettings(ProcessSettings, IntakeSettings, DatabaseSettings, TemporalSettings):
    """`TASKFACTORY_KAFKA_TOPICS` and so on; the blocks it is put together from say the rest."""

    kafka_topics: CommaList = Field(("events",), min_length=1)
    """Topics to consume; a name that starts with `^` is a regular expression."""
    kafka_group_id: str = Field("taskfactory-ingress", min_length=1)
    """Consumer group. Keep it stable: a new name reads every topic from its start."""
    max_dead_letter_share: float = Field(0.5, ge=0, le=1)
    """Above this share of dead letters among the latest records, ingress stops and says so; 1 never stops."""
    dead_letter_window: int = Field(1000, ge=10)
    """How many records are the latest ones; at least a tenth of them must have been dead-lettered."""
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

    def pipeline_limits(self) -> PipelineLimits:
        """The bounds of the pipeline."""
        return PipelineLimits(
            self.decision_limits,
            ShareLimit(self.max_dead_letter_share, self.dead_letter_window, self.dead_letter_window // 10),
        )
