"""Other people's CloudEvents library understands our records, and we understand theirs."""

from datetime import UTC, datetime

import pytest

from taskfactory.envelope import EventEnvelope, Format, decode, encode

REASON = "needs the cloudevents package, a development dependency of the workspace"
kafka = pytest.importorskip("cloudevents.core.bindings.kafka", reason=REASON)
v1 = pytest.importorskip("cloudevents.core.v1.event", reason=REASON)

ATTRIBUTES = {
    "id": "1",
    "source": "/shop",
    "type": "com.shop.order.placed",
    "specversion": "1.0",
    "subject": "Grüße",
    "datacontenttype": "application/json",
    "region": "eu",
}
DATA = {"total": 3, "note": "ü"}


@pytest.mark.parametrize("mode", ["to_structured_event", "to_binary_event"])
def test_we_read_what_the_cloudevents_library_writes(mode: str) -> None:
    event = v1.CloudEvent({**ATTRIBUTES, "time": datetime(2026, 11, 3, 9, 12, 44, tzinfo=UTC)}, DATA)
    message = getattr(kafka, mode)(event)
    received = decode(message.value, list(message.headers.items()))
    assert received.attributes == {**ATTRIBUTES, "time": "2026-11-03T09:12:44Z"}
    assert received.data == DATA


@pytest.mark.parametrize("fmt", ["structured", "binary"])
def test_the_cloudevents_library_reads_what_we_write(fmt: Format) -> None:
    record = encode(EventEnvelope.from_attributes(ATTRIBUTES, DATA), fmt)
    event = kafka.from_kafka_event(kafka.KafkaMessage(dict(record.headers), None, record.value))
    assert {name: event.get_attributes()[name] for name in ATTRIBUTES} == ATTRIBUTES
    assert event.get_data() == DATA
