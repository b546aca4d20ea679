"""A topic's history: what lies between two positions, read without a consumer group and without a trace.

Invariants:
- No group is joined and nothing is committed; only committed transactions are read.
- Every offset of a span is either handed out, a gap that compaction or a transaction left, or named in `unreadable`.
- A reading ends exactly at its spans' ends, whatever is appended meanwhile; memory is bounded by a batch and the
  client's queue, not by the span.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from taskfactory.intake.positions import AtOffset, AtTime, Earliest, Latest, Position
from taskfactory.intake.records import Record, record_from_message

BATCH: Final = 200
"""Records in a batch at most."""
WAIT_SECONDS: Final = 0.1
"""How long a batch that is not full yet is waited for."""
ANSWER_SECONDS: Final = 10.0
"""How long the cluster may take to say where a topic's records lie."""
PATIENCE_SECONDS: Final = 30.0
"""How long nothing may come while something is due."""

_LOG: Final = logging.getLogger("librdkafka")
_NO_GROUP: Final = "taskfactory-history"
"""librdkafka wants a name even where it never uses it: nothing is joined and nothing is committed under it."""
_PASSING: Final = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 -- librdkafka's names of its local errors
        KafkaError._MAX_POLL_EXCEEDED,  # noqa: SLF001 -- of a group's member; here a batch may take as long as it takes
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
        # librdkafka looks for the group's coordinator, which this never needs: no right to the group is none missed.
        KafkaError.GROUP_AUTHORIZATION_FAILED,
    }
)
"""Troubles that librdkafka overcomes by itself, given time, or that are none here."""

_NO_TOPIC: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_EXCEPTION})
"""There is none of that name; the latter says that there can't be."""
_END_OF_PARTITION: Final = KafkaError._PARTITION_EOF  # noqa: SLF001
_OUT_OF_RANGE: Final = KafkaError._AUTO_OFFSET_RESET  # noqa: SLF001

Progress = Callable[[int, int], None]
"""Called with the number of offsets that were passed, and of all."""


class UnknownTopic(LookupError):  # noqa: N818 -- it names what is missing
    """There is no such topic, or it has no such partition.

    Attributes:
        topic: its name.
        partition: the partition asked for; None when the topic itself is missing.
    """

    def __init__(self, topic: str, partition: int | None = None, partitions: int = 0) -> None:
        """Say which, and how many partitions the topic has."""
        if partition is None:
            super().__init__(f"there is no topic {topic!r}")
        else:
            super().__init__(f"topic {topic!r} has no partition {partition}; it has 0 to {partitions - 1}")
        self.topic = topic
        self.partition = partition


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """Offsets of one partition, `start` to before `end`."""

    topic: str
    partition: int
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def __str__(self) -> str:
        """As people write it: `orders/3: 0 to 41`, the last one included."""
        return f"{self.topic}/{self.partition}: {self.start} to {self.end - 1}"


@dataclass(frozen=True, slots=True)
class Span:
    """What is to be read of one partition."""

    offsets: OffsetRange
    removed: OffsetRange | None = None
    """Offsets that were asked for and lie below the partition's low watermark: retention took them.

    After a start that is not an offset (`earliest`, or a time that lies before the oldest record left) it begins at 0:
    which of these offsets were meant can't be known any more.
    """


