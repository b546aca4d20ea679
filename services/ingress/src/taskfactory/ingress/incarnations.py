"""Topics that were deleted and created again: noticed, and read from their beginning.

A partition is looked at when it is assigned (is the committed offset about the topic of now?), once more when its first
record comes, and every few seconds while it is read (the classic protocol lets a consumer go on in the new topic at the
old one's offset). The second look is for a commit that comes late: librdkafka sends one that met a rebalance again, and
may begin from it after the first look saw nothing.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Final

import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaException, Message, TopicPartition

from taskfactory.ingress import metrics
from taskfactory.ingress.assignments import Assignments
from taskfactory.ingress.deliveries import Assignment
from taskfactory.ingress.kafka_consumer import KafkaConsumer
from taskfactory.ingress.topic_ids import ASK_SECONDS, TopicIds, noted

LOOK_SECONDS: Final = 10.0
"""Between two looks at whether a topic that is being read has become another one."""
COMMITTED_SECONDS: Final = 5.0
"""How long an assignment waits for what was committed before; without an answer the commits are trusted."""

log = structlog.get_logger("taskfactory.ingress")


class Incarnations:
    """Which topic a name stands for, as Kafka said last. In one thread."""

    def __init__(self, ids: TopicIds) -> None:
        self._ids = ids
        self._current: dict[str, str] = {}
        self._former: set[str] = set()
        """Ids that were replaced: a broker that has not heard of it yet may still give one."""
        self._asked: Mapping[str, Future[str]] = {}
        self._next_look = 0.0

    def identify(self, topics: Collection[str]) -> Mapping[str, str]:
        """The ids of topics, waiting at most `ASK_SECONDS` for them; those that did not come are left out."""
        asked = self._ids.ask(topics)
        wait(asked.values(), ASK_SECONDS)
        return self._take(asked)

    def look(self, topics: Callable[[], Collection[str]], now: float) -> Mapping[str, str]:
        """The ids that have come in meanwhile; asks again every `LOOK_SECONDS`. Never waits.

        Args:
            topics: those that are being read.
            now: monotonic seconds.
        """
        if now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            wanted = topics()
            self._asked = self._ids.ask(wanted) if wanted else {}
            return {}
        if not self._asked or not all(future.done() for future in self._asked.values()):
            return {}
        asked, self._asked = self._asked, {}
        return self._take(asked)

    def _take(self, asked: Mapping[str, Future[str]]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for topic, future in asked.items():
            try:
                topic_id = future.result(0)
            except (KafkaException, TimeoutError) as error:
                log.debug("topic_id_unknown", topic=topic, error=str(error))
                continue
            if topic_id in self._former:
                found[topic] = self._current[topic]
                continue
            before = self._current.get(topic)
            if before not in {None, topic_id}:
                self._former.add(before or "")
            found[topic] = self._current[topic] = topic_id
        return found


class RecreatedTopics:
    """Makes partitions of topics that became others begin again. In the consumer's thread."""

    def __init__(self, assigned: Assignments, ids: TopicIds) -> None:
        self._assigned = assigned
        self._incarnations = Incarnations(ids)

    def compare_committed(self, consumer: KafkaConsumer, assignments: Sequence[Assignment], now: float) -> None:
        """Look whether committed offsets are about the topics of now, for assignments that committed nothing yet.

        Waits for Kafka, `ASK_SECONDS` and `COMMITTED_SECONDS` at most. An offset that was committed without an id is
        trusted, and so is every one when Kafka does not answer; the next `look` compares again.
        """
        ids = self._incarnations.identify({assignment.partition[0] for assignment in assignments})
        try:
            committed = consumer.committed([TopicPartition(*a.partition) for a in assignments], COMMITTED_SECONDS)
        except KafkaException as failure:
            log.info("committed_unknown", error=failure.args[0].str())
            committed = []
        known = {(found.topic, found.partition): noted(found.metadata) for found in committed}
        for assignment in assignments:
            assignment.topic_id = known.get(assignment.partition)
            self._compare(assignment, ids, now)

    def verify(self, consumer: KafkaConsumer, messages: Sequence[Message], now: float) -> None:
        """Look again at what partitions began from, before the first record of each counts."""
        came = {(message.topic() or "", message.partition() or 0) for message in messages if message.error() is None}
        first = [found for at in came if (found := self._assigned.get(at)) is not None and not found.verified]
        if first:
            self.compare_committed(consumer, first, now)
        for assignment in first:
            assignment.verified = True

    def look(self, clock: float, now: float) -> None:
        """Look now and then whether a topic became another one while it is read; never waits.

        Args:
            clock: monotonic seconds.
            now: seconds since the epoch.
        """
        ids = self._incarnations.look(self._assigned.topics, clock)
        for assignment in list(self._assigned.values()) if ids else ():
            self._compare(assignment, ids, now)

    def go_back(self, consumer: KafkaConsumer) -> None:
        """Let the partitions that begin again do so."""
        for assignment in self._assigned.values():
            if assignment.from_beginning:
                try:
                    consumer.seek(TopicPartition(*assignment.partition, OFFSET_BEGINNING))
                except KafkaException as failure:
                    # librdkafka has not started with the partition yet, for example: another turn.
                    log.debug("seek_refused", partition=assignment.partition, error=failure.args[0].str())
                else:
                    assignment.from_beginning = False

    def _compare(self, assignment: Assignment, ids: Mapping[str, str], now: float) -> None:
        topic, number = assignment.partition
        before, current = assignment.topic_id, ids.get(topic)
        if current is None or current == before:
            return
        if before is not None:
            assignment = self._assigned.begin_again(assignment, now)
            metrics.TOPICS_RECREATED.labels(topic).inc()
            hint = "the topic was deleted and created again: it is read from its beginning"
            log.warning("topic_recreated", topic=topic, partition=number, was=before, now=current, hint=hint)
        assignment.topic_id = current
