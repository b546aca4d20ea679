"""A connector's Avro, through a real registry, becomes the event that the mapping says."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from taskfactory.definitions import RecordParts, map_record, parse_mapping
from taskfactory.envelope.schema_registry import RegistryConfig, SchemaRegistry
from tests.schema_registry_server import RegistryServer

KEY = {"type": "record", "name": "Key", "fields": [{"name": "id", "type": "long"}]}
VALUE = {
    "type": "record",
    "name": "Payment",
    "namespace": "com.shop",
    "fields": [
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "receipt", "type": ["null", "bytes"], "default": None},
    ],
}


async def test_avro_keys_and_values_are_mapped(schema_registry: RegistryServer) -> None:
    client = SchemaRegistryClient({"url": schema_registry.url})

    def written(schema: dict[str, Any], datum: dict[str, Any], field: MessageField) -> bytes:
        serializer: Any = AvroSerializer(client, json.dumps(schema))
        raw: bytes = serializer(datum, SerializationContext("payments", field))
        return raw

    row = {"amount": Decimal("12.50"), "at": datetime(2026, 11, 3, 9, 12, 44, tzinfo=UTC), "receipt": b"\xff"}
    key, value = written(KEY, {"id": 8}, MessageField.KEY), written(VALUE, row, MessageField.VALUE)
    mapping = parse_mapping(
        {
            "apiVersion": "taskfactory/v1",
            "kind": "TopicMapping",
            "topic": "payments",
            "id": "key.id",
            "source": "'/' + topic",
            "type": "'com.shop.payment.settled'",
            "time": "value.at",
        }
    )
    parts = RecordParts("payments", 0, 5, None, key, value)
    async with SchemaRegistry(RegistryConfig(schema_registry.url)) as registry:
        event = await registry.read(lambda: map_record(mapping, parts, registry))
    assert event is not None
    assert event.to_json_dict() == {
        "specversion": "1.0",
        "id": "8",
        "source": "/payments",
        "type": "com.shop.payment.settled",
        "time": "2026-11-03T09:12:44.000Z",
        "data": {"amount": "12.50", "at": "2026-11-03T09:12:44.000Z", "receipt": "/w=="},
    }
