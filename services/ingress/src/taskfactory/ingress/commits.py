"""Committing what is disposed: what was sent to Kafka, what it acknowledged, and what is to be sent again.

Used in the consumer's thread only. Invariants:
- What is committed is what `AssignedOffsets` says, nothing else (architecture, I4).
- An acknowledgement counts for the assignment under which the commit was sent, not for a later one.
- Beside every offset stands the id of the topic that it is about, see `topic_ids`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from taskfactory.ingress import metrics
from taskfactory.ingress.assignments import Assignments
from taskfactory.ingress.deliveries import Assignment
from taskfactory.ingress.kafka_consumer import KafkaConsumer
from taskfactory.ingress.topic_ids import note
from taskfactory.runtime import failpoint

COMMIT_SECONDS: Final = 0.25
REPEAT_SECONDS: Final = 30.0
"""How often an offset is committed again although nothing has moved.

An older commit that a dying connection delivers late overwrites a newer one, and Kafka forgets the offsets of a group
that commits nothing for a week (`offsets.retention.minutes`); both pass by themselves so.
"""

log = structlog.get_logger("taskfactory.ingress")

Sent = dict[tuple[str, int, int], tuple[int, float]]
"""Epoch and time of sending, by topic, partition and offset."""


class Commits:
    """The commits of one consumer."""

    def __init__(self, assigned: Assignments, clock: Callable[[], float]) -> None:
        """Begin without any.

        Args:
            assigned: the partitions of now.
            clock: monotonic seconds.
        """
        self._assigned = assigned
        self._clock = clock
        self._due = 0.0
        self._repeat_due = 0.0
        self._sent: Sent = {}

    def send_if_due(self, consumer: KafkaConsumer) -> None:
        """Send what has become committable, every `COMMIT_SECONDS`, and now and then all of it.

        The answer comes to `heard`.
        """
        now = self._clock()
        if now < self._due:
            return
        self._due = now + COMMIT_SECONDS
        repeat = now >= self._repeat_due
        if repeat:
            self._repeat_due = now + REPEAT_SECONDS
        changed = [
            (assignment, committable)
            for assignment in self._assigned.values()
            if (committable := self._assigned.offsets.committable(assignment.partition)) is not None
            and (repeat or committable != assignment.requested)
        ]
        if changed:
            self._send(consumer, changed, asynchronous=True)

    def send_now(self, consumer: KafkaConsumer, assignments: Iterable[Assignment]) -> None:
        """Send what is not acknowledged of some assignments, and wait for the answer."""
        if left := self.unacknowledged(assignments):
            self._send(consumer, left, asynchronous=False)

    def unacknowledged(self, assignments: Iterable[Assignment]) -> list[tuple[Assignment, int]]:
        """The assignments whose committable offset Kafka has not acknowledged yet, with that offset."""
        return [
            (assignment, committable)
            for assignment in assignments
            if (committable := self._assigned.offsets.committable(assignment.partition)) is not None
            and committable != assignment.acknowledged
        ]

    def hurry(self) -> None:
        """Let the next commit be due at once."""
        self._due = 0.0

    def heard(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        """Kafka's answer to one commit, of whatever way it was sent."""
        now = self._clock()
        sent = [self._sent.pop((offset.topic, offset.partition, offset.offset), None) for offset in offsets]
        if error is None and (times := [found[1] for found in sent if found]):
            metrics.COMMIT_SECONDS.observe(now - min(times))
        for offset, found in zip(offsets, sent, strict=True):
            assignment = self._assigned.get((offset.topic, offset.partition))
            problem = error or offset.error
            if problem is not None:
                metrics.COMMIT_FAILURES.labels(problem.name()).inc()
                log.info("commit_refused", partition=str(offset), error=problem.str())
                if assignment is not None:
                    assignment.requested = assignment.acknowledged = None
            elif assignment is not None and found is not None and found[0] == assignment.epoch:
                assignment.acknowledged = offset.offset
                metrics.COMMITTED_OFFSET.labels(offset.topic, offset.partition).set(offset.offset)
                failpoint("ingress.after_commit")

    def _send(self, consumer: KafkaConsumer, commits: Sequence[tuple[Assignment, int]], *, asynchronous: bool) -> None:
        offsets = []
        for assignment, offset in commits:
            assignment.requested = offset
            self._sent[*assignment.partition, offset] = (assignment.epoch, self._clock())
            offsets.append(TopicPartition(*assignment.partition, offset, note(assignment.topic_id)))
        try:
            answered = consumer.commit(offsets=offsets, asynchronous=asynchronous)
        except KafkaException as failure:
            self.heard(failure.args[0], offsets)
        else:
            if not asynchronous:
                self.heard(None, answered or [])
