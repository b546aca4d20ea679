"""The one thread that owns the Kafka consumer.

A call on a confluent-kafka consumer blocks every other call on it, so nothing else ever touches it: records leave
through `deliver`, and completions come back through a queue that the thread empties between two short fetches. Offsets,
backpressure and rebalances are therefore decided in one thread, without locks.

Invariants:
- What is committed is what `AssignedOffsets` says, nothing else (architecture, I4).
- The thread keeps polling while partitions are paused, so that a slow Temporal causes no rebalance.
- Every partition has its share of what may be in flight, so that one that is stuck never starves another (`flow`).
- A revoked partition is committed before it is given away; a lost one is not, since somebody else may own it by then.
- An offset of a topic that was deleted and created again is never taken for the new one's (`topic_ids`).
- It never ends silently: `finished` carries the reason.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final

import structlog
from confluent_kafka import KafkaError, Message, TopicPartition

from taskfactory.ingress import metrics
from taskfactory.ingress.assignments import Assignments
from taskfactory.ingress.commits import Commits
from taskfactory.ingress.connection import Connection
from taskfactory.ingress.deliveries import Assignment, Delivery
from taskfactory.ingress.flow import InFlight, Limits
from taskfactory.ingress.incarnations import RecreatedTopics
from taskfactory.ingress.kafka_consumer import ConsumerFailed, KafkaConsumer, confluent_consumer, is_fatal
from taskfactory.ingress.membership import Membership, parse_statistics
from taskfactory.ingress.offsets import Partition
from taskfactory.ingress.topic_ids import TopicIds
from taskfactory.intake import record_from_message

POLL_SECONDS: Final = 0.05
BATCH: Final = 200
"""Records per fetch; bounds what one hand-over puts on the event loop."""
PAUSED_POLL_SECONDS: Final = 0.01
"""While some partitions are paused: a completion that lets one go on is not to wait for another one's records."""
REVOKE_DRAIN_SECONDS: Final = 10.0
"""What a rebalance waits for work in flight; far below `max.poll.interval.ms`."""
FINAL_COMMIT_SECONDS: Final = 5.0
REPORT_SECONDS: Final = 0.25
STALL_SECONDS: Final = 30.0
"""A thread that has not come around for so long is reported as stuck."""

log = structlog.get_logger("taskfactory.ingress")


