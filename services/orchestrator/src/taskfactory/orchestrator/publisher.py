"""Publishing outcomes: every call returns only when Kafka has acknowledged every record.

One definition's mistake must not hold back the others' outcomes, so what can be mended is: a definition's own topic
that does not exist or may not be written is replaced by the installation's, and a record that is too large goes without
its result. Everything else is raised, and the caller tries again under the same ids.
"""

import base64
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from taskfactory.envelope import encode
from taskfactory.envelope.kafka import DeliveryFailed, EnvelopeProducer
from taskfactory.orchestrator import metrics
from taskfactory.orchestrator.outcomes import KeyedOutcome, outcomes, without_result
from taskfactory.orchestrator.settings import OrchestratorSettings
from taskfactory.registry import Finished

NO_SUCH_PLACE: Final = frozenset(
    {"_UNKNOWN_TOPIC", "UNKNOWN_TOPIC_OR_PART", "TOPIC_EXCEPTION", "TOPIC_AUTHORIZATION_FAILED"}
)
TOO_LARGE: Final = frozenset({"MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"})

log = structlog.get_logger("taskfactory.orchestrator")


class OutcomePublisher:
    """Turns ended tasks and runs into records on their outcomes topics. Safe to call from several threads."""

    def __init__(self, make_producer: Callable[[], EnvelopeProducer], settings: OrchestratorSettings) -> None:
        """Publish through a producer of its own.

        Args:
            make_producer: makes one; called again when librdkafka declares the present one beyond repair.
            settings: topic, format and size limit of outcomes.
        """
        self._make_producer = make_producer
        self._producer = make_producer()
        self._replacing = threading.Lock()
        self._format: Final = settings.outcomes_format
        self._topic = settings.outcomes_topic
        self._max_bytes = settings.max_outcome_bytes
        self._problem: str | None = None

    def problem(self) -> str | None:
        """What the latest attempt failed with; None after a success. From any thread."""
        return self._problem

    def publish(self, finished: Finished) -> None:
        """Publish what these rows say; at least once, always under the same ids.

        Raises:
            DeliveryFailed: Kafka did not acknowledge every record; call again with the same rows.
        """
        by_topic: defaultdict[str, list[KeyedOutcome]] = defaultdict(list)
        for keyed in outcomes(finished):
            by_topic[keyed.topic or self._topic].append(self._fitting(keyed))
        for topic, batch in by_topic.items():
            self._send_or_mend(topic, batch)
            for keyed in batch:
                metrics.OUTCOMES_PUBLISHED.labels(keyed.envelope.type).inc()

    def close(self, timeout: float) -> None:
        """Let sends that are under way end for so many seconds, then make them fail."""
        self._producer.close(timeout)

    def _send_or_mend(self, topic: str, batch: Sequence[KeyedOutcome]) -> None:
        try:
            self._send(topic, batch)
        except DeliveryFailed as failed:
            codes = {failure.code for failure in failed.failures}
            refused = [batch[failure.index] for failure in failed.failures]
            if codes <= NO_SUCH_PLACE and topic != self._topic:
                log.warning(
                    "outcomes_topic_unusable", topic=topic, instead=self._topic, error=failed.failures[0].reason
                )
                self._send_or_mend(self._topic, refused)
            elif codes <= TOO_LARGE and any(_has_result(keyed) for keyed in refused):
                self._send_or_mend(topic, [self._slim(keyed) for keyed in refused])
            else:
                raise

    def _send(self, topic: str, batch: Sequence[KeyedOutcome]) -> None:
        producer = self._producer
        try:
            producer.send(
                topic,
                [keyed.envelope for keyed in batch],
                fmt=self._format,
                keys=[None if keyed.key is None else base64.b64decode(keyed.key) for keyed in batch],
            )
        except DeliveryFailed as failed:
            self._problem = str(failed)
            if failed.fatal:
                self._replace(producer)
            raise
        self._problem = None

    def _fitting(self, keyed: KeyedOutcome) -> KeyedOutcome:
        return keyed if self._size(keyed) <= self._max_bytes else self._slim(keyed)

    def _slim(self, keyed: KeyedOutcome) -> KeyedOutcome:
        size = self._size(keyed)
        metrics.OUTCOMES_WITHOUT_RESULT.inc()
        log.warning("outcome_without_result", outcome=keyed.envelope.id, bytes=size, limit=self._max_bytes)
        return without_result(keyed, size)

    def _size(self, keyed: KeyedOutcome) -> int:
        return len(encode(keyed.envelope, self._format).value or b"")

    def _replace(self, broken: EnvelopeProducer) -> None:
        with self._replacing:
            if self._producer is broken:
                log.error("producer_replaced", reason="librdkafka declared it beyond repair")
                self._producer = self._make_producer()
                broken.close(0)


def _has_result(keyed: KeyedOutcome) -> bool:
    task = keyed.envelope.data.get("task") if isinstance(keyed.envelope.data, dict) else None
    return task is not None and "result" in task
