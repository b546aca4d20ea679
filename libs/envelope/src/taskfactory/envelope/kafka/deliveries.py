"""The acknowledgements that one send waits for.

Invariant: every index is settled once; what comes later for it is ignored, so a report that arrives after the deadline
cannot turn a failure that was raised into a success.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError


@dataclass(frozen=True)
class FailedDelivery:
    """One envelope that was not acknowledged. It may have been written all the same: send it again under its own id.

    Attributes:
        index: Its position in the list that was sent, from 0.
        identity: Its `(source, id)`.
        code: librdkafka's name of the error, such as `MSG_SIZE_TOO_LARGE`; `NO_REPORT` when it said nothing in time.
        reason: The broker's or the client's words.
        fatal: The producer can send nothing any more; build a new one.
    """

    index: int
    identity: tuple[str, str]
    code: str
    reason: str
    fatal: bool = False


class Deliveries:
    """Counts down the reports of a batch. Reports come from another thread."""

    def __init__(self, identities: Sequence[tuple[str, str]]) -> None:
        self._identities = identities
        self._open = set(range(len(identities)))
        self._failures: list[FailedDelivery] = []
        self._changed = threading.Condition()

    def settle(self, index: int, error: KafkaError | None) -> None:
        """Note the report for one index."""
        if error is None:
            self._settle(index, None)
        else:
            self._fail(index, error.name(), f"{error.name()}: {error.str()}", fatal=error.fatal())

    def wait(self, timeout: float) -> tuple[FailedDelivery, ...]:
        """Wait for all reports, at most `timeout` seconds; return the failures in the order of the list."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open, timeout)
            unreported = sorted(self._open)
        for index in unreported:
            self._fail(index, "NO_REPORT", "no report from the Kafka client in time; it may still be delivered")
        return tuple(sorted(self._failures, key=lambda failure: failure.index))

    def _fail(self, index: int, code: str, reason: str, *, fatal: bool = False) -> None:
        self._settle(index, FailedDelivery(index, self._identities[index], code, reason, fatal))

    def _settle(self, index: int, failure: FailedDelivery | None) -> None:
        with self._changed:
            if index not in self._open:
                return
            self._open.remove(index)
            if failure is not None:
                self._failures.append(failure)
            if not self._open:
                self._changed.notify_all()