class RecordConsumer:
    """Consumes topics as a member of a group and hands records out, within bounds, until it is stopped."""

    def __init__(  # noqa: PLR0913 -- the last three are for tests
        self,
        config: Mapping[str, str],
        topics: Sequence[str],
        limits: Limits,
        deliver: Callable[[Sequence[Delivery]], None],
        *,
        topic_ids: TopicIds,
        create: Callable[[Mapping[str, Any]], KafkaConsumer] = confluent_consumer,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Create the consumer; `start` begins.

        Args:
            config: librdkafka properties with automatic commits and offset stores off.
            topics: names, or regular expressions that start with `^`.
            limits: what may be in flight before partitions pause.
            deliver: receives records; called in the consumer's thread and must not block.
            topic_ids: asks Kafka which topic a name stands for.
            create: makes the Kafka consumer.
            clock: monotonic seconds.
            now: seconds since the epoch.

        Raises:
            KafkaException: librdkafka refuses the configuration.
        """
        self.finished: Future[None] = Future()
        """Done when the thread has ended, with its exception if it failed."""
        self._topics = list(topics)
        self._deliver = deliver
        self._clock = clock
        self._now = now
        self._assigned = Assignments()
        self._in_flight = InFlight(limits)
        self._paused: set[Partition] = set()
        self._settled: queue.SimpleQueue[tuple[Delivery, bool] | None] = queue.SimpleQueue()
        self._deadline: float | None = None
        self._closing = False
        self._halted: Mapping[str, str] = {}  # by topic; replaced whole, since another thread reads it
        self._commits = Commits(self._assigned, clock)
        self._recreated = RecreatedTopics(self._assigned, topic_ids)
        self._next_report = 0.0
        self._oldest: dict[str, float | None] = {}
        metrics.OLDEST_EVENT.follow_times(lambda: self._oldest)
        self._turned = clock()
        self._membership = Membership(config.get("group.id", ""))
        callbacks = {"on_commit": self._commits.heard, "stats_cb": self._on_statistics, "error_cb": self._on_error}
        self._connection = Connection(config.get("bootstrap.servers", ""))
        self._consumer = create({**config, **callbacks})
        self._thread = threading.Thread(target=self._run, name="kafka-consumer", daemon=True)

    def start(self) -> None:
        """Join the group and begin to hand records out."""
        self._thread.start()

    def settle(self, delivery: Delivery, *, disposed: bool) -> None:
        """Give a record back, from any thread, exactly once.

        Args:
            delivery: as it was handed out.
            disposed: True if every effect of it was acknowledged; False leaves it to whoever reads it next.
        """
        self._settled.put((delivery, disposed))

    def stop(self, drain_seconds: float) -> None:
        """Stop fetching, wait so long for records in flight, commit, leave. From any thread; returns at once."""
        self._deadline = self._clock() + drain_seconds
        self._settled.put(None)

    def halt(self, topic: str, reason: str) -> None:
        """Stop fetching a topic, but stay in the group and keep what was not disposed.

        From any thread; only a restart ends it.

        Args:
            topic: which.
            reason: what `problem` says from now on.
        """
        metrics.HALTED.labels(topic).set(1)
        self._halted = {**self._halted, topic: reason}
        self._settled.put(None)

    def problem(self) -> str | None:
        """Why this process can't count as ready, None if it can. From any thread."""
        silent = self._clock() - self._turned
        if self.finished.done():
            return "the consumer's thread has ended"
        if silent > STALL_SECONDS:
            return f"the consumer's thread has not come around for {silent:.0f} s"
        halted = next((f"topic {topic!r}: {reason}" for topic, reason in self._halted.items()), None)
        return halted or self._connection.problem() or self._membership.problem()

    # -- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self.finished.set_running_or_notify_cancel()  # from here on, nobody who waits for it can cancel it
        try:
            try:
                self._consume()
            finally:
                self._closing = True
                self._consumer.close()
        except BaseException as error:  # noqa: BLE001 -- whoever waits for `finished` raises it
            self.finished.set_exception(error)
        else:
            self.finished.set_result(None)

    def _consume(self) -> None:
        self._consumer.subscribe(self._topics, self._on_assign, self._on_revoke, self._on_lost)
        while not self._drained():
            self._turned = self._clock()
            self._take_settled(wait=0.0)
            if self._deadline is None:
                self._recreated.look(self._clock(), self._now())
                self._recreated.go_back(self._consumer)
            self._balance()
            self._commits.send_if_due(self._consumer)
            self._report_if_due()
            self._fetch()
        self._commit_finally()

    def _drained(self) -> bool:
        if self._deadline is None:
            return False
        self._withdraw(self._assigned.values())
        return self._in_flight.records == 0 or self._clock() >= self._deadline

    def _stands_still(self, topic: str) -> bool:
        return self._deadline is not None or topic in self._halted

    def _fetch(self) -> None:
        paused = len(self._paused)
        if self._deadline is not None or (paused and paused == len(self._assigned)):
            # Nothing but rebalances and other callbacks is expected; a completion ends the wait early.
            self._take_settled(wait=POLL_SECONDS)
            messages = self._consumer.consume(1, 0.0)
        else:
            messages = self._consumer.consume(min(BATCH, self._in_flight.room(self._assigned)), 0.0)
            if not messages and paused:
                self._take_settled(wait=PAUSED_POLL_SECONDS)
            elif not messages:
                message = self._consumer.poll(POLL_SECONDS)
                messages = [] if message is None else [message]
        self._recreated.verify(self._consumer, messages, self._now())
        deliveries = [delivery for message in messages if (delivery := self._received(message)) is not None]
        if deliveries:
            self._deliver(deliveries)

    def _received(self, message: Message) -> Delivery | None:
        topic, error = message.topic() or "", message.error()
        partition = (topic, message.partition() or 0)
        assignment = self._assigned.get(partition)
        if error is not None:
            self._hear_of(topic, assignment, error)
            return None
        self._membership.readable(topic)
        # Once stopping, later records are not even noted: the committed offset stays below them.
        if assignment is None or assignment.from_beginning or self._stands_still(topic):
            return None
        record = record_from_message(message)
        metrics.RECORDS.labels(record.topic).inc()
        assignment.at_end = False
        assignment.since = self._now() if record.timestamp is None else record.timestamp / 1000
        if not self._assigned.offsets.received(partition, record.offset, assignment.since):
            return None
        assignment.outstanding += 1
        self._in_flight.add(partition, record.size)
        return Delivery(record, assignment)

    def _hear_of(self, topic: str, assignment: Assignment | None, error: KafkaError) -> None:
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 -- librdkafka's local codes are spelt so
            if assignment is not None and not assignment.from_beginning:
                assignment.at_end = True
        # Said once for a topic: it is asked for again and again.
        elif self._membership.refused(topic, error.str()) or is_fatal(error):
            self._on_error(error)

    def _take_settled(self, wait: float) -> None:
        try:
            item = self._settled.get(timeout=wait) if wait else self._settled.get_nowait()
            while True:
                if item is not None:
                    delivery, disposed = item
                    record, assignment = delivery.record, delivery.assignment
                    assignment.outstanding -= 1
                    self._in_flight.remove(assignment.partition, record.size)
                    if disposed:
                        self._assigned.offsets.done(assignment.partition, record.offset, assignment.epoch)
                item = self._settled.get_nowait()
        except queue.Empty:
            pass

    def _balance(self) -> None:
        """Make what is paused in Kafka equal to what should be."""
        paused = self._in_flight.balance(self._assigned.keys())
        wanted = {partition for partition in self._assigned if partition in paused or self._stands_still(partition[0])}
        if to_pause := wanted - self._paused:
            self._consumer.pause([TopicPartition(*partition) for partition in to_pause])
        if to_resume := self._paused - wanted:
            self._consumer.resume([TopicPartition(*partition) for partition in to_resume])
        self._paused = wanted

    def _report_if_due(self) -> None:
        if (now := self._clock()) < self._next_report:
            return
        self._next_report = now + REPORT_SECONDS
        self._show()

    def _show(self) -> None:
        metrics.IN_FLIGHT_RECORDS.set(self._in_flight.records)
        metrics.IN_FLIGHT_BYTES.set(self._in_flight.bytes)
        metrics.PAUSED_PARTITIONS.set(len(self._paused))
        metrics.ASSIGNED_PARTITIONS.set(len(self._assigned))
        self._oldest = self._assigned.oldest(standing_still=self._halted.keys())

    def _commit_finally(self) -> None:
        self._take_settled(wait=0.0)
        self._commits.hurry()
        deadline = self._clock() + FINAL_COMMIT_SECONDS
        while self._commits.unacknowledged(self._assigned.values()) and self._clock() < deadline:
            self._commits.send_if_due(self._consumer)
            self._consumer.poll(POLL_SECONDS)
        if left := self._commits.unacknowledged(self._assigned.values()):
            partitions = ["{}/{}".format(*assignment.partition) for assignment, _ in left]
            log.warning("final_commit_unacknowledged", partitions=partitions)

    # -- the group ---------------------------------------------------------------------------------------------------
    # The callbacks don't assign and unassign: left alone, confluent-kafka does it after them in the way that the
    # protocol in force wants (incrementally for cooperative-sticky and KIP-848, wholesale for the eager ones).

    def _on_assign(self, _consumer: object, partitions: list[TopicPartition]) -> None:
        self._membership.joined()
        self._connection.works()
        assignments = []
        for given in partitions:
            partition = (given.topic, given.partition)
            self._membership.readable(given.topic)
            assignments.append(self._assigned.give(partition, self._now()))
        if assignments:
            self._recreated.compare_committed(self._consumer, assignments, self._now())
        # Whether librdkafka remembers a pause from an earlier assignment is not promised: say it again either way.
        paused = self._in_flight.balance(self._assigned.keys())
        for assignment in assignments:
            if assignment.partition in paused or self._stands_still(assignment.partition[0]):
                self._paused.discard(assignment.partition)
            else:
                self._paused.add(assignment.partition)
        self._note_rebalance("assigned", partitions)

    def _on_revoke(self, _consumer: object, partitions: list[TopicPartition]) -> None:
        given = self._assigned.among(partitions)
        self._withdraw(given)
        deadline = self._clock() + REVOKE_DRAIN_SECONDS
        if self._deadline is not None:
            deadline = min(deadline, self._deadline)
        while any(assignment.outstanding for assignment in given) and self._clock() < deadline:
            self._take_settled(wait=POLL_SECONDS)
        # While closing, the final commit has been tried already, and a dead broker must not hold the exit up.
        if not self._closing:
            self._commits.send_now(self._consumer, given)
        self._forget(partitions)
        self._note_rebalance("revoked", partitions)

    def _on_lost(self, _consumer: object, partitions: list[TopicPartition]) -> None:
        self._membership.lost()
        self._withdraw(self._assigned.among(partitions))
        self._forget(partitions)
        self._note_rebalance("lost", partitions)

    def _withdraw(self, assignments: Iterable[Assignment]) -> None:
        for assignment in assignments:
            assignment.withdrawn = True

    def _forget(self, partitions: list[TopicPartition]) -> None:
        for gone in partitions:
            partition = (gone.topic, gone.partition)
            if self._assigned.take(partition):
                self._paused.discard(partition)
                for gauge in (metrics.LAG, metrics.COMMITTED_OFFSET):
                    gauge.remove(*map(str, partition))

    def _note_rebalance(self, event: str, partitions: list[TopicPartition]) -> None:
        metrics.REBALANCES.labels(event).inc()
        self._show()
        log.info("rebalanced", change=event, partitions=[f"{p.topic}/{p.partition}" for p in partitions])

    # -- librdkafka's other callbacks --------------------------------------------------------------------------------

    def _on_statistics(self, text: str) -> None:
        statistics = parse_statistics(text)
        self._membership.reported(statistics)
        self._connection.reported(statistics.brokers_up)
        for partition in self._assigned.keys() & statistics.lag.keys():
            metrics.LAG.labels(*partition).set(statistics.lag[partition])

    def _on_error(self, error: KafkaError) -> None:
        if is_fatal(error):
            raise ConsumerFailed(error)
        if not self._connection.failed(error):
            log.warning("kafka_error", error=error.name(), message=error.str())
