"""Every metric that ingress exposes, with its meaning."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from taskfactory.ingress.computed_gauges import ComputedGauge, SecondsSince

RECORDS: Final = Counter("taskfactory_ingress_records_total", "Records consumed, redelivered ones included.", ["topic"])
DECISIONS: Final = Counter(
    "taskfactory_ingress_decisions_total",
    "What became of records, one count per matching definition: started, already_started (a duplicate), paused,"
    " before_activation (the record is older than the definition), dead_lettered; one per shadow"
    " version that matched or failed: shadowed (it starts nothing); and once per record: filtered (no definition"
    " matched), left (given to the partition's next owner undone).",
    ["decision"],
)
DEAD_LETTERS: Final = Counter(
    "taskfactory_ingress_dead_letters_total", "Dead letters acknowledged by Kafka, by reason.", ["reason"]
)
RETRIES: Final = Counter(
    "taskfactory_ingress_retries_total",
    "Attempts that failed for now and are repeated, by dependency (schema_registry, temporal, dead_letters, registry,"
    " decisions) and error.",
    ["dependency", "error"],
)
START_SECONDS: Final = Histogram(
    "taskfactory_ingress_start_seconds",
    "From the first attempt to start a run until Temporal acknowledged it.",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
HALTED: Final = Gauge(
    "taskfactory_ingress_halted",
    "1 for a topic of which too many records were dead-lettered, so that its consumption has stopped; else no series.",
    ["topic"],
)
IN_FLIGHT_RECORDS: Final = Gauge("taskfactory_ingress_in_flight_records", "Records consumed and not yet disposed.")
IN_FLIGHT_BYTES: Final = Gauge("taskfactory_ingress_in_flight_bytes", "Their keys, values and headers, in bytes.")
PAUSED_PARTITIONS: Final = Gauge(
    "taskfactory_ingress_paused_partitions",
    "Assigned partitions that are not read at the moment because their share is in flight, or while stopping.",
)
ASSIGNED_PARTITIONS: Final = Gauge("taskfactory_ingress_assigned_partitions", "Partitions assigned to this process.")
REBALANCES: Final = Counter(
    "taskfactory_ingress_rebalances_total",
    "Times that the group assigned, revoked or lost partitions of this process, of however many at once.",
    ["event"],
)
COMMITTED_OFFSET: Final = Gauge(
    "taskfactory_ingress_committed_offset", "Offset that Kafka acknowledged last.", ["topic", "partition"]
)
COMMIT_SECONDS: Final = Histogram(
    "taskfactory_ingress_commit_seconds",
    "From sending a commit to Kafka until its acknowledgement.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
COMMIT_FAILURES: Final = Counter(
    "taskfactory_ingress_commit_failures_total", "Commits that Kafka refused; they are repeated.", ["error"]
)
LAG: Final = Gauge(
    "taskfactory_ingress_lag", "Records between the committed offset and the partition's end.", ["topic", "partition"]
)
OLDEST_EVENT: Final = SecondsSince(
    "taskfactory_ingress_oldest_event_seconds",
    "Age of the oldest record of a topic that is not disposed, by the record's timestamp. 0 when everything in the"
    " assigned partitions was read and disposed. With nothing in flight and the end not reached: seconds since the"
    " timestamp of the record read last, or since the assignment if none was.",
    "topic",
)
OLDEST_IN_FLIGHT: Final = SecondsSince(
    "taskfactory_ingress_definition_oldest_event_seconds",
    "Age of the oldest record, by its timestamp, of which a definition's part is not durable yet. Only definitions with"
    " something in flight have a series.",
    "definition",
)
DEFINITION_IN_FLIGHT: Final = ComputedGauge(
    "taskfactory_ingress_definition_in_flight_records",
    "Records of which a definition's part is not durable yet. Only definitions with something in flight have a series.",
    "definition",
)
TOPICS_RECREATED: Final = Counter(
    "taskfactory_ingress_topics_recreated_total",
    "Partitions read from the beginning because their topic was deleted and created again.",
    ["topic"],
)
DEFINITIONS: Final = Gauge("taskfactory_ingress_definitions", "Enabled definitions that events are matched against.")
SHADOW_VERSIONS: Final = Gauge(
    "taskfactory_ingress_shadow_versions", "Shadow versions that events are matched against; they start nothing."
)
DEFINITIONS_REVISION: Final = Gauge(
    "taskfactory_ingress_definitions_revision", "The registry's revision that is in force here."
)
DEFINITIONS_REFUSED: Final = Counter(
    "taskfactory_ingress_definitions_refused_total",
    "Revisions whose definitions did not compile; the previous set stayed in force.",
)
