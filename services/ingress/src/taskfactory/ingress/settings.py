"""Ingress's settings, read from the environment once."""

from typing import Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from taskfactory.ingress.dead_letter_share import ShareLimit
from taskfactory.ingress.pipeline import PipelineLimits
from taskfactory.intake import IntakeSettings
from taskfactory.runtime import DatabaseSettings, ProcessSettings, TemporalSettings
from taskfactory.runtime.settings import property_name

MIB = 1024 * 1024
OWN_SETTINGS: Final = {
    "group.id": "TASKFACTORY_KAFKA_GROUP_ID",
    "group.protocol": "TASKFACTORY_KAFKA_GROUP_PROTOCOL",
    "group.instance.id": "TASKFACTORY_KAFKA_GROUP_INSTANCE_ID",
}
LEFT_TO_THE_BROKER: Final = {
    "session.timeout.ms": "group.consumer.session.timeout.ms",
    "heartbeat.interval.ms": "group.consumer.heartbeat.interval.ms",
    "partition.assignment.strategy": "group.consumer.assignors",
    "group.protocol.type": "nothing",
}
"""Properties that librdkafka refuses under KIP-848, and the broker's (or the group's) that decide instead."""


class IngressSettings(ProcessSettings, IntakeSettings, DatabaseSettings, TemporalSettings):
    """`TASKFACTORY_KAFKA_TOPICS` and so on; the blocks it is put together from say the rest."""

    kafka_group_protocol: Literal["classic", "consumer"] = "classic"
    """`classic`: the members share the partitions out (cooperatively); `consumer`: Kafka 4's brokers do (KIP-848)."""
    kafka_group_instance_id: str | None = Field(None, min_length=1)
    """Static membership: a name for this process, unlike any other's of the group and the same after a restart. Who is
    back within the session timeout gets its partitions again, and nobody else notices."""
    max_dead_letter_share: float = Field(0.5, ge=0, le=1)
    """Above this share of dead letters among the latest records, ingress stops and says so; 1 never stops."""
    dead_letter_window: int = Field(1000, ge=10)
    """How many records are the latest ones; at least a tenth of them must have been dead-lettered."""
    max_in_flight: int = Field(1000, ge=1)
    """Records consumed and not yet disposed. Each assigned partition has an equal share, but no less than 50, and
    pauses at it."""
    max_in_flight_bytes: int = Field(64 * MIB, ge=1)
    """The same in bytes of keys, values and headers; a share is no less than 1 MiB."""
    max_concurrent_starts: int = Field(64, ge=1)
    """Runs being started at the same time."""

    @field_validator("kafka_config")
    @classmethod
    def _have_settings_of_their_own(cls, given: dict[str, str]) -> dict[str, str]:
        for name in given:
            if (setting := OWN_SETTINGS.get(property_name(name))) is not None:
                raise ValueError(f"{property_name(name)} has a setting of its own: use {setting}")
        return given

    @field_validator("kafka_group_protocol")
    @classmethod
    def _leaves_sessions_to_the_broker(cls, protocol: str, info: ValidationInfo) -> str:
        given = {property_name(name): name for name in info.data.get("kafka_config", {})}
        if protocol == "consumer" and (refused := sorted(given.keys() & LEFT_TO_THE_BROKER.keys())):
            instead = ", ".join(f"{name} ({LEFT_TO_THE_BROKER[name]})" for name in refused)
            variables = ", ".join(f"TASKFACTORY_KAFKA_CONFIG__{given[name].upper()}" for name in refused)
            raise ValueError(
                f"the 'consumer' protocol leaves to the broker: {instead}; unset {variables}, or use 'classic'"
            )
        return protocol

    def consumer_config(self) -> dict[str, str]:
        """The consumer's librdkafka properties: defaults, what the operator set, and what ingress relies on."""
        given = self.librdkafka(group_member=True)
        defaults = {
            "auto.offset.reset": "earliest",
            # Memory stays bounded beside `max_in_flight_bytes`: librdkafka would prefetch 64 MiB.
            "queued.max.messages.kbytes": "16384",
            "statistics.interval.ms": "2000",
            "topic.metadata.refresh.interval.ms": "10000",
        }
        if self.kafka_group_protocol == "classic":
            defaults["partition.assignment.strategy"] = "cooperative-sticky"
        fixed = {
            "group.id": self.kafka_group_id,
            "group.protocol": self.kafka_group_protocol,
            "enable.auto.commit": "false",
            "enable.auto.offset.store": "false",
            # Tells a partition that was read to its end from one whose records have not come yet.
            "enable.partition.eof": "true",
        }
        if self.kafka_group_instance_id is not None:
            fixed["group.instance.id"] = self.kafka_group_instance_id
        return defaults | given | fixed

    def pipeline_limits(self) -> PipelineLimits:
        """The bounds of the pipeline."""
        return PipelineLimits(
            self.decision_limits,
            ShareLimit(self.max_dead_letter_share, self.dead_letter_window, self.dead_letter_window // 10),
        )