class History:
    """Finds and reads topics' histories; in one thread. Made by `open_history`."""

    def __init__(self, config: Mapping[str, Any], consumer: Consumer) -> None:
        """Use a configuration, and a consumer of it that asks and never reads."""
        self._config = config
        self._consumer = consumer

    def spans(
        self, topic: str, start: Position, end: Position, partitions: Sequence[int] | None = None
    ) -> Sequence[Span]:
        """Where the history between two positions lies, by partition; empty spans are left out if nothing was removed.

        Timestamps need not rise with offsets: a position in time is the first record of that time or later, and
        everything behind it belongs to the history.

        Args:
            topic: its name.
            start: the first record that belongs to it.
            end: the first record that does not; clipped to what is committed now.
            partitions: which; None for all.

        Raises:
            UnknownTopic: there is none, or a partition of it is missing.
            KafkaException: the cluster did not answer, or refused.
        """
        known = self._partitions(topic)
        if missing := sorted(set(partitions or ()) - set(known)):
            raise UnknownTopic(topic, missing[0], len(known))
        wanted = known if partitions is None else sorted(set(partitions))
        marks = {number: self._watermarks(topic, number) for number in wanted}
        starts, ends = self._offsets(topic, start, marks), self._offsets(topic, end, marks)
        found: list[Span] = []
        for number, (low, high) in marks.items():
            last = min(ends[number], high)
            asked = OffsetRange(topic, number, min(starts[number], last), last)
            found.append(_span(asked, low, start))
        return [span for span in found if len(span.offsets) or span.removed]

    def read(self, spans: Sequence[Span], progress: Progress | None = None) -> "Reading":
        """The records of spans, in batches; each partition's in order, partitions interleaved."""
        return Reading(self._config, self._watermarks, spans, progress)

    def _partitions(self, topic: str) -> list[int]:
        found = self._consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
        if found.error is not None:
            if found.error.code() in _NO_TOPIC:
                raise UnknownTopic(topic)
            raise KafkaException(found.error)
        return sorted(found.partitions)

    def _watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        # The high one is the last stable offset, for the consumer reads committed records only.
        low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=ANSWER_SECONDS)
        return low, high

    def _offsets(self, topic: str, position: Position, marks: Mapping[int, tuple[int, int]]) -> dict[int, int]:
        match position:
            case Earliest():
                return {number: low for number, (low, _) in marks.items()}
            case Latest():
                return {number: high for number, (_, high) in marks.items()}
            case AtOffset(offset):
                return dict.fromkeys(marks, offset)
            case AtTime():
                asked = [TopicPartition(topic, number, position.timestamp) for number in marks]
                found = self._consumer.offsets_for_times(asked, timeout=ANSWER_SECONDS)
                for answer in found:
                    if answer.error is not None:
                        raise KafkaException(answer.error)
                # Negative: no record is of that time or later.
                return {
                    answer.partition: answer.offset if answer.offset >= 0 else marks[answer.partition][1]
                    for answer in found
                }


