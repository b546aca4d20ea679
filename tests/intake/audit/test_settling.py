"""Whatever is taken from, or added to, books that balance is found, and at its place."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from taskfactory.intake.audit.entries import (
    Discrepancy,
    Disposition,
    Expectation,
    Expected,
    Facts,
    Place,
    Settled,
    Trouble,
    Undecided,
)
from taskfactory.intake.audit.settling import settle
from taskfactory.intake.executions import Execution
from tests.intake.audit.worlds import MOMENT, World, definition_id, entry, letter, run, start, worlds

ONE = definition_id(1)


def troubles(world: World) -> list[Discrepancy]:
    """Everything that does not add up, with a Temporal that has forgotten every run."""
    found: list[Discrepancy] = []
    for item in world.entries:
        settled = settle(item, world.facts)
        if isinstance(settled, Undecided):
            settled = settle(item, replace(world.facts, executions=dict.fromkeys(settled.run_ids)))
        assert isinstance(settled, Settled)
        assert (settled.disposition is Disposition.MISSING) <= bool(settled.troubles)
        found += settled.troubles
    return found


def disposition(item: Any, **facts: Any) -> Disposition:
    settled = settle(item, Facts(**{"committed": {0: 100}, **facts}))
    assert isinstance(settled, Settled)
    assert not settled.troubles
    return settled.disposition


@given(worlds())
def test_what_follows_from_records_adds_up(world: World) -> None:
    assert troubles(world) == []


@given(worlds(), st.data())
def test_a_run_that_is_gone_is_missed(world: World, data: st.DataObject) -> None:
    assume(world.runs)
    gone = data.draw(st.sampled_from(world.runs))
    found = troubles(world.without_run(gone))
    assert Place(gone.partition or 0, gone.offset or 0) in {item.place for item in found}
    assert {item.trouble for item in found} == {Trouble.RUN_MISSING}


@given(worlds(), st.data())
def test_a_claim_that_is_gone_is_missed(world: World, data: st.DataObject) -> None:
    of_runs = [
        (item.keys, row)
        for made in world.entries
        for item in made.expected
        for row in world.runs
        if item is not None and item.keys is not None and row.run_id == item.run_id and row.offset == made.place.offset
    ]
    assume(of_runs)
    keys, row = data.draw(st.sampled_from(of_runs))
    gone = data.draw(st.sampled_from(sorted(keys.all)))
    found = troubles(world.without_claims(frozenset({gone})))
    assert Place(0, row.offset or 0) in {item.place for item in found}
    assert Trouble.CLAIM_MISSING in {item.trouble for item in found}


@given(worlds(), st.data())
def test_a_run_that_is_gone_with_its_claims_is_lost(world: World, data: st.DataObject) -> None:
    assume(world.runs)
    gone = data.draw(st.sampled_from(world.runs))
    [keys] = {
        item.keys
        for made in world.entries
        for item in made.expected
        if item is not None and item.run_id == gone.run_id and item.keys and made.place.offset == gone.offset
    }
    found = troubles(world.without_run(gone).without_claims(keys.all))
    assert Place(0, gone.offset or 0) in {item.place for item in found}


@given(worlds(), st.data())
def test_a_letter_that_is_gone_is_missed(world: World, data: st.DataObject) -> None:
    assume(world.facts.letters)
    gone = data.draw(st.sampled_from(sorted(world.facts.letters)))
    [found] = troubles(world.without_letter(gone))
    assert (found.trouble, found.place) == (Trouble.LETTER_MISSING, world.facts.letters[gone].place)


@given(worlds(), st.data())
def test_a_run_too_many_is_found(world: World, data: st.DataObject) -> None:
    assume(world.entries)
    at = data.draw(st.sampled_from(world.entries))
    extra = run(start(at.definition_id or "", "made-up"), at.place, at.definition_id or "")
    [found] = troubles(world.with_run(extra))
    assert (found.trouble, found.place) == (Trouble.RUN_UNEXPLAINED, at.place)


@given(worlds(), st.data())
def test_a_letter_too_many_is_found(world: World, data: st.DataObject) -> None:
    quiet = [
        item
        for item in world.entries
        if item.expected[0] is not None and item.expected[0].kind in {Expectation.PAUSE, Expectation.LEAVE}
    ]
    assume(quiet)
    at = data.draw(st.sampled_from(quiet))
    [found] = troubles(world.with_letter(letter(at)))
    assert (found.trouble, found.place) == (Trouble.LETTER_UNEXPLAINED, at.place)


def test_what_is_not_committed_is_in_flight() -> None:
    for expected in (start(ONE, "e"), Expected(Expectation.DEAD_LETTER), None):
        assert disposition(entry(5, ONE, expected), committed={0: 5}) is Disposition.IN_FLIGHT
    assert disposition(entry(5, ONE, None), committed={}) is Disposition.IN_FLIGHT


def test_a_committed_run_that_has_not_claimed_yet_is_in_flight_while_temporal_has_it() -> None:
    expected = start(ONE, "e")
    asked = settle(entry(5, ONE, expected), Facts(committed={0: 9}))
    assert asked == Undecided((expected.run_id or "",))
    for execution in (Execution.OPEN, Execution.STOPPED):
        known = {expected.run_id: execution}
        assert disposition(entry(5, ONE, expected), executions=known) is Disposition.IN_FLIGHT


def test_an_execution_that_completed_without_a_trace_does_not_add_up() -> None:
    expected = start(ONE, "e")
    settled = settle(
        entry(5, ONE, expected), Facts(committed={0: 9}, executions={expected.run_id or "": Execution.COMPLETED})
    )
    assert isinstance(settled, Settled)
    assert [item.trouble for item in settled.troubles] == [Trouble.RUN_LOST]


def test_a_start_that_temporal_refused_is_a_dead_letter() -> None:
    made = entry(5, ONE, start(ONE, "e"))
    assert disposition(made, letters={made.letter_id: letter(made, "run_input_too_large")}) is Disposition.DEAD_LETTERED


def test_of_two_possible_revisions_the_one_that_the_facts_show_is_taken() -> None:
    started, lettered = start(ONE, "e"), Expected(Expectation.DEAD_LETTER, reason="when_error")
    made = replace(entry(5, ONE, started, lettered), certain=False)
    assert started.keys is not None
    row = run(started, made.place, ONE)
    shown = {"triggered": {(made.place, ONE): [row]}, "claimed": started.keys.all}
    assert disposition(made, **shown) is Disposition.STARTED
    assert disposition(made, letters={made.letter_id: letter(made)}) is Disposition.DEAD_LETTERED
    for nothing, expected in ((None, Disposition.FILTERED), (Expected(Expectation.PAUSE), Disposition.PAUSED)):
        assert disposition(replace(entry(5, ONE, started, nothing), certain=False)) is expected


def test_what_the_latest_reading_demands_is_missed_although_an_earlier_one_demanded_nothing() -> None:
    settled = settle(entry(5, ONE, start(ONE, "e"), None), Facts(committed={0: 9}))
    assert isinstance(settled, Undecided)
    settled = settle(entry(5, ONE, Expected(Expectation.DEAD_LETTER), None), Facts(committed={0: 9}))
    assert isinstance(settled, Settled)
    assert [item.trouble for item in settled.troubles] == [Trouble.LETTER_MISSING]


def test_what_an_earlier_reading_did_is_explained_although_the_latest_one_demands_nothing() -> None:
    started = start(ONE, "e")
    made = entry(5, ONE, None, started)
    assert started.keys is not None
    shown = {"triggered": {(made.place, ONE): [run(started, made.place, ONE)]}, "claimed": started.keys.all}
    assert disposition(made, **shown) is Disposition.STARTED
    assert disposition(made) is Disposition.FILTERED
    lettered = entry(5, ONE, Expected(Expectation.PAUSE), Expected(Expectation.DEAD_LETTER))
    assert disposition(lettered, letters={lettered.letter_id: letter(lettered)}) is Disposition.DEAD_LETTERED


def test_a_replayed_record_that_was_paused_has_started() -> None:
    later = start(ONE, "e", later=True)
    made = entry(5, ONE, Expected(Expectation.PAUSE), later)
    assert later.keys is not None
    shown = {"triggered": {(made.place, ONE): [run(later, made.place, ONE)]}, "claimed": later.keys.all}
    assert disposition(made, **shown) is Disposition.STARTED


def test_a_claim_whose_row_has_expired_is_not_held_against_anybody() -> None:
    expected = start(ONE, "e")
    assert expected.keys is not None
    old = {"claimed": expected.keys.all, "rows_kept_since": datetime(2026, 6, 1, tzinfo=UTC)}
    assert disposition(entry(5, ONE, expected), **old) is Disposition.ROWS_EXPIRED


def test_a_run_of_another_topics_record_at_the_same_coordinates_is_not_the_records_own() -> None:
    expected = start(ONE, "e")
    assert expected.keys is not None
    made = entry(5, ONE, expected)
    own = run(expected, made.place, ONE)
    claimed = expected.keys.all
    elsewhere = {own.run_id: replace(own, topic="others")}
    assert disposition(made, runs={own.run_id: own}, claimed=claimed) is Disposition.STARTED
    assert disposition(made, runs=elsewhere, claimed=claimed) is Disposition.ALREADY_STARTED


def test_a_run_of_another_event_from_before_the_record_came_of_an_earlier_topic() -> None:
    made = entry(5, ONE, None)
    stale = replace(run(start(ONE, "old"), made.place, ONE), event_id="old", started_at=MOMENT - timedelta(seconds=1))
    facts = Facts(committed={0: 100}, triggered={(made.place, ONE): [stale]})
    assert settle(made, facts) == Settled(Disposition.FILTERED, earlier=1)


@pytest.mark.parametrize(
    "changed",
    [{"started_at": MOMENT}, {"started_at": MOMENT - timedelta(seconds=1), "event_id": "e-5", "event_source": "/s"}],
)
def test_a_run_that_is_not_older_than_the_record_or_of_its_event_is_not_excused(changed: dict[str, Any]) -> None:
    made = replace(entry(5, ONE, None), event="e-5 from /s")
    extra = replace(run(start(ONE, "old"), made.place, ONE), **changed)
    settled = settle(made, Facts(committed={0: 100}, triggered={(made.place, ONE): [extra]}))
    assert isinstance(settled, Settled)
    assert [item.trouble for item in settled.troubles] == [Trouble.RUN_UNEXPLAINED]


def test_a_letter_of_an_earlier_topic_neither_accuses_nor_excuses_the_record() -> None:
    quiet, due = entry(5, ONE, None), entry(6, ONE, Expected(Expectation.DEAD_LETTER))
    stale = {made.letter_id: replace(letter(made), timestamp=1) for made in (quiet, due)}
    assert disposition(quiet, letters=stale) is Disposition.FILTERED
    settled = settle(due, Facts(committed={0: 100}, letters=stale))
    assert isinstance(settled, Settled)
    assert [item.trouble for item in settled.troubles] == [Trouble.LETTER_MISSING]
    assert disposition(due, letters={due.letter_id: replace(letter(due), timestamp=due.timestamp)}) is (
        Disposition.DEAD_LETTERED
    )


def test_a_missing_letter_proves_nothing_once_letters_were_lost() -> None:
    made = entry(5, ONE, Expected(Expectation.DEAD_LETTER, reason="when_error"))
    assert disposition(made, letters_lost=True) is Disposition.UNPROVEN


@pytest.mark.parametrize("opened", [True, False])
def test_an_event_in_a_window_is_a_duplicate_unless_it_opened_the_window(*, opened: bool) -> None:
    expected = start(ONE, "e", "key")
    assert expected.keys is not None
    windowed = replace(expected, keys=replace(expected.keys, windowed=True))
    facts = Facts(
        claimed=expected.keys.all,
        committed={0: 9},
        windows_opened=frozenset({expected.run_id or ""} if opened else ()),
        rows_kept_since=datetime(2026, 1, 1, tzinfo=UTC),
    )
    settled = settle(entry(5, ONE, windowed), facts)
    assert isinstance(settled, Settled)
    assert settled.disposition is (Disposition.MISSING if opened else Disposition.ALREADY_STARTED)
