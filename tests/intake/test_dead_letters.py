from taskfactory.definitions import RegisteredDefinition, parse_definition
from taskfactory.intake import DeadLetter
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


def test_a_message_of_any_text_and_length_fits_into_a_header() -> None:
    headers = dict(DeadLetter(record(), "r", "\ud800\0" + "x" * 10_000).headers())
    assert headers["taskfactory_dlq_message"] == b"\\ud800\0" + b"x" * 1998
