"""All metrics of payload storage."""

from typing import Final

from prometheus_client import Counter, Histogram

PAYLOADS: Final = Counter(
    "taskfactory_payloads", "Large payloads that were stored or read, by operation (store, retrieve).", ["operation"]
)
BYTES: Final = Counter("taskfactory_payload_bytes", "Their bytes.", ["operation"])
SECONDS: Final = Histogram(
    "taskfactory_payload_seconds", "Time of one batch on PostgreSQL, by operation.", ["operation"]
)
