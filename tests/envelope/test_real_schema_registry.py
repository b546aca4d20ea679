"""Against a real schema registry: what Confluent's own serializer writes is read, through outages too."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from taskfactory.envelope import EventEnvelope, InvalidCode, InvalidEnvelope, decode, encode, read_avro
from taskfactory.envelope.envelope_record import shipped
from taskfactory.envelope.kafka import EnvelopeProducer, subscribe
from taskfactory.envelope.schema_registry import RegistryConfig, RegistryUnavailable, SchemaRegistry
from tests.conftest import RunningStack
from tests.schema_registry_server import RegistryServer

SCHEMA = shipped()[0]
RECORD = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "com.shop.order.placed", "data": '{"n": 1}'}
ENVELOPE = EventEnvelope(id="1", source="/shop", type="com.shop.order.placed", data={"n": 1})


def absent(record: dict[str, Any]) -> dict[str, Any]:
    """A producer of Avro names every field that has no default for its library."""
    return {field["name"]: None for field in json.loads(SCHEMA)["fields"]} | {"extensions": {}} | record


@pytest.fixture
def serialize(schema_registry: RegistryServer) -> Callable[..., bytes]:
    client = SchemaRegistryClient({"url": schema_registry.url})

    def write(topic: str, schema: str, value: dict[str, Any]) -> bytes:
        serializer: Any = AvroSerializer(client, schema)
        written: bytes = serializer(value, SerializationContext(topic, MessageField.VALUE))
        return written

    return write


async def received(schema_registry: RegistryServer, value: bytes) -> EventEnvelope:
    async with SchemaRegistry(RegistryConfig(schema_registry.url)) as registry:
        return await registry.read(lambda: decode(value, [], None, registry))


async def test_what_confluents_serializer_writes_with_our_schema_is_read(
    schema_registry: RegistryServer, serialize: Callable[..., bytes]
) -> None:
    value = serialize("plain", SCHEMA, absent(RECORD))
    assert await received(schema_registry, value) == ENVELOPE


async def test_what_we_write_confluents_deserializer_reads(
    schema_registry: RegistryServer, stack: RunningStack
) -> None:
    schema_id = schema_registry.register("ours-value", SCHEMA)
    topic = stack.topic("registry")
    config = {"bootstrap.servers": stack.endpoints.kafka_bootstrap_servers}
    with EnvelopeProducer(config) as producer:
        producer.send(topic, [ENVELOPE], fmt="confluent", schema_id=schema_id)
    with subscribe(config, [topic], from_beginning=True) as records:
        value = next(records).value
    deserializer: Any = AvroDeserializer(SchemaRegistryClient({"url": schema_registry.url}))
    assert deserializer(value, SerializationContext(topic, MessageField.VALUE)) == absent(RECORD) | {"data": '{"n":1}'}
    assert value is not None
    assert await received(schema_registry, value) == ENVELOPE


async def test_older_and_newer_versions_of_a_subject_are_read_side_by_side(
    schema_registry: RegistryServer, serialize: Callable[..., bytes]
) -> None:
    schema = json.loads(SCHEMA)
    older = {**schema, "fields": [f for f in schema["fields"] if f["name"] not in ("hops", "tracestate")]}
    newer = {**schema, "fields": [*schema["fields"], {"name": "priority", "type": "int", "default": 0}]}
    for version in (older, schema, newer):
        record = absent(RECORD) | {"priority": 3}
        fields = {field["name"] for field in version["fields"]}
        value = serialize("versions", json.dumps(version), {name: record[name] for name in fields})
        assert await received(schema_registry, value) == ENVELOPE


async def test_an_unknown_id_and_a_json_schema_are_invalid(schema_registry: RegistryServer) -> None:
    json_schema = json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"})
    schema_id = schema_registry.register("json-value", json_schema, "JSON")
    expected = {schema_id: InvalidCode.UNSUPPORTED_FORMAT, 2_000_000_000: InvalidCode.UNKNOWN_SCHEMA}
    for number, code in expected.items():
        with pytest.raises(InvalidEnvelope) as refused:
            await received(schema_registry, b"\0" + number.to_bytes(4, "big") + b"{}")
        assert refused.value.code == code


async def test_a_wrong_path_is_nobodys_dead_letter(schema_registry: RegistryServer) -> None:
    wrong = RegistryConfig(schema_registry.url.replace("ccompat", "nowhere"))
    async with SchemaRegistry(wrong) as registry:
        with pytest.raises(RegistryUnavailable, match="answers 404"):
            await registry.fetch(1)


async def test_references_of_a_real_registry_are_followed(schema_registry: RegistryServer) -> None:
    line = {"type": "record", "name": "Line", "namespace": "io.shop", "fields": [{"name": "sku", "type": "string"}]}
    order = {"type": "record", "name": "Order", "fields": [{"name": "line", "type": "io.shop.Line"}]}
    schema_registry.register("line", json.dumps(line))
    reference = {"name": "io.shop.Line", "subject": "line", "version": 1}
    schema_id = schema_registry.register("order", json.dumps(order), references=[reference])
    value = b"\0" + schema_id.to_bytes(4, "big") + b"\4ab"
    async with SchemaRegistry(RegistryConfig(schema_registry.url)) as registry:
        assert await registry.read(lambda: read_avro(value, registry)) == {"line": {"sku": "ab"}}


async def test_an_outage_concerns_new_schemas_only_and_heals(schema_registry: RegistryServer) -> None:
    known, new = (
        schema_registry.register(f"outage-{number}", json.dumps({**json.loads(SCHEMA), "namespace": f"shop{number}"}))
        for number in range(2)
    )
    values = {number: encode(ENVELOPE, "confluent", schema_id=number).value for number in (known, new)}
    async with SchemaRegistry(RegistryConfig(schema_registry.url)) as registry:
        assert await registry.read(lambda: decode(values[known], [], None, registry)) == ENVELOPE
        schema_registry.stop()
        try:
            assert await registry.read(lambda: decode(values[known], [], None, registry)) == ENVELOPE
            with pytest.raises(RegistryUnavailable):
                await registry.read(lambda: decode(values[new], [], None, registry))
        finally:
            schema_registry.start()
        assert await registry.read(lambda: decode(values[new], [], None, registry)) == ENVELOPE
