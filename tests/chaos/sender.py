"""Produces planned records at an even pace, past all faults, and keeps the places that Kafka acknowledged."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

from confluent_kafka import KafkaError, Message, Producer

from tests.chaos.books import Produced
from tests.chaos.traffic import Planned


class Sender:
    """One thread with one idempotent producer: what it repeats while the broker is away stands in the log once."""

    def __init__(self, bootstrap_servers: str, topic: str, planned: Sequence[Planned], seconds: float) -> None:
        """Begin to send.

        Args:
            bootstrap_servers: the broker itself, not a proxy of it.
            topic: where to.
            planned: what.
            seconds: how long it takes altogether, unless a broker that is away makes it longer.
        """
        self._planned = planned
        self._topic = topic
        self._pause = seconds / max(1, len(planned))
        self._acknowledged: list[Produced] = []
        self._refused: list[KafkaError] = []
        self._hurry = threading.Event()
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": "true",
                "linger.ms": "0",
                "reconnect.backoff.max.ms": "500",
                "log_level": "0",
            }
        )
        self._done: Future[None] = Future()
        threading.Thread(target=self._run, name="sender", daemon=True).start()

    def finish(self, timeout: float) -> list[Produced]:
        """Wait until everything is sent and acknowledged.

        Returns:
            Every record with its place, in the order of the acknowledgements.
        """
        self._done.result(timeout)
        assert not self._refused, f"the test's own producer was refused: {self._refused[:3]}"
        assert len(self._acknowledged) == len(self._planned)
        return self._acknowledged

    @property
    def acknowledged(self) -> int:
        """How many records are on the topic."""
        return len(self._acknowledged)

    def abandon(self) -> None:
        """Send the rest at once: the test is over."""
        self._hurry.set()

    def _run(self) -> None:
        try:
            due = time.monotonic()
            for record in self._planned:
                self._produce(record)
                self._producer.poll(0)
                due += self._pause
                self._hurry.wait(max(0.0, due - time.monotonic()))
            self._producer.flush(5 if self._hurry.is_set() else 240)
        except BaseException as error:  # noqa: BLE001 -- `finish` raises it
            self._done.set_exception(error)
        else:
            self._done.set_result(None)

    def _produce(self, record: Planned) -> None:
        def acknowledged(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._refused.append(error)
                return
            place = (message.partition() or 0, message.offset() or 0)
            self._acknowledged.append(Produced(place, record.name, record.poison, record.fates))

        self._producer.produce(
            self._topic,
            record.value,
            record.key,
            headers=dict[str, str | bytes | None](record.headers),
            on_delivery=acknowledged,
        )
