"""The one thread that owns the Kafka consumer.

A call on a confluent-kafka consumer blocks every other call on it, so nothing else ever touches it: records leave
through `deliver`, and completions come back through a queue that the thread empties between two short fetches. Offsets,
backpressure and rebalances are therefore decided in one thread, without locks.

Invariants:
- What is committed is what `AssignedOffsets` says, nothing else (architecture, I4).
- The thread keeps polling while consumption is paused, so that a slow Temporal causes no rebalance.
- A revoked partition is committed before it is given away; a lost one is not, since somebody else may own it by then.
- It never ends silently: `finished` carries the reason.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from taskfactory.ingress import metrics
from taskfactory.ingress.deliveries import Assignment, Delivery
from taskfactory.ingress.flow import InFlight, Limits
from taskfactory.ingress.kafka_consumer import ConsumerFailed, KafkaConsumer, confluent_consumer
from taskfactory.ingress.membership import Membership, parse_statistics
from taskfactory.ingress.offsets import AssignedOffsets, Partition
from taskfactory.intake import record_from_message
from taskfactory.runtime import Outage, failpoint

POLL_SECONDS: Final = 0.05
BATCH: Final = 200
"""Records per fetch; bounds what one hand-over puts on the event loop."""
COMMIT_SECONDS: Final = 0.25
REVOKE_DRAIN_SECONDS: Final = 10.0
"""What a rebalance waits for work in flight; far below `max.poll.interval.ms`."""
FINAL_COMMIT_SECONDS: Final = 5.0
STALL_SECONDS: Final = 30.0
"""A thread that has not come around for so long is reported as stuck."""
CONNECTION_ERRORS: Final = frozenset({KafkaError._TRANSPORT, KafkaError._RESOLVE})  # noqa: SLF001 -- spelt so

log = structlog.get_logger("taskfactory.ingress")


class RecordConsumer:
    """Consumes topics as a member of a group and hands records out, within bounds, until it is stopped."""

    def __init__(  # noqa: PLR0913 -- the last two are for tests
        self,
        config: Mapping[str, str],
        topics: Sequence[str],
        limits: Limits,
        deliver: Callable[[Sequence[Delivery]], None],
        *,
        create: Callable[[Mapping[str, Any]], KafkaConsumer] = confluent_consumer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the consumer; `start` begins.

        Args:
            config: librdkafka properties with automatic commits and offset stores off.
            topics: names, or regular expressions that start with `^`.
            limits: what may be in flight before consumption pauses.
            deliver: receives records; called in the consumer's thread and must not block.
            create: makes the Kafka consumer.
            clock: monotonic seconds.

        Raises:
            KafkaException: librdkafka refuses the configuration.
        """
        self.finished: Future[None] = Future()
        """Done when the thread has ended, with its exception if it failed."""
        self._topics = list(topics)
        self._deliver = deliver
        self._clock = clock
        self._offsets = AssignedOffsets()
        self._assigned: dict[Partition, Assignment] = {}
        self._in_flight = InFlight(limits)
        self._paused: set[Partition] = set()
        self._settled: queue.SimpleQueue[tuple[Delivery, bool] | None] = queue.SimpleQueue()
        self._deadline: float | None = None
        self._closing = False
        self._halted: str | None = None
        self._next_commit = 0.0
        self._turned = clock()
        self._membership = Membership(config.get("group.id", ""))
        callbacks = {"on_commit": self._on_commit, "stats_cb": self._on_statistics, "error_cb": self._on_error}
        servers = config.get("bootstrap.servers", "")
        self._outage = Outage("kafka", servers, "TASKFACTORY_KAFKA_BOOTSTRAP_SERVERS")
        self._connection_error: str | None = None
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

    def halt(self, reason: str) -> None:
        """Stop fetching, but stay in the group and keep what was not disposed. From any thread; only a restart ends it.

        Args:
            reason: what `problem` says from now on.
        """
        metrics.HALTED.set(1)
        self._halted = reason
        self._settled.put(None)

    def problem(self) -> str | None:
        """Why this process can't count as ready, None if it can. From any thread."""
        silent = self._clock() - self._turned
        if self.finished.done():
            return "the consumer's thread has ended"
        if silent > STALL_SECONDS:
            return f"the consumer's thread has not come around for {silent:.0f} s"
        return self._halted or self._membership.problem()

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
            self._balance()
            self._commit_if_due()
            self._fetch()
        self._commit_finally()

    def _drained(self) -> bool:
        if self._deadline is None:
            return False
        self._withdraw(self._assigned.values())
        return self._in_flight.records == 0 or self._clock() >= self._deadline

    @property
    def _stands_still(self) -> bool:
        return self._deadline is not None or self._halted is not None

    def _fetch(self) -> None:
        if self._stands_still or self._in_flight.paused:
            # Nothing but rebalances and other callbacks is expected; a completion ends the wait early.
            self._take_settled(wait=POLL_SECONDS)
            messages = self._consumer.consume(1, 0.0)
        else:
            messages = self._consumer.consume(min(BATCH, self._in_flight.room), 0.0)
            if not messages:
                message = self._consumer.poll(POLL_SECONDS)
                messages = [] if message is None else [message]
        deliveries = [delivery for message in messages if (delivery := self._received(message)) is not None]
        if deliveries:
            self._show_in_flight()
            self._deliver(deliveries)

    def _received(self, message: Message) -> Delivery | None:
        topic, error = message.topic() or "", message.error()
        if error is not None:
            # Said once for a topic: it is asked for again and again.
            if self._membership.refused(topic, error.str()) or error.fatal():
                self._on_error(error)
            return None
        self._membership.readable(topic)
        partition = (topic, message.partition() or 0)
        assignment = self._assigned.get(partition)
        # Once stopping, later records are not even noted: the committed offset stays below them.
        if assignment is None or self._stands_still:
            return None
        record = record_from_message(message)
        metrics.RECORDS.labels(record.topic).inc()
        if not self._offsets.received(partition, record.offset):
            return None
        assignment.outstanding += 1
        self._in_flight.add(record.size)
        return Delivery(record, assignment)

    def _take_settled(self, wait: float) -> None:
        try:
            item = self._settled.get(timeout=wait) if wait else self._settled.get_nowait()
            while True:
                if item is not None:
                    delivery, disposed = item
                    record, assignment = delivery.record, delivery.assignment
                    assignment.outstanding -= 1
                    self._in_flight.remove(record.size)
                    if disposed:
                        self._offsets.done(assignment.partition, record.offset, assignment.epoch)
                item = self._settled.get_nowait()
        except queue.Empty:
            self._show_in_flight()

    def _show_in_flight(self) -> None:
        metrics.IN_FLIGHT_RECORDS.set(self._in_flight.records)
        metrics.IN_FLIGHT_BYTES.set(self._in_flight.bytes)

    def _balance(self) -> None:
        """Make what is paused in Kafka equal to what should be: everything or nothing, new partitions included."""
        paused = self._in_flight.balance() or self._stands_still
        metrics.PAUSED.set(paused)
        wanted = set(self._assigned) if paused else set()
        if to_pause := wanted - self._paused:
            self._consumer.pause([TopicPartition(*partition) for partition in to_pause])
        if to_resume := self._paused - wanted:
            self._consumer.resume([TopicPartition(*partition) for partition in to_resume])
        self._paused = wanted

    # -- commits -----------------------------------------------------------------------------------------------------

    def _commit_if_due(self) -> None:
        now = self._clock()
        if now < self._next_commit:
            return
        self._next_commit = now + COMMIT_SECONDS
        offsets = []
        for assignment in self._assigned.values():
            committable = self._offsets.committable(assignment.partition)
            if committable is not None and committable != assignment.requested:
                assignment.requested = committable
                offsets.append(TopicPartition(*assignment.partition, committable))
        if offsets:
            try:
                self._consumer.commit(offsets=offsets, asynchronous=True)
            except KafkaException as failure:
                self._on_commit(failure.args[0], offsets)

    def _commit_finally(self) -> None:
        self._take_settled(wait=0.0)
        self._next_commit = 0.0
        deadline = self._clock() + FINAL_COMMIT_SECONDS
        while self._unacknowledged(self._assigned) and self._clock() < deadline:
            self._commit_if_due()
            self._consumer.poll(POLL_SECONDS)
        if left := self._unacknowledged(self._assigned):
            log.warning("final_commit_unacknowledged", partitions=[str(offset) for offset in left])

    def _unacknowledged(self, partitions: Iterable[Partition]) -> list[TopicPartition]:
        return [
            TopicPartition(*partition, committable)
            for partition in partitions
            if (committable := self._offsets.committable(partition)) is not None
            and committable != self._assigned[partition].acknowledged
        ]

    def _on_commit(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        for offset in offsets:
            assignment = self._assigned.get((offset.topic, offset.partition))
            problem = error or offset.error
            if problem is not None:
                metrics.COMMIT_FAILURES.labels(problem.name()).inc()
                log.info("commit_refused", partition=str(offset), error=problem.str())
                if assignment is not None:
                    assignment.requested = None
            elif assignment is not None:
                assignment.acknowledged = offset.offset
                metrics.COMMITTED_OFFSET.labels(offset.topic, offset.partition).set(offset.offset)
                failpoint("ingress.after_commit")

    # -- the group ---------------------------------------------------------------------------------------------------
    # The callbacks don't assign and unassign: left alone, confluent-kafka does it after them in the way that the
    # protocol in force wants (incrementally for cooperative-sticky and KIP-848, wholesale for the eager ones).

    def _on_assign(self, _consumer: object, partitions: list[TopicPartition]) -> None:
        self._membership.joined()
        self._outage.back()
        for given in partitions:
            partition = (given.topic, given.partition)
            self._membership.readable(given.topic)
            self._assigned[partition] = Assignment(partition, self._offsets.assign(partition))
            # Whether librdkafka remembers a pause from an earlier assignment is not promised: say it again either way.
            if self._in_flight.paused or self._stands_still:
                self._paused.discard(partition)
            else:
                self._paused.add(partition)
        self._note_rebalance("assigned", partitions)

    def _on_revoke(self, _consumer: object, partitions: list[TopicPartition]) -> None:
        given = [found for p in partitions if (found := self._assigned.get((p.topic, p.partition))) is not None]
        self._withdraw(given)
        deadline = self._clock() + REVOKE_DRAIN_SECONDS
        if self._deadline is not None:
            deadline = min(deadline, self._deadline)
        while any(assignment.outstanding for assignment in given) and self._clock() < deadline:
            self._take_settled(wait=POLL_SECONDS)
        offsets = self._unacknowledged(assignment.partition for assignment in given)
        # While closing, the final commit has been tried already, and a dead broker must not hold the exit up.
        if offsets and not self._closing:
            try:
                self._on_commit(None, self._consumer.commit(offsets=offsets, asynchronous=False) or [])
            except KafkaException as failure:
                self._on_commit(failure.args[0], offsets)
        self._forget(partitions)
        self._note_rebalance("revoked", partitions)

    def _on_lost(self, _consumer: object, partitions: list[TopicPartition]) -> None:
        self._membership.lost()
        self._withdraw(found for p in partitions if (found := self._assigned.get((p.topic, p.partition))) is not None)
        self._forget(partitions)
        self._note_rebalance("lost", partitions)

    def _withdraw(self, assignments: Iterable[Assignment]) -> None:
        for assignment in assignments:
            assignment.withdrawn = True

    def _forget(self, partitions: list[TopicPartition]) -> None:
        for gone in partitions:
            partition = (gone.topic, gone.partition)
            if self._assigned.pop(partition, None) is not None:
                self._offsets.revoke(partition)
                self._paused.discard(partition)
                for gauge in (metrics.LAG, metrics.COMMITTED_OFFSET):
                    gauge.remove(*map(str, partition))

    def _note_rebalance(self, event: str, partitions: list[TopicPartition]) -> None:
        metrics.REBALANCES.labels(event).inc()
        metrics.ASSIGNED_PARTITIONS.set(len(self._assigned))
        log.info("rebalanced", change=event, partitions=[f"{p.topic}/{p.partition}" for p in partitions])

    # -- librdkafka's other callbacks --------------------------------------------------------------------------------

    def _on_statistics(self, text: str) -> None:
        statistics = parse_statistics(text)
        self._membership.reported(statistics)
        if statistics.brokers_up:
            self._outage.back()
        for partition in self._assigned.keys() & statistics.lag.keys():
            metrics.LAG.labels(*partition).set(statistics.lag[partition])

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            raise ConsumerFailed(error)
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 -- librdkafka's local codes are spelt so
            self._outage.away(self._connection_error or error.str())
        elif error.code() in CONNECTION_ERRORS:
            # Of one connection among others; whether any is left, the error above and the statistics say.
            self._connection_error = error.str()
            log.debug("kafka_connection", error=error.name(), message=error.str())
        else:
            log.warning("kafka_error", error=error.name(), message=error.str())
