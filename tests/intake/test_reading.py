"""From a record to its event with a schema registry: what is the record's fault, and what is a matter of time."""

from collections.abc import Iterator

import pytest

from taskfactory.definitions import DefinitionSet, parse_mapping
from taskfactory.envelope import EventEnvelope, SchemaNeeded, encode
from taskfactory.envelope.envelope_record import shipped
from taskfactory.envelope.schema_registry import RegistryConfig, SchemaRegistry
from taskfactory.intake import DeadLetter, EventReader, InForce, ReadEvent, Unavailable, read_event
from tests.envelope.fake_registry import FakeRegistry, fake_registry
from tests.ingress.fakes import record

PING = EventEnvelope(id="1", source="/shop", type="com.shop.ping", data={"n": 1})
AVRO = record(value=encode(PING, "confluent", schema_id=7).value)
NOTHING = InForce.nothing()


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with fake_registry() as fake:
        yield fake


async def test_a_schema_is_fetched_once_and_an_outage_afterwards_concerns_new_ones_only(fake: FakeRegistry) -> None:
    fake.schema(7, shipped()[0])
    async with SchemaRegistry(RegistryConfig(fake.url)) as registry:
        reader = EventReader(1000, registry)
        with pytest.raises(SchemaNeeded):
            reader.read_known(AVRO, NOTHING)
        first = await reader.read(AVRO, NOTHING)
        fake.answers["/schemas/ids/7"] = fake.answers["/schemas/ids/8"] = (503, {})
        assert reader.read_known(AVRO, NOTHING) == first
        with pytest.raises(Unavailable):
            await reader.read(record(value=encode(PING, "confluent", schema_id=8).value), NOTHING)
    assert isinstance(first, ReadEvent)
    assert first.envelope == PING
    assert fake.asked == ["/schemas/ids/7", "/schemas/ids/8"]


@pytest.mark.parametrize("status", [401, 429, 500, 503])
async def test_a_registry_that_gives_no_answer_is_waited_for_and_no_letter_is_written(
    fake: FakeRegistry, status: int
) -> None:
    fake.answers["/schemas/ids/7"] = (status, {"error_code": status, "message": "not now"})
    async with SchemaRegistry(RegistryConfig(fake.url)) as registry:
        with pytest.raises(Unavailable) as away:
            await EventReader(1000, registry).read(AVRO, NOTHING)
    assert away.value.error == "SCHEMA_REGISTRY"


async def test_a_schema_that_the_registry_does_not_know_is_a_dead_letter(fake: FakeRegistry) -> None:
    async with SchemaRegistry(RegistryConfig(fake.url)) as registry:
        read = await EventReader(1000, registry).read(AVRO, NOTHING)
    assert isinstance(read, DeadLetter)
    assert (read.reason, read.definition, read.record) == ("unknown_schema", None, AVRO)


def test_a_value_of_just_the_size_that_is_allowed_is_read() -> None:
    value = encode(PING, "structured").value or b""
    at_the_limit = record(value=value, headers=[("content-type", b"application/cloudevents+json")])
    assert isinstance(read_event(at_the_limit, NOTHING, len(value)), ReadEvent)
    refused = read_event(at_the_limit, NOTHING, len(value) - 1)
    assert isinstance(refused, DeadLetter)
    assert refused.reason == "too_large"


def test_a_mapping_sees_all_of_the_record() -> None:
    mapping = parse_mapping(
        {
            "apiVersion": "taskfactory/v1",
            "kind": "TopicMapping",
            "topic": "events",
            "id": "string(partition) + '-' + string(offset)",
            "source": "'/' + topic",
            "type": "headers['kind']",
            "subject": "key",
            "time": "timestamp",
        }
    )
    mapped = InForce(1, DefinitionSet(()), mappings={"events": mapping})
    read = read_event(record(4, b"{}", key=b"o-7", headers=[("kind", b"order")]), mapped, 1000)
    assert isinstance(read, ReadEvent)
    assert read.event == {
        "specversion": "1.0",
        "id": "0-4",
        "source": "/events",
        "type": "order",
        "subject": "o-7",
        "time": "2023-11-14T22:13:20.000Z",
        "data": {},
    }
