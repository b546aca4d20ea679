"""What is told about a record."""

from datetime import UTC, datetime

from taskfactory.envelope import decode, encode
from taskfactory.intake import DeadLetter, Decided, Disposition
from taskfactory.intake.decision_stream import envelope_of
from tests.ingress.fakes import record
from tests.intake.test_decisions import definition

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ORDERS = definition("orders", {"type": ["order"]})
EVENT = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/s",
    "type": "order",
    "subject": "o-1",
    "data": {"card": "4711"},
}


def test_a_decision_names_the_record_the_event_and_what_became_of_it_for_each_definition() -> None:
    started = Disposition("started", ORDERS, "activity-1")
    failed = Disposition("dead_lettered", ORDERS, letter=DeadLetter(record(7), "when_error", "no key: \udce4", ORDERS))
    told = envelope_of(Decided(record(7), EVENT, 12, [started, failed]), NOW)
    assert (told.id, told.type, told.subject) == ("events/0/7", "io.taskfactory.record.decided", "o-1")
    activity = {"id": "id-of-orders", "name": "orders", "version": 2}
    assert told.data == {
        "record": {"topic": "events", "partition": 0, "offset": 7, "timestamp": 1_700_000_000_000},
        "event": {"source": "/s", "id": "e-1", "type": "order", "subject": "o-1"},
        "revision": 12,
        "filtered": False,
        "decisions": [
            {"decision": "started", "activity": activity, "run": "activity-1"},
            {
                "decision": "dead_lettered",
                "activity": activity,
                "reason": "when_error",
                "message": "no key: \\udce4",
            },
        ],
    }
    assert decode(*encode(told)) == told


def test_the_events_data_is_not_repeated() -> None:
    assert "4711" not in str(envelope_of(Decided(record(), EVENT, 1, []), NOW).data)


def test_a_record_that_no_definition_matched_is_told_as_filtered_and_an_unreadable_one_without_event() -> None:
    assert envelope_of(Decided(record(), EVENT, 1, []), NOW).data["filtered"] is True
    broken = envelope_of(
        Decided(
            record(),
            None,
            1,
            [Disposition("dead_lettered", None, letter=DeadLetter(record(), "malformed_json", "not JSON"))],
        ),
        NOW,
    )
    assert broken.data["event"] == {}
    assert broken.data["decisions"] == [
        {"decision": "dead_lettered", "reason": "malformed_json", "message": "not JSON"}
    ]
