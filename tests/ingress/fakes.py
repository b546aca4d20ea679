"""Stand-ins for what ingress talks to. Each keeps the promises of the real one that the tests rely on."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, Message, TopicPartition

from taskfactory.definitions import RunInput
from taskfactory.envelope import Trigger
from taskfactory.ingress.deliveries import Assignment, Delivery
from taskfactory.ingress.offsets import Partition
from taskfactory.intake import DeadLetter, Decided, Record, Refused, Start, Unavailable
from taskfactory.registry import IngressRevision, ShadowMatch

PATIENCE = 10.0
"""Seconds after which something that should have happened counts as not happening."""


def record(  # noqa: PLR0913 -- a record has so many parts
    offset: int = 0,
    value: bytes | None = b"{}",
    *,
    key: bytes | None = b"key",
    headers: Sequence[tuple[str, bytes | None]] = (),
    topic: str = "events",
    timestamp: int | None = 1_700_000_000_000,
) -> Record:
    return Record(topic, 0, offset, timestamp, key, value, headers)


def delivery(offset: int = 0, value: bytes | None = b"{}", *, assignment: Assignment | None = None) -> Delivery:
    return Delivery(record(offset, value), assignment or Assignment(("events", 0), epoch=1))


def run_input(number: int = 1, **changes: Any) -> RunInput:
    trigger = Trigger(source="/shop", id=f"e-{number}", type="order", topic="events", partition=0, offset=number)
    return RunInput(
        run_id=f"activity-0b8f-{number}",
        activity_id="0b8f",
        activity_name="order-fulfilment",
        version=3,
        dedupe_strategy="event_id",
        dedupe_parts=["/shop", f"e-{number}"],
        trigger=trigger,
        event={"specversion": "1.0", "id": f"e-{number}", "source": "/shop", "type": "order"},
    ).model_copy(update=changes)


class FakeStarter:
    """Temporal as far as starting goes: remembers workflow ids, refuses duplicates, fails when told to."""

    def __init__(self, max_input_bytes: int = 1_000_000) -> None:
        self.runs: dict[str, RunInput] = {}
        self.attempts: list[tuple[str, str]] = []
        self._request_ids: dict[str, str] = {}
        self._failures: deque[Exception] = deque()
        self._max_input_bytes = max_input_bytes

    def fail_with(self, *failures: Exception) -> None:
        """Let the next starts raise these."""
        self._failures.extend(failures)

    async def start(self, run: RunInput, request_id: str) -> Start:
        self.attempts.append((run.run_id, request_id))
        if self._failures:
            raise self._failures.popleft()
        if (size := len(run.model_dump_json())) > self._max_input_bytes:
            raise Refused("run_input_too_large", f"{size} bytes")
        if run.run_id in self.runs and self._request_ids[run.run_id] != request_id:
            return Start.ALREADY_STARTED
        self.runs[run.run_id] = run
        self._request_ids[run.run_id] = request_id
        return Start.STARTED


class FakeDeadLetters:
    """A dead letter topic in memory that can be away."""

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []
        self._failures: deque[Exception] = deque()

    def fail_with(self, *failures: Exception) -> None:
        """Let the next writes raise these."""
        self._failures.extend(failures)

    async def write(self, letter: DeadLetter) -> None:
        if self._failures:
            raise self._failures.popleft()
        self.letters.append(letter)


class FakeRevisionLog:
    """The log of revisions in memory; it can be away."""

    def __init__(self) -> None:
        self.lines: list[IngressRevision] = []
        self._failures: deque[Exception] = deque()

    def fail_with(self, *failures: Exception) -> None:
        """Let the next writes raise these."""
        self._failures.extend(failures)

    async def put(self, lines: Sequence[IngressRevision]) -> None:
        if self._failures:
            raise self._failures.popleft()
        self.lines.extend(lines)


class FakeDecisionStream:
    """A decision stream in memory; it can be away."""

    def __init__(self) -> None:
        self.told: list[Decided] = []
        self._failures: deque[Exception] = deque()

    def fail_with(self, *failures: Exception) -> None:
        """Let the next publications raise these."""
        self._failures.extend(failures)

    async def publish(self, decided: Decided) -> None:
        if self._failures:
            raise self._failures.popleft()
        self.told.append(decided)


class FakeShadowLog:
    """The table of what shadow versions would have done, in memory; it can be away."""

    def __init__(self) -> None:
        self.matches: list[ShadowMatch] = []
        self._failures: deque[Exception] = deque()

    def fail_with(self, *failures: Exception) -> None:
        """Let the next writes raise these."""
        self._failures.extend(failures)

    async def put(self, matches: Sequence[ShadowMatch]) -> None:
        if self._failures:
            raise self._failures.popleft()
        self.matches.extend(matches)


def unavailable() -> Unavailable:
    return Unavailable("UNAVAILABLE", "connection refused")


class FakeKafkaConsumer:
    """A group member whose broker, group and log are driven by the test.

    As with the real one, callbacks run inside `consume` and `poll`, in the thread that calls them; pausing holds a
    partition's records back; a commit is acknowledged at a later poll.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.assigned: set[Partition] = set()
        self.paused: set[Partition] = set()
        self.commits: dict[Partition, int] = {}
        self.notes: dict[Partition, str] = {}
        self.sought: list[tuple[Partition, int]] = []
        self.closed = False
        self.asked_committed = 0
        self._committed_failures: deque[KafkaError] = deque()
        self._log: dict[Partition, deque[Message]] = defaultdict(deque)
        self._callbacks: deque[Callable[[], None]] = deque()
        self._seek_failures: deque[KafkaError] = deque()
        self._commit_failures: deque[KafkaError] = deque()
        self._errors: deque[Message] = deque()
        self._changed = threading.Condition(threading.RLock())

    # -- what the test does ------------------------------------------------------------------------------------------

    def append(self, partition: Partition, offsets: Sequence[int], value: bytes = b"{}", timestamp: int = 1) -> None:
        with self._changed:
            for offset in offsets:
                self._log[partition].append(
                    Message(
                        topic=partition[0], partition=partition[1], offset=offset, value=value, timestamp=(1, timestamp)
                    )
                )
            self._changed.notify_all()

    def refuse(self, topic: str, error: KafkaError) -> None:
        """Answer an error instead of a topic's records, as for one that does not exist."""
        with self._changed:
            self._errors.append(Message(topic=topic, partition=-1, error=error))
        self._in_consumer_thread(lambda: None)

    def fail_next_commit(self, error: KafkaError) -> None:
        self._commit_failures.append(error)

    def fail_next_committed(self, error: KafkaError) -> None:
        self._committed_failures.append(error)

    def reach_end(self, partition: Partition) -> None:
        """Say that everything was read, once it was."""
        with self._changed:
            self._errors.append(
                Message(topic=partition[0], partition=partition[1], error=KafkaError(KafkaError._PARTITION_EOF))
            )
            self._changed.notify_all()

    def fail_next_seek(self, error: KafkaError) -> None:
        self._seek_failures.append(error)

    def assign(self, *partitions: Partition) -> None:
        self._in_consumer_thread(lambda: self._rebalance(self._on_assign, partitions, self.assigned.update))

    def revoke(self, *partitions: Partition) -> None:
        self._in_consumer_thread(lambda: self._rebalance(self._on_revoke, partitions, self.assigned.difference_update))

    def lose(self, *partitions: Partition) -> None:
        self._in_consumer_thread(lambda: self._rebalance(self._on_lost, partitions, self.assigned.difference_update))

    def report(self, statistics: str) -> None:
        self._in_consumer_thread(lambda: self.config["stats_cb"](statistics))

    def raise_error(self, error: KafkaError) -> None:
        with self._changed:
            self._callbacks.append(lambda: self.config["error_cb"](error))
            self._changed.notify_all()

    def turn(self) -> None:
        """Let the consumer's thread come around."""
        self._in_consumer_thread(lambda: None)

    def wait_until(self, condition: Callable[["FakeKafkaConsumer"], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), PATIENCE), vars(self)

    def _in_consumer_thread(self, action: Callable[[], None]) -> None:
        done = threading.Event()
        with self._changed:
            self._callbacks.extend((action, done.set))
            self._changed.notify_all()
        assert done.wait(PATIENCE)

    def _rebalance(
        self,
        callback: Callable[..., None],
        partitions: Sequence[Partition],
        apply: Callable[[Sequence[Partition]], None],
    ) -> None:
        callback(self, [TopicPartition(*partition) for partition in partitions])
        apply(partitions)

    # -- what ingress calls ------------------------------------------------------------------------------------------

    def subscribe(self, topics: list[str], on_assign: Any, on_revoke: Any, on_lost: Any) -> None:
        self.topics = topics
        self._on_assign, self._on_revoke, self._on_lost = on_assign, on_revoke, on_lost

    def consume(self, num_messages: int, timeout: float) -> list[Message]:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._callbacks) or self._readable() is not None, timeout)
            callbacks, self._callbacks = self._callbacks, deque()
        for callback in callbacks:
            callback()
        with self._changed:
            found, self._errors = list(self._errors), deque()
            while len(found) < num_messages and (partition := self._readable()) is not None:
                found.append(self._log[partition].popleft())
            self._changed.notify_all()
            return found

    def poll(self, timeout: float) -> Message | None:
        return next(iter(self.consume(1, timeout)), None)

    def pause(self, partitions: list[TopicPartition]) -> None:
        with self._changed:
            self.paused |= {(p.topic, p.partition) for p in partitions}
            self._changed.notify_all()

    def resume(self, partitions: list[TopicPartition]) -> None:
        with self._changed:
            self.paused -= {(p.topic, p.partition) for p in partitions}
            self._changed.notify_all()

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition] | None:
        if self._commit_failures:
            error = self._commit_failures.popleft()
            if not asynchronous:
                raise KafkaException(error)
            self._callbacks.append(lambda: self.config["on_commit"](error, offsets))
            return None
        with self._changed:
            self.commits.update({(offset.topic, offset.partition): offset.offset for offset in offsets})
            self.notes.update({(offset.topic, offset.partition): offset.metadata or "" for offset in offsets})
            self._changed.notify_all()
        if asynchronous:
            self._callbacks.append(lambda: self.config["on_commit"](None, offsets))
            return None
        return offsets

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:  # noqa: ARG002 -- as in the protocol
        self.asked_committed += 1
        if self._committed_failures:
            raise KafkaException(self._committed_failures.popleft())
        found = [(p.topic, p.partition) for p in partitions]
        return [TopicPartition(*p, self.commits.get(p, OFFSET_INVALID), self.notes.get(p, "")) for p in found]

    def seek(self, partition: TopicPartition) -> None:
        if self._seek_failures:
            raise KafkaException(self._seek_failures.popleft())
        self.sought.append(((partition.topic, partition.partition), partition.offset))

    def close(self) -> None:
        if self.assigned:
            self._rebalance(self._on_revoke, sorted(self.assigned), self.assigned.difference_update)
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def _readable(self) -> Partition | None:
        return next((p for p in self.assigned - self.paused if self._log[p]), None)


class FakeTopicIds:
    """A cluster's topics and their ids, as far as a broker has heard of them."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = defaultdict(lambda: "first")
        self.away = False

    def ask(self, topics: Collection[str]) -> dict[str, Future[str]]:
        answers: dict[str, Future[str]] = {topic: Future() for topic in topics}
        for topic, answer in answers.items():
            if self.away:
                answer.set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
            else:
                answer.set_result(self.ids[topic])
        return answers
