"""Publishing outcomes: every call returns only when Kafka has acknowledged every record."""

import base64
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Final

import structlog

from taskfactory.envelope import encode
from taskfactory.envelope.kafka import DeliveryFailed, EnvelopeProducer
from taskfactory.orchestrator import metrics
from taskfactory.orchestrator.outcomes import KeyedOutcome, outcomes, without_result
from taskfactory.orchestrator.settings import OrchestratorSettings
from taskfactory.registry import Finished

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

    def publish(self, finished: Finished) -> None:
        """Publish what these rows say; at least once, always under the same ids.

        Raises:
            DeliveryFailed: Kafka did not acknowledge every record; call again with the same rows.
        """
        by_topic: defaultdict[str, list[KeyedOutcome]] = defaultdict(list)
        for keyed in outcomes(finished):
            by_topic[keyed.topic or self._topic].append(self._fitting(keyed))
        for topic, batch in by_topic.items():
            self._send(topic, batch)
            for keyed in batch:
                metrics.OUTCOMES_PUBLISHED.labels(keyed.envelope.type).inc()

    def close(self) -> None:
        """Let sends that are under way end, and close the producer."""
        self._producer.close()

    def _send(self, topic: str, batch: list[KeyedOutcome]) -> None:
        producer = self._producer
        try:
            producer.send(
                topic,
                [keyed.envelope for keyed in batch],
                fmt=self._format,
                keys=[None if keyed.key is None else base64.b64decode(keyed.key) for keyed in batch],
            )
        except DeliveryFailed as failed:
            if failed.fatal:
                self._replace(producer)
            raise

    def _replace(self, broken: EnvelopeProducer) -> None:
        with self._replacing:
            if self._producer is broken:
                log.error("producer_replaced", reason="librdkafka declared it beyond repair")
                self._producer = self._make_producer()
                broken.close(0)

    def _fitting(self, keyed: KeyedOutcome) -> KeyedOutcome:
        size = len(encode(keyed.envelope, self._format).value or b"")
        if size <= self._max_bytes:
            return keyed
        metrics.OUTCOMES_WITHOUT_RESULT.inc()
        log.warning("outcome_without_result", outcome=keyed.envelope.id, bytes=size, limit=self._max_bytes)
        return without_result(keyed, size)
