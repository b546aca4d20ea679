"""Send envelopes and wait until Kafka has acknowledged every one of them."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from taskfactory.envelope.codec import encode
from taskfactory.envelope.errors import shown
from taskfactory.envelope.kafka.deliveries import Deliveries, FailedDelivery
from taskfactory.envelope.model import EventEnvelope
from taskfactory.envelope.record import Format, Record

_LOG: Final = logging.getLogger(__name__)
_REQUIRED: Final = {"enable.idempotence": "true", "acks": "all"}
_DEFAULT_DELIVERY_TIMEOUT_MS: Final = 30_000
_TIMEOUT_NAMES: Final = ("delivery.timeout.ms", "message.timeout.ms")  # librdkafka knows it by both
_POLL_S: Final = 0.1
_REPORT_GRACE_S: Final = 5.0
"""librdkafka looks for expired messages once a second, and a request on its way must come back first."""


class DeliveryFailed(Exception):  # noqa: N818 - a fixed, public name
    """Some envelopes of a list were not acknowledged; all others were.

    Attributes:
        topic: Where they were sent to.
        failures: One entry for each, in the order of the list.
    """

    def __init__(self, topic: str, failures: tuple[FailedDelivery, ...]) -> None:
        super().__init__(topic, failures)
        self.topic = topic
        self.failures = failures

    @property
    def fatal(self) -> bool:
        """Whether the producer is beyond repair: close it and build a new one."""
        return any(failure.fatal for failure in self.failures)

    def __str__(self) -> str:
        first = self.failures[0]
        return (
            f"{len(self.failures)} envelope(s) not acknowledged by {self.topic}; the first is number {first.index}, "
            f"id {shown(first.identity[1])} of {shown(first.identity[0])}: {first.reason}. "
            "Send them again under the same ids."
        )


class EnvelopeProducer:
    """An idempotent producer (`acks=all`) whose `send` returns when everything is acknowledged, and raises otherwise.

    Any number of threads may call `send`; their records share batches and none waits for another's. From asyncio, call
    it with `asyncio.to_thread`. Use it as a context manager, or call `close`.
    """

    def __init__(self, config: Mapping[str, str]) -> None:
        """Connect in the background.

        Args:
            config: librdkafka properties; `bootstrap.servers` at least. `delivery.timeout.ms` (default here: 30 s)
                bounds every `send`. `enable.idempotence` and `acks` are not yours to change.

        Raises:
            confluent_kafka.KafkaException: librdkafka refuses the configuration.
            ValueError: The delivery timeout is no positive number of milliseconds.
        """
        timeouts = [config[name] for name in _TIMEOUT_NAMES if name in config]
        timeout_ms = int(timeouts[0]) if timeouts else _DEFAULT_DELIVERY_TIMEOUT_MS
        if timeout_ms <= 0:  # librdkafka reads 0 as "for ever"
            raise ValueError(f"delivery.timeout.ms is {timeout_ms}; it bounds every send, so it must be positive.")
        self._timeout_s = timeout_ms / 1000
        defaults = {} if timeouts else {"delivery.timeout.ms": str(timeout_ms)}
        self._producer = Producer({**defaults, **config, **_REQUIRED}, logger=_LOG)
        self._state = threading.Condition()
        self._sending = 0
        self._closed = False
        self._abandoned = False
        self._stopped = threading.Event()
        # Reports are served by a thread of their own, so that senders only wait.
        self._reports = threading.Thread(target=self._serve_reports, name="envelope-producer", daemon=True)
        self._reports.start()

    def send(
        self,
        topic: str,
        envelopes: Sequence[EventEnvelope],
        *,
        fmt: Format = "structured",
        keys: Sequence[bytes | None] | None = None,
        schema_id: int | None = None,
    ) -> None:
        """Produce all envelopes and wait for all acknowledgements.

        Envelopes of one key stay in the order of the list.

        Args:
            topic: The topic.
            envelopes: The events. An empty list is sent at once.
            fmt: The wire format.
            keys: One record key per envelope; None stands for the envelope's own (`partitionkey`, then `subject`).
            schema_id: See `encode`.

        Raises:
            DeliveryFailed: At least one was not acknowledged in time, or was refused.
            RuntimeError: The producer is closed.
            ValueError: `keys` has another length than `envelopes`, or `schema_id` does not go with `fmt`.
        """
        chosen = [None] * len(envelopes) if keys is None else keys
        records = [
            encode(envelope, fmt, key, schema_id=schema_id) for envelope, key in zip(envelopes, chosen, strict=True)
        ]
        deliveries = Deliveries([envelope.identity for envelope in envelopes])
        with self._send_in_progress():
            deadline = time.monotonic() + self._timeout_s
            for index, record in enumerate(records):
                self._produce(topic, record, deliveries, index, deadline)
            failures = deliveries.wait(self._timeout_s + _REPORT_GRACE_S)
        if failures:
            raise DeliveryFailed(topic, failures)

    def close(self, timeout: float = 10.0) -> None:
        """Refuse new sends, let running ones finish, and give up on them after `timeout` seconds (they raise)."""
        with self._state:
            self._closed = True
            if not self._all_returned(timeout):
                self._abandon()
        self._stopped.set()
        self._reports.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _send_in_progress(self) -> Iterator[None]:
        with self._state:
            if self._closed:
                raise RuntimeError("This EnvelopeProducer is closed; build a new one to send.")
            self._count(1)
        try:
            yield
        finally:
            with self._state:
                self._count(-1)

    def _all_returned(self, timeout: float) -> bool:
        return self._state.wait_for(lambda: self._sending == 0, timeout)

    def _abandon(self) -> None:
        """Fail what is under way. A sender may refill the queue that was just emptied, so once is not enough."""
        self._abandoned = True
        deadline = time.monotonic() + _REPORT_GRACE_S
        while time.monotonic() < deadline:
            self._producer.purge()
            if self._all_returned(_POLL_S):
                return

    def _count(self, change: int) -> None:
        self._sending += change
        self._state.notify_all()

    def _produce(self, topic: str, record: Record, deliveries: Deliveries, index: int, deadline: float) -> None:
        def report(error: KafkaError | None, _message: Message) -> None:
            deliveries.settle(index, error)

        while True:
            try:
                self._producer.produce(
                    topic, value=record.value, key=record.key, headers=list(record.headers), on_delivery=report
                )
            except BufferError:  # the local queue is full: acknowledgements make room
                if time.monotonic() >= deadline or self._abandoned:
                    deliveries.settle(index, KafkaError(KafkaError._QUEUE_FULL))  # noqa: SLF001 - librdkafka's names of its local errors
                    return
                self._producer.poll(_POLL_S)
            except KafkaException as error:
                deliveries.settle(index, error.args[0])
                return
            else:
                return

    def _serve_reports(self) -> None:
        while not self._stopped.is_set():
            self._producer.poll(_POLL_S)
