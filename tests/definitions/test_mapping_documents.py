"""Topic mappings in files: beside definitions, every error at its place; the guide's examples do what it says."""

import json
import re
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import jsonschema_rs
import pytest

from taskfactory.definitions import (
    InvalidDefinitions,
    RecordParts,
    TopicMapping,
    load_definitions,
    load_documents,
    map_record,
    parse_mapping,
)
from taskfactory.definitions.schema import mapping_schema
from taskfactory.definitions.source import read_documents
from taskfactory.envelope import EventEnvelope, parse_writer_schema

GUIDE = (Path(__file__).parents[2] / "docs" / "topic-mappings.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
DEFINITION = """\
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: order
trigger: {type: event, match: {type: [placed]}}
tasks:
  - {name: reserve, type: activity, handler: h, queue: q}
"""
MAPPING = """\
apiVersion: taskfactory/v1
kind: TopicMapping
topic: orders
id: value.id
source: "'/orders'"
type: value.type
"""


def errors(text: str) -> list[str]:
    with pytest.raises(InvalidDefinitions) as caught:
        load_documents(text, "shop.yaml")
    return [str(error) for error in caught.value.errors]


def test_a_file_holds_definitions_and_mappings() -> None:
    text = f"{MAPPING}---\n{DEFINITION}---\n{MAPPING.replace('orders', 'payments')}"
    documents = load_documents(text, "x")
    assert [definition.name for definition in documents.definitions] == ["order"]
    assert [mapping.topic for mapping in documents.mappings] == ["orders", "payments"]
    assert load_definitions(text, "x") == list(documents.definitions)


def test_a_mapping_may_have_the_name_of_a_definition() -> None:
    assert load_documents(f"{DEFINITION}---\n{MAPPING.replace('topic: orders', 'topic: order')}", "x").mappings


def test_the_canonical_form_is_read_back_as_the_same_mapping() -> None:
    [mapping] = load_documents(MAPPING, "x").mappings
    assert parse_mapping(mapping.to_dict()) == mapping
    assert mapping.to_dict()["data"] == "value"
    assert "skip" not in mapping.to_dict()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            MAPPING.replace("id: value.id", "id: event.id"),
            (
                "shop.yaml:4:5: id: line 1, column 6: undeclared reference to 'event.id'\n | event.id\n | .....^\n"
                "known here: headers, key, offset, partition, timestamp, topic, value"
            ),
        ),
        (MAPPING.replace("topic: orders\n", ""), "shop.yaml:1:1: topic: this field is required"),
        (
            MAPPING + "subjct: value.x\n",
            (
                "shop.yaml:7:1: subjct: unknown field 'subjct'; did you mean 'subject'? allowed here are apiVersion, "
                "kind, topic, description, format, skip, id, source, type, subject, time, data"
            ),
        ),
        (MAPPING + "format: xml\n", "shop.yaml:7:9: format: found 'xml'; allowed here are 'json', 'avro'"),
        (MAPPING + "skip: 5\n", "shop.yaml:7:7: skip: found 5; allowed is text"),
        (MAPPING + "---\n" + MAPPING, "shop.yaml:10:8: topic: found 'orders' again; the first is in line 3"),
        (
            MAPPING.replace("TopicMapping", "TopicMaping"),
            (
                "shop.yaml:2:7: kind: unknown kind 'TopicMaping'; did you mean 'TopicMapping'? "
                "allowed here are ActivityDefinition, TopicMapping"
            ),
        ),
    ],
)
def test_every_error_is_shown_at_its_place(text: str, expected: str) -> None:
    found = errors(text)
    assert expected in found, "\n".join(found)


def test_a_mapping_from_json_is_checked_in_the_same_way() -> None:
    with pytest.raises(InvalidDefinitions) as caught:
        parse_mapping({"kind": "TopicMapping", "id": "1 +"})
    assert {error.path for error in caught.value.errors} == {"apiVersion", "topic", "id", "source", "type"}


def test_the_guides_examples_load_and_fit_the_schema() -> None:
    assert len(EXAMPLES) == 4
    validator = jsonschema_rs.Draft202012Validator(mapping_schema())
    for example in EXAMPLES:
        documents = load_documents(example, "docs/topic-mappings.md")
        if documents.mappings:
            for source in read_documents(example):
                validator.validate(source.value)


