from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from taskfactory.intake.audit.books import Books, Regime
from taskfactory.intake.audit.entries import Disposition, Expectation, Expected, Settled
from taskfactory.intake.audit.settling import settle
from tests.intake.audit.worlds import World, definition_id, entry, worlds

ONE, TWO = definition_id(1), definition_id(2)
NAMES = {definition_id(number): f"d-{number}" for number in range(3)}
EARLY, LATE = Regime((1,), is_open=False), Regime((2,), is_open=False)
IN_FORCE: Mapping[int, frozenset[str]] = {1: frozenset({ONE}), 2: frozenset({ONE, TWO})}


@given(worlds())
def test_every_row_adds_up_to_the_number_of_records(world: World) -> None:
    books, regime = Books(), Regime((1,), is_open=False)
    for _ in range(world.records):
        books.record(0, regime)
    for item in world.entries:
        settled = settle(item, world.facts)
        assert isinstance(settled, Settled)
        books.entry(item, regime, settled.disposition)
    rows = books.rows(lambda _: NAMES.keys(), NAMES)
    assert [row.definition for row in rows] == ["d-0", "d-1", "d-2"]
    assert all(sum(row.counts.values()) == world.records for row in rows)
    started = sum(row.counts.get(Disposition.STARTED, 0) for row in rows)
    assert started == len(world.runs)


def test_records_from_before_a_definition_was_in_force_are_told_apart() -> None:
    books = Books()
    for regime in (EARLY, EARLY, LATE):
        books.record(0, regime)
    one, two = books.rows(IN_FORCE.__getitem__, {ONE: "one", TWO: "two"})
    assert one.counts == {Disposition.FILTERED: 3}
    assert two.counts == {Disposition.FILTERED: 1, Disposition.NOT_IN_FORCE: 2}


def test_a_record_that_can_not_be_read_counts_for_every_definition_that_was_asked() -> None:
    books = Books()
    books.record(0, LATE)
    books.unreadable_record(0, EARLY, Disposition.DEAD_LETTERED)
    one, two = books.rows(IN_FORCE.__getitem__, {ONE: "one", TWO: "two"})
    assert one.counts == {Disposition.FILTERED: 1, Disposition.DEAD_LETTERED: 1}
    assert two.counts == {Disposition.FILTERED: 1, Disposition.NOT_IN_FORCE: 1}


def test_what_nobody_took_is_in_flight_while_it_is_not_committed() -> None:
    books = Books()
    books.record(0, Regime((1,), is_open=True))
    [one] = books.rows(IN_FORCE.__getitem__, {ONE: "one"})
    assert one.counts == {Disposition.IN_FLIGHT: 1}


def test_ambiguous_are_those_that_revisions_differ_about_and_replays_are_none() -> None:
    books = Books()
    pause, again = Expected(Expectation.PAUSE), Expected(Expectation.START, "r", later=True)
    for offset, expected in enumerate([(pause, None), (pause, again), (pause,)]):
        books.record(0, EARLY)
        books.entry(entry(offset, ONE, *expected), EARLY, Disposition.PAUSED)
    [one] = books.rows(IN_FORCE.__getitem__, {ONE: "one"})
    assert (one.ambiguous, one.later) == (1, 1)


@given(st.lists(st.integers(0, 3), max_size=20))
def test_partitions_have_rows_of_their_own(partitions: list[int]) -> None:
    books = Books()
    for partition in partitions:
        books.record(partition, EARLY)
    rows = books.rows(IN_FORCE.__getitem__, {ONE: "one"})
    assert {row.partition: sum(row.counts.values()) for row in rows} == {
        partition: partitions.count(partition) for partition in set(partitions)
    }
