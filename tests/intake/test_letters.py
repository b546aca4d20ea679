from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.intake import DeadLetter, LetterFilter, Letters, Record, StoredLetter
from taskfactory.intake.dead_letters import stored_letter
from taskfactory.intake.letters import newest_letters
from tests.ingress.fakes import record
from tests.intake.test_dead_letters import DEFINITION

AT = 1_700_000_000_000


def on_topic(offset: int, *, of_definition: bool = False, attempts: int = 1, at: int = AT, place: int = 0) -> Record:
    """A record of the dead letter topic."""
    letter = DeadLetter(record(offset), "when_error", "m", DEFINITION if of_definition else None, earlier=attempts - 1)
    return Record("dlq", 0, place, at, None, b"x", letter.headers())


def letter(offset: int = 7, **given: Any) -> StoredLetter:
    found = stored_letter(on_topic(offset, **given))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (LetterFilter(), True),
        (LetterFilter(ids=frozenset(["events/0/7"])), True),
        (LetterFilter(ids=frozenset(["events/0/8"])), False),
        (LetterFilter(reason="when_error"), True),
        (LetterFilter(reason="too_large"), False),
        (LetterFilter(topic="events", partition=0, offset=7), True),
        (LetterFilter(topic="others"), False),
        (LetterFilter(partition=1), False),
        (LetterFilter(offset=0), False),
        (LetterFilter(since=datetime.fromtimestamp(AT / 1000, UTC)), True),
        (LetterFilter(since=datetime.fromtimestamp(AT / 1000 + 0.001, UTC)), False),
        (LetterFilter(until=datetime.fromtimestamp(AT / 1000, UTC)), False),
        (LetterFilter(until=datetime.fromtimestamp(AT / 1000 + 0.001, UTC)), True),
        (LetterFilter(reason="when_error", offset=8), False),
    ],
)
def test_a_filter_takes_what_fits_all_that_it_says(wanted: LetterFilter, taken: bool) -> None:  # noqa: FBT001
    assert wanted.takes(letter()) is taken


def test_a_definitions_letters_are_found_by_its_name_and_its_id() -> None:
    own = letter(of_definition=True)
    assert LetterFilter(definition="order-fulfilment").takes(own)
    assert LetterFilter(definition="0b8f").takes(own)
    assert not LetterFilter(definition="refunds").takes(own)


def test_a_letter_of_the_record_itself_is_a_definitions_only_where_it_is_named() -> None:
    assert not LetterFilter(definition="order-fulfilment").takes(letter())
    assert LetterFilter(definition="order-fulfilment", ids=frozenset(["events/0/7"])).takes(letter())


@given(st.permutations([(1, AT), (2, AT + 5), (3, AT + 2), (1, AT + 9)]))
def test_the_newest_record_of_an_id_stands_in_whatever_order_partitions_are_read(
    order: Sequence[tuple[int, int]],
) -> None:
    found = Letters()
    newest_letters((on_topic(7, attempts=attempts, at=at) for attempts, at in order), found)
    [newest] = found.by_key.values()
    assert (newest.attempts, newest.written_at) == (3, AT + 2)


def test_other_peoples_records_are_counted_and_left_alone() -> None:
    found = Letters()
    newest_letters([on_topic(1), record(2), on_topic(3)], found)
    assert (sorted(found.by_key), found.strangers) == ([f"events/0/{offset}@1700000000000" for offset in (1, 3)], 1)


def test_a_topic_that_was_created_again_has_letters_of_its_own_under_the_same_ids() -> None:
    found = Letters()
    earlier, now = on_topic(7), on_topic(7)
    headers = [(name, b"1800000000000" if name.endswith("_timestamp") else value) for name, value in now.headers]
    newest_letters([earlier, replace(now, headers=headers)], found)
    assert {letter.id for letter in found.by_key.values()} == {"events/0/7"}
    assert len(found.by_key) == 2