class Reading:
    """One pass over spans, with a consumer of its own: iterate once."""

    def __init__(
        self,
        config: Mapping[str, Any],
        watermarks: Callable[[str, int], tuple[int, int]],
        spans: Sequence[Span],
        progress: Progress | None,
    ) -> None:
        self._client_errors: deque[KafkaError] = deque()
        self._consumer = Consumer({**config, "error_cb": self._client_errors.append}, logger=_LOG)
        self._watermarks = watermarks
        self._progress = progress
        self._open = {(span.offsets.topic, span.offsets.partition): span.offsets for span in spans if len(span.offsets)}
        self._next = {partition: offsets.start for partition, offsets in self._open.items()}
        self.unreadable: list[OffsetRange] = [span.removed for span in spans if span.removed is not None]
        """What was asked for and is not there any more; grows when retention overtakes the reading."""
        self.done = 0
        """Offsets that were passed, gaps included."""
        self.total = sum(map(len, self._open.values()))
        """Offsets of all spans."""

    def __iter__(self) -> Iterator[Sequence[Record]]:
        """Batches of at least one record.

        Raises:
            KafkaException: the cluster refused, or nothing came for 30 seconds.
        """
        try:
            self._assign()
            heard = time.monotonic()
            while self._open:
                messages = self._consumer.consume(BATCH, WAIT_SECONDS)
                while self._client_errors:
                    _raise_unless_passing(self._client_errors.popleft())
                if messages:
                    heard = time.monotonic()
                elif time.monotonic() - heard > PATIENCE_SECONDS:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT, self._silence()))  # noqa: SLF001
                records = [record for message in messages if (record := self._take(message)) is not None]
                if self._progress is not None:
                    self._progress(self.done, self.total)
                if records:
                    yield records
                    heard = time.monotonic()  # the reader may have taken its time
        finally:
            self._consumer.close()

    def _take(self, message: Message) -> Record | None:
        partition = (message.topic() or "", message.partition() or 0)
        offsets = self._open.get(partition)
        error = message.error()
        if error is not None and error.code() not in {_END_OF_PARTITION, _OUT_OF_RANGE}:
            _raise_unless_passing(error)
        elif offsets is None or (error is None and (message.offset() or 0) < self._next[partition]):
            pass  # fetched ahead of its end, or before the reading began anew behind a hole
        elif error is None and (message.offset() or 0) < offsets.end:
            self._pass(partition, (message.offset() or 0) + 1)
            return record_from_message(message)
        elif error is not None and error.code() == _OUT_OF_RANGE:
            self._skip_removed(partition, offsets)
        else:
            # Offsets that no record comes of, up to the end: compaction or a transaction left them.
            self._pass(partition, offsets.end)
        return None

    def _skip_removed(self, partition: tuple[str, int], offsets: OffsetRange) -> None:
        """The next offset is out of range: removed meanwhile, or the log lost its end with a broker."""
        low, _ = self._watermarks(*partition)
        here = self._next[partition]
        there = min(low, offsets.end) if low > here else offsets.end
        self.unreadable.append(OffsetRange(*partition, here, there))
        self._pass(partition, there)
        if partition in self._open:
            self._assign()

    def _assign(self) -> None:
        # Wholesale: a partition whose offset was out of range takes no seek (librdkafka 2.16).
        self._consumer.assign([TopicPartition(*partition, self._next[partition]) for partition in self._open])

    def _pass(self, partition: tuple[str, int], offset: int) -> None:
        self.done += offset - self._next[partition]
        self._next[partition] = offset
        if offset == self._open[partition].end:
            del self._open[partition]
            self._consumer.pause([TopicPartition(*partition)])

    def _silence(self) -> str:
        due = ", ".join(f"{topic}/{number}" for topic, number in self._open)
        return f"nothing came of {due} for {PATIENCE_SECONDS:.0f} s"


@contextmanager
def open_history(config: Mapping[str, str]) -> Iterator[History]:
    """A history of the cluster; closed after the block.

    Args:
        config: librdkafka properties of the connection, see `KafkaSettings.librdkafka`; those of a group are ignored.

    Raises:
        KafkaException: librdkafka refuses the configuration.
    """
    fixed = {
        "group.id": _NO_GROUP,
        "enable.auto.commit": "false",
        "enable.auto.offset.store": "false",
        "enable.partition.eof": "true",
        "allow.auto.create.topics": "false",
        "isolation.level": "read_committed",
        # Not "earliest": offsets that retention took while we read are to be named, not jumped over.
        "auto.offset.reset": "error",
        # Bounds the memory beside a batch; librdkafka would fetch 64 MiB ahead.
        "queued.max.messages.kbytes": "16384",
    }
    own = {name: value for name, value in config.items() if not name.startswith("group.")}
    complete = {**own, **fixed}
    consumer = Consumer(complete, logger=_LOG)
    try:
        yield History(complete, consumer)
    finally:
        consumer.close()


def _span(offsets: OffsetRange, low: int, asked: Position) -> Span:
    """Split what was asked for into what is there and what retention took."""
    vague = isinstance(asked, Earliest) or (isinstance(asked, AtTime) and offsets.start <= low)
    first, end = 0 if vague else offsets.start, offsets.end
    gone = OffsetRange(offsets.topic, offsets.partition, first, min(low, end))
    readable = OffsetRange(offsets.topic, offsets.partition, min(max(offsets.start, low), end), end)
    return Span(readable, gone if gone.start < gone.end else None)


def _raise_unless_passing(error: KafkaError) -> None:
    if error.fatal() or (error.code() not in _PASSING and not error.retriable()):
        raise KafkaException(error)
