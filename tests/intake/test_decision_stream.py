"""What is told about a record."""

from datetime import UTC, datetime

from taskfactory.envelope import decode, encode
from taskfactory.intake import DeadLetter, Decided, Disposition, Earliest, KafkaDecisionStream, Latest, open_history
from taskfactory.intake.decision_stream import envelope_of
from tests.conftest import RunningStack
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


def test_what_is_too_much_for_the_topic_is_told_in_short_however_much_it_is() -> None:
    event = EVENT | {"id": "e" * 900_000, "subject": "s" * 90_000}
    told = envelope_of(Decided(record(7), event, 12, [Disposition("started", ORDERS, "r")] * 10_000), NOW, short=True)
    assert len(encode(told).value or b"") < 1000
    assert (told.id, told.data["revision"], told.data["filtered"]) == ("events/0/7", 12, False)
    assert told.data["truncated"] is True
    assert "decisions" not in told.data


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


async def test_a_record_with_more_decisions_than_the_topic_takes_is_told_in_short(stack: RunningStack) -> None:
    topic = stack.topic("decisions")
    stream = KafkaDecisionStream({"bootstrap.servers": stack.endpoints.kafka_bootstrap_servers}, topic)
    try:
        for dispositions in (1, 10_000):
            many = [Disposition("started", ORDERS, "activity-1")] * dispositions
            await stream.publish(Decided(record(dispositions), EVENT, 12, many))
    finally:
        stream.close(5)
    with open_history({"bootstrap.servers": stack.endpoints.kafka_bootstrap_servers}) as history:
        [told] = history.read(history.spans(topic, Earliest(), Latest()))
        decisions = [b'"truncated":true' in (each.value or b"") for each in told]
    assert decisions == [False, True]


def test_what_a_shadow_version_would_have_done_is_told_and_leaves_the_record_filtered() -> None:
    shadowed = [Disposition("shadowed", ORDERS), Disposition("shadowed", ORDERS, trouble="when_error: no key: \udce4")]
    told = envelope_of(Decided(record(), EVENT, 1, shadowed), NOW).data
    activity = {"id": "id-of-orders", "name": "orders", "version": 2}
    assert told["filtered"] is True
    assert told["decisions"] == [
        {"decision": "shadowed", "activity": activity},
        {"decision": "shadowed", "activity": activity, "message": "when_error: no key: \\udce4"},
    ]
