"""Runs and letters that name a partition's records are handed out once each, with the record that they name."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from taskfactory.intake.audit.entries import Letter, Place
from taskfactory.intake.audit.letters import letter_of, read_letters
from taskfactory.intake.audit.witnesses import TriggeredRuns, Witness, Witnesses
from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.history import History, OffsetRange, UnknownTopic
from taskfactory.intake.records import Record
from taskfactory.registry import Evidence, RunFact
from tests.ingress.fakes import record
from tests.intake.audit.worlds import definition_id, run, start

ONE = definition_id(1)
WRITTEN = datetime(2026, 5, 1, tzinfo=UTC)


class FakeEvidence:
    """The runs of one partition, in the order of their offsets."""

    def __init__(self, *offsets: int) -> None:
        self._runs = [run(start(ONE, f"e-{offset}"), Place(0, offset), ONE) for offset in offsets]
        self.asked: dict[str, Any] = {}

    def runs_triggered_in(
        self, topic: str, partition: int, first: int, last: int, **narrowed: Any
    ) -> Iterator[RunFact]:
        self.asked = {"topic": topic, "partition": partition, "first": first, "last": last, **narrowed}
        yield from (row for row in self._runs if first <= (row.offset or 0) <= last)


def triggered(evidence: FakeEvidence, end: int = 100) -> TriggeredRuns:
    return TriggeredRuns(cast("Evidence", evidence), OffsetRange("events", 0, 0, end), None)


def letter(offset: int, partition: int = 0) -> Letter:
    return Letter(f"events/{partition}/{offset}", Place(partition, offset), None, None, "malformed_json")


@given(
    st.lists(st.integers(0, 30), max_size=12, unique=True).map(sorted),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 30)), max_size=12, unique=True),
    st.lists(st.integers(0, 30), max_size=5, unique=True).map(sorted),
)
def test_every_witness_of_the_partition_is_handed_out_once_by_the_time_its_record_was_read(
    runs: list[int], letters: list[tuple[int, int]], chunks: list[int]
) -> None:
    found = triggered(FakeEvidence(*runs))
    named = Witnesses([letter(offset, partition) for partition, offset in letters], 0)
    told: dict[Place, Witness] = {}
    for last in [*chunks, 30]:
        came = named.up_to(last, found.up_to(last))
        assert not told.keys() & came.keys()
        told |= came
        due = {offset for offset in runs if offset <= last} | {
            offset for partition, offset in letters if partition == 0 and offset <= last
        }
        assert {place.offset for place in told} == due
    assert sorted(row.offset or 0 for item in told.values() for row in item.runs) == runs
    mine = sorted(offset for partition, offset in letters if partition == 0)
    assert sorted(item.place.offset for witness in told.values() for item in witness.letters) == mine


def test_a_run_that_began_before_its_record_by_a_producers_wrong_clock_is_looked_for_too() -> None:
    evidence = FakeEvidence(3)
    found = triggered(evidence)
    found.since(record(3, timestamp=round(WRITTEN.timestamp() * 1000)))
    assert WRITTEN - timedelta(days=2) <= evidence.asked["since"] <= WRITTEN - timedelta(hours=12)
    assert (evidence.asked["first"], evidence.asked["last"]) == (0, 99)
    assert [row.offset for row in found.up_to(99)] == [3]


class FakeReading(list[list[Record]]):
    """Batches, and what retention took of them."""

    unreadable: tuple[OffsetRange, ...] = ()


class FakeHistory:
    """A dead letter topic's history; None: there is no such topic."""

    def __init__(self, records: list[Record] | None, *removed: OffsetRange) -> None:
        self._reading = None if records is None else FakeReading([records])
        self._removed = removed

    def spans(self, topic: str, *_: object) -> str:
        if self._reading is None:
            raise UnknownTopic(topic)
        return topic

    def read(self, _: object) -> FakeReading:
        assert self._reading is not None
        self._reading.unreadable = self._removed
        return self._reading


def on_dlq(offset: int, topic: str = "events") -> Record:
    return record(900 + offset, headers=DeadLetter(record(offset, topic=topic), "malformed_json", "m").headers())


def read(past: FakeHistory, *ranges: OffsetRange) -> Any:
    return read_letters(cast("History", past), "dlq", "events", ranges)


def test_only_letters_of_the_records_that_are_audited_are_kept() -> None:
    past = FakeHistory([on_dlq(4), on_dlq(5), on_dlq(9), on_dlq(10), on_dlq(6, topic="others"), record(7)])
    found = read(past, OffsetRange("events", 0, 5, 10), OffsetRange("events", 3, 0, 99))
    assert sorted(found.by_id) == ["events/0/5", "events/0/9"]
    assert not found.lost


def test_letters_that_retention_took_are_said_to_be_lost_and_a_topic_that_never_was_has_lost_none() -> None:
    everything = OffsetRange("events", 0, 0, 99)
    assert read(FakeHistory([], OffsetRange("dlq", 0, 0, 3)), everything).lost
    assert not read(FakeHistory(None), everything).lost


def test_a_letter_of_another_topics_record_is_no_witness() -> None:
    assert letter_of(on_dlq(1, topic="others"), "events") is None
    assert letter_of(record(1), "events") is None
