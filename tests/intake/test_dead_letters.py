from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.definitions import RegisteredDefinition, parse_definition
from taskfactory.intake import DeadLetter, Record
from taskfactory.intake.dead_letters import MOST_ATTEMPTS, original_record, stored_letter
from tests.ingress.fakes import record

DEFINITION = RegisteredDefinition(
    "0b8f",
    3,
    parse_definition(
        {
            "apiVersion": "taskfactory/v1",
            "kind": "ActivityDefinition",
            "name": "order-fulfilment",
            "trigger": {"type": "event", "match": {"type": ["order"]}},
            "tasks": [{"name": "reserve", "type": "activity", "handler": "reserve", "queue": "warehouse"}],
        }
    ),
)


def test_a_dead_letter_says_why_and_where_it_came_from() -> None:
    letter = DeadLetter(record(offset=7), "too_large", "the value has 2 bytes, 1 is allowed")
    assert dict(letter.headers()) == {
        "taskfactory_dlq_id": b"events/0/7",
        "taskfactory_dlq_reason": b"too_large",
        "taskfactory_dlq_message": b"the value has 2 bytes, 1 is allowed",
        "taskfactory_dlq_topic": b"events",
        "taskfactory_dlq_partition": b"0",
        "taskfactory_dlq_offset": b"7",
        "taskfactory_dlq_timestamp": b"1700000000000",
        "taskfactory_dlq_attempts": b"1",
    }


def test_a_dead_letter_of_one_definition_names_it() -> None:
    headers = dict(DeadLetter(record(offset=7), "cel_error", "no such key", DEFINITION).headers())
    assert headers["taskfactory_dlq_id"] == b"events/0/7/0b8f"
    assert headers["taskfactory_dlq_activity_id"] == b"0b8f"
    assert headers["taskfactory_dlq_activity_name"] == b"order-fulfilment"
    assert headers["taskfactory_dlq_version"] == b"3"


def test_original_headers_are_kept_as_they_were_repeated_and_null_ones_too() -> None:
    original = (("trace", b"\xff\x00"), ("trace", b"b"), ("empty", None))
    assert DeadLetter(record(headers=original), "r", "m").headers()[:3] == list(original)


def test_a_record_that_was_redriven_counts_its_attempts_up() -> None:
    once = DeadLetter(record(offset=1), "first", "m")
    again = DeadLetter(record(offset=9, headers=tuple(once.headers())), "second", "m")
    headers = again.headers()
    assert dict(headers)["taskfactory_dlq_attempts"] == b"2"
    assert dict(headers)["taskfactory_dlq_reason"] == b"second"
    assert len(headers) == len({name for name, _ in headers})


def test_a_forged_attempts_header_does_no_harm() -> None:
    letter = DeadLetter(record(headers=(("taskfactory_dlq_attempts", b"many"),)), "r", "m")
    assert dict(letter.headers())["taskfactory_dlq_attempts"] == b"1"


def test_a_letter_whose_writer_knows_of_earlier_ones_counts_on() -> None:
    assert DeadLetter(record(), "r", "m", earlier=3).attempts == 4
    copied = record(headers=tuple(DeadLetter(record(), "r", "m", earlier=6).headers()))
    assert DeadLetter(copied, "r", "m", earlier=3).attempts == 8


def stored(letter: DeadLetter, **changes: str | None) -> Record:
    """The record of the dead letter topic, with some of its headers replaced or (None) left out."""
    given = {f"taskfactory_dlq_{name}": value for name, value in changes.items()}
    kept = [(name, value) for name, value in letter.headers() if name not in given]
    added = [(name, value.encode()) for name, value in given.items() if value is not None]
    return Record("dlq", 2, 40, 1_700_000_009_000, letter.record.key, letter.record.value, [*kept, *added])


headers = st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=20)), max_size=4)


@given(
    st.builds(
        Record,
        topic=st.from_regex(r"[a-zA-Z0-9._-]{1,20}", fullmatch=True),
        partition=st.integers(0, 10_000),
        offset=st.integers(0, 2**63 - 1),
        timestamp=st.none() | st.integers(0, 2**50),
        key=st.none() | st.binary(),
        value=st.none() | st.binary(),
        headers=headers.filter(lambda found: not any(name.startswith("taskfactory_dlq_") for name, _ in found)),
    ),
    st.sampled_from([None, DEFINITION]),
    st.integers(0, 50),
    st.text(max_size=50),
)
def test_a_letter_is_read_from_its_topic_as_it_was_written(
    origin: Record, definition: RegisteredDefinition | None, earlier: int, message: str
) -> None:
    written = DeadLetter(origin, "malformed_json", message, definition, earlier)
    on_topic = stored(written)
    letter = stored_letter(on_topic)
    assert letter is not None
    assert (letter.id, letter.reason, letter.attempts) == (written.id, "malformed_json", earlier + 1)
    assert letter.message == message.encode("utf-8", "backslashreplace").decode()
    assert (letter.written_at, letter.place) == (1_700_000_009_000, (2, 40))
    assert letter.definition_name == (definition and "order-fulfilment")
    assert original_record(letter, on_topic) == replace(origin, headers=list(origin.headers))


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"reason": None},
        {"attempts": "many"},
        {"attempts": "0"},
        {"attempts": str(MOST_ATTEMPTS + 1)},
        {"offset": "8"},
        {"partition": "x"},
        {"id": "events/0/7/\0", "activity_id": "\0"},
        {"id": "elsewhere/0/7"},
    ],
)
def test_a_record_that_only_looks_like_a_dead_letter_is_none(changes: dict[str, str | None]) -> None:
    assert stored_letter(stored(DeadLetter(record(offset=7), "r", "m"))) is not None
    assert stored_letter(stored(DeadLetter(record(offset=7), "r", "m"), **changes)) is None


@given(headers.map(lambda found: [(f"taskfactory_dlq_{name}", value) for name, value in found]))
def test_no_headers_at_all_make_the_reader_stumble(found: list[tuple[str, bytes | None]]) -> None:
    assert stored_letter(Record("dlq", 0, 0, None, None, None, found)) is None


def test_the_newest_of_two_records_is_the_one_with_more_attempts_then_the_later_one() -> None:
    first, second = (stored_letter(stored(DeadLetter(record(), "r", "m", earlier=n))) for n in (0, 1))
    assert first is not None
    assert second is not None
    assert second.newness > replace(first, written_at=second.written_at + 5).newness > first.newness


def test_a_message_of_any_text_and_length_fits_into_a_header() -> None:
    headers = dict(DeadLetter(record(), "r", "\ud800\0" + "x" * 10_000).headers())
    assert headers["taskfactory_dlq_message"] == b"\\ud800\0" + b"x" * 1998