def mapped(example: int, value: bytes | None, key: bytes | None = None, schemas: Any = None) -> EventEnvelope | None:
    mapping: TopicMapping
    [mapping] = load_documents(EXAMPLES[example], "x").mappings
    return map_record(mapping, RecordParts(mapping.topic, 0, 5, 1793697164120, key, value), schemas)


def test_the_guides_first_example_gives_the_event_that_it_shows() -> None:
    [shown] = re.findall(r"^```json\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    [value] = re.findall(r"^The record `(.*?)` becomes", GUIDE, re.MULTILINE)
    made = mapped(0, value.encode())
    assert made is not None
    assert made.to_json_dict() == json.loads(shown)


ROW = {"id": 100234, "status": "new", "total": "129.50", "updated": "2026-11-03T09:12:44.000000Z"}
CHANGE = {
    "before": None,
    "after": ROW,
    "source": {"connector": "postgresql", "name": "shop", "ts_ms": 1793697164000, "txId": 739, "lsn": 33227720},
    "op": "c",
    "ts_ms": 1793697164120,
}
EXPECTED = {
    "specversion": "1.0",
    "id": "33227720/739",
    "source": "/debezium/shop",
    "type": "com.shop.order.created",
    "subject": "orders/100234",
    "time": "2026-11-03T09:12:44.000Z",
    "data": CHANGE,
}
DELETION = {**CHANGE, "op": "d", "before": ROW, "after": None}
KEY = json.dumps({"schema": {}, "payload": {"id": 100234}}).encode()


def wrapped(change: dict[str, Any]) -> bytes:
    return json.dumps({"schema": {"type": "struct", "name": "shop.public.orders.Envelope"}, "payload": change}).encode()


def test_debeziums_json_without_schemas_is_mapped() -> None:
    made, gone = mapped(1, json.dumps(CHANGE).encode()), mapped(1, json.dumps(DELETION).encode())
    assert made is not None
    assert gone is not None
    assert made.to_json_dict() == EXPECTED
    assert (gone.type, gone.subject) == ("com.shop.order.deleted", "orders/100234")


def test_debeziums_json_with_schemas_is_mapped() -> None:
    made, gone = mapped(2, wrapped(CHANGE), KEY), mapped(2, wrapped(DELETION), KEY)
    assert made is not None
    assert gone is not None
    assert made.to_json_dict() == EXPECTED
    assert (gone.type, gone.subject) == ("com.shop.order.deleted", "orders/100234")


def test_debeziums_snapshots_and_tombstones_are_no_events() -> None:
    snapshot = {**CHANGE, "op": "r"}
    assert mapped(1, json.dumps(snapshot).encode()) is None
    assert mapped(2, wrapped(snapshot), KEY) is None
    assert mapped(1, None) is None
    assert mapped(2, None, KEY) is None


def test_debeziums_avro_is_mapped() -> None:
    row = {
        "type": "record",
        "name": "Value",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "status", "type": "string"},
            {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
            {"name": "updated", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        ],
    }
    origin = {
        "type": "record",
        "name": "Source",
        "namespace": "io.debezium.connector.postgresql",
        "fields": [
            *({"name": name, "type": "string"} for name in ("connector", "name")),
            {"name": "ts_ms", "type": "long"},
            *({"name": name, "type": ["null", "long"], "default": None} for name in ("txId", "lsn")),
        ],
    }
    schema = {
        "type": "record",
        "name": "Envelope",
        "namespace": "shop.public.orders",
        "connect.name": "shop.public.orders.Envelope",
        "fields": [
            {"name": "before", "type": ["null", row], "default": None},
            {"name": "after", "type": ["null", "Value"], "default": None},
            {"name": "source", "type": origin},
            {"name": "op", "type": "string"},
            {"name": "ts_ms", "type": ["null", "long"], "default": None},
        ],
    }
    body = BytesIO()
    fastavro.schemaless_writer(
        body,
        fastavro.parse_schema(schema),
        {**CHANGE, "after": {**ROW, "total": Decimal("129.50"), "updated": 1793697164000000}},
    )
    made = mapped(1, b"\0\0\0\0\x09" + body.getvalue(), None, {9: parse_writer_schema(json.dumps(schema))})
    assert made is not None
    assert made.to_json_dict() == EXPECTED
