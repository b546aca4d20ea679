"""What decides about records must be set alike wherever that is done: in ingress, in a redrive, in a replay."""

from pydantic import Field

from taskfactory.intake.decisions import DecisionLimits
from taskfactory.runtime import CommaList, KafkaSettings, SchemaRegistrySettings, TopicSettings

MIB = 1024 * 1024


class IntakeSettings(KafkaSettings, SchemaRegistrySettings, TopicSettings):
    """Which records are ingress's, limits of records and runs, and what it takes to read records."""

    kafka_topics: CommaList = Field(("events",), min_length=1)
    """Topics that ingress consumes; a name that starts with `^` is a regular expression."""
    kafka_group_id: str = Field("taskfactory-ingress", min_length=1)
    """Ingress's consumer group. Keep it stable: a new name reads every topic from its start."""
    max_event_bytes: int = Field(MIB, ge=1)
    """A larger record value is dead-lettered as `too_large` without being decoded."""
    max_hops: int = Field(10, ge=0)
    """Reactions that a chain of events may have; an event that has come further is dead-lettered as `too_many_hops`."""
    max_run_input_bytes: int = Field(16 * MIB, ge=1, le=256 * MIB)
    """A larger encoded RunInput is dead-lettered as `run_input_too_large`. From `payload_threshold_bytes` on an input
    goes to the payload storage; where that is `off`, Temporal refuses 2 MiB and more (`limit.blobSize.error`)."""

    @property
    def decision_limits(self) -> DecisionLimits:
        """What `decide` is to heed."""
        return DecisionLimits(self.max_hops)
