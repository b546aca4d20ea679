"""The orchestrator's settings."""

from typing import Literal

from pydantic import Field

from taskfactory.definitions import RunLimits
from taskfactory.orchestrator.context.settings import ContextSettings
from taskfactory.runtime import DatabaseSettings, KafkaSettings, ProcessSettings, TemporalSettings, TopicSettings


class OrchestratorSettings(
    ProcessSettings, KafkaSettings, DatabaseSettings, TemporalSettings, TopicSettings, ContextSettings
):
    """Read once from `TASKFACTORY_…`; `taskfactory config orchestrator` shows what is in force."""

    outcomes_format: Literal["structured", "binary", "avro"] = "structured"
    """Wire format of outcomes: CloudEvents JSON, CloudEvents binary mode, or Avro single-object."""
    max_outcome_bytes: int = Field(1_000_000, ge=10_000)
    """Largest outcome record; a larger one is published without its result. Kafka's own default is 1 MiB."""
    max_params_bytes: int = Field(4_000_000, ge=10_000, le=256 * 1024 * 1024)
    """Largest params of one task. From `payload_threshold_bytes` on they go to the payload storage; where that is off,
    set this to 1000000 or less: they cross to Temporal twice in one message, of which gRPC allows 4 MiB."""
    max_tasks_per_run: int = Field(10_000, ge=1, le=100_000)
    """Tasks of one run, skipped ones included; a definition that gives more fails the run."""
    max_foreach_elements: int = Field(10_000, ge=1, le=100_000)
    """Elements of the list that one `foreach` gives."""
    max_concurrent_runs: int = Field(100, ge=1)
    """Workflow tasks executed at the same time."""
    max_concurrent_steps: int = Field(20, ge=1)
    """Plans and finalisations at the same time; each holds a database connection."""
    reconcile_interval: float = Field(10.0, gt=0)
    """Seconds between two looks of the reconciler at executions that ended badly."""
    reconcile_grace: float = Field(60.0, ge=0)
    """Seconds for which an open run is left alone before its execution is looked up."""
    schedules_interval: float = Field(10.0, gt=0)
    """Seconds between two comparisons of Temporal's schedules with the definitions; changes are seen to at once."""
    queue_check_interval: float = Field(5.0, gt=0)
    """Seconds between two looks at which task queues have workers."""
    runs_retention_days: int = Field(90, ge=1)
    """Days for which ended runs and their tasks are kept; the dedupe ledger is kept forever."""

    @property
    def run_limits(self) -> RunLimits:
        """What planning is to heed."""
        return RunLimits(self.max_tasks_per_run, self.max_foreach_elements)

    def producer_config(self) -> dict[str, str]:
        """The librdkafka properties of the producer of outcomes."""
        defaults = {
            "compression.type": "zstd",
            # A topic that is not there is noticed within this time, not after half a minute.
            "topic.metadata.propagation.max.ms": "3000",
            # The broker decides what is too large, not the client.
            "message.max.bytes": "100000000",
        }
        return defaults | self.librdkafka()
