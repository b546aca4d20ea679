"""Confluent's wire format: what it takes to read it, and what becomes of other versions of the schema."""

import json
from io import BytesIO
from typing import Any

import fastavro
import pytest

from taskfactory.envelope import (
    EventEnvelope,
    InvalidCode,
    InvalidEnvelope,
    SchemaNeeded,
    WriterSchema,
    decode,
    encode,
    envelope_record,
    parse_writer_schema,
    read_avro,
)
from taskfactory.envelope.avro import header_of
from taskfactory.envelope.avro import read as read_single_object
from taskfactory.envelope.envelope_record import shipped

OURS: dict[str, Any] = json.loads(shipped()[0])
REQUIRED = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "com.shop.ping"}
PING = EventEnvelope.from_attributes(REQUIRED, {"n": 1})


def changed(
    *, without: tuple[str, ...] = (), name: str = "io.taskfactory.EventEnvelope", **types: Any
) -> dict[str, Any]:
    """Our schema without some fields, and with some of other types (or new ones, at the end)."""
    fields = [
        {"name": field["name"], "type": types.pop(field["name"], field["type"])}
        for field in OURS["fields"]
        if field["name"] not in without
    ]
    return {"type": "record", "name": name, "fields": fields + [{"name": n, "type": kind} for n, kind in types.items()]}


def framed(schema: dict[str, Any], record: dict[str, Any]) -> tuple[bytes, dict[int, WriterSchema]]:
    body = BytesIO()
    absent = {field["name"]: None for field in schema["fields"]}
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), absent | {"extensions": {}} | record)
    return b"\0\0\0\1\0" + body.getvalue(), {256: parse_writer_schema(json.dumps(schema))}


def received(schema: dict[str, Any], record: dict[str, Any]) -> EventEnvelope:
    value, schemas = framed(schema, record)
    return decode(value, [], None, schemas)


def refused(schema: dict[str, Any], record: dict[str, Any]) -> InvalidEnvelope:
    with pytest.raises(InvalidEnvelope) as error:
        received(schema, record)
    return error.value


def test_a_schema_that_is_not_known_yet_is_named() -> None:
    value = encode(PING, "confluent", schema_id=256).value
    assert value is not None
    assert value[:5] == b"\0\0\0\1\0"
    for read in (lambda: decode(value, [], None, {}), lambda: read_avro(value, {})):
        with pytest.raises(SchemaNeeded) as needed:
            read()
        assert needed.value.schema_id == 256


def test_without_a_registry_the_reader_is_told_to_set_one() -> None:
    value = encode(PING, "confluent", schema_id=256).value
    with pytest.raises(InvalidEnvelope) as error:
        decode(value, [])
    assert error.value.code == InvalidCode.UNSUPPORTED_FORMAT
    assert "TASKFACTORY_SCHEMA_REGISTRY_URL" in error.value.message
    assert "256" in error.value.message


def test_an_id_that_no_registry_gives_is_unknown_without_asking() -> None:
    with pytest.raises(InvalidEnvelope) as error:
        decode(b"\0\xff\xff\xff\xff", [], None, {})
    assert error.value.code == InvalidCode.UNKNOWN_SCHEMA


@pytest.mark.parametrize("schema_id", [None, -1, 2**31])
def test_writing_takes_an_id(schema_id: int | None) -> None:
    with pytest.raises(ValueError, match="schema_id"):
        encode(PING, "confluent", schema_id=schema_id)


def test_other_formats_take_none() -> None:
    with pytest.raises(ValueError, match="schema_id is 7"):
        encode(PING, "avro", schema_id=7)


def test_headers_win_over_the_first_bytes() -> None:
    value = encode(PING, "confluent", schema_id=256).value
    headers = [(f"ce_{name}", text.encode()) for name, text in REQUIRED.items()]
    headers.append(("content-type", b"application/octet-stream"))
    assert decode(value, headers, None, {}).data == value


def test_an_older_writer_lacks_fields_and_they_get_their_defaults() -> None:
    schema = changed(without=tuple(f["name"] for f in OURS["fields"] if f["name"] not in REQUIRED))
    assert received(schema, REQUIRED) == EventEnvelope.from_attributes(REQUIRED)


def test_a_newer_writer_has_fields_and_they_are_dropped() -> None:
    nested = {"type": "array", "items": {"type": "record", "name": "More", "fields": [{"name": "x", "type": "bytes"}]}}
    schema = changed(priority="int", more=nested)
    record = {**REQUIRED, "data": '{"n": 1}', "priority": 3, "more": [{"x": b"1"}]}
    assert received(schema, record) == PING


@pytest.mark.parametrize("name", ["EventEnvelope", "com.shop.events.EventEnvelope"])
def test_the_records_namespace_is_the_writers_own(name: str) -> None:
    assert received(changed(name=name), REQUIRED | {"data": '{"n": 1}'}) == PING


@pytest.mark.parametrize(
    ("types", "record"),
    [
        ({"id": "bytes", "subject": "bytes"}, {"id": b"1", "subject": "ü".encode()}),
        ({"id": ["null", "string"], "subject": "string"}, {"subject": "ü"}),
        ({"id": {"type": "string", "logicalType": "uuid"}}, {"id": "0192e4a7-3f6c-7c11-8000-000000000000"}),
        ({"extensions": {"type": "map", "values": "string"}}, {"subject": "ü"}),
        ({"type": {"type": "enum", "name": "Kind", "symbols": ["ping"]}, "hops": "long"}, {"type": "ping", "hops": 3}),
    ],
)
def test_types_that_avro_promotes_are_read(types: dict[str, Any], record: dict[str, Any]) -> None:
    text = {name: value.decode() if isinstance(value, bytes) else value for name, value in record.items()}
    assert received(changed(**types), REQUIRED | record) == EventEnvelope.from_attributes(REQUIRED | text)


@pytest.mark.parametrize("kind", ["bytes", ["null", "bytes"], ["bytes", "string", "null"], ["null", "string", "bytes"]])
def test_data_of_bytes_stays_bytes_wherever_the_branch_stands(kind: Any) -> None:
    record = {**REQUIRED, "datacontenttype": "application/octet-stream", "data": b"abc"}
    assert received(changed(data=kind), record).data == b"abc"


@pytest.mark.parametrize("kind", ["string", ["string", "bytes"], ["null", "string"]])
def test_data_of_text_stays_text_wherever_the_branch_stands(kind: Any) -> None:
    record = {**REQUIRED, "datacontenttype": "text/plain", "data": "abc"}
    assert received(changed(data=kind), record).data == "abc"


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
def test_a_writer_without_a_required_field_is_told_which(name: str) -> None:
    error = refused(changed(without=(name,)), REQUIRED)
    assert (error.code, error.field) == (InvalidCode.INCOMPATIBLE_SCHEMA, name)
    assert f"no field {name}" in error.message


@pytest.mark.parametrize(
    ("types", "record", "words"),
    [
        (
            {"time": {"type": "long", "logicalType": "timestamp-millis"}},
            {"time": 1},
            "time as int or long; allowed are null, string",
        ),
        ({"data": {"type": "map", "values": "int"}}, {"data": {"n": 1}}, "data as map or record"),
        ({"source": {"type": "array", "items": "string"}}, {"source": ["a"]}, "source as array; allowed are string"),
        ({"hops": ["null", "float"]}, {"hops": 1.0}, "hops as float or double"),
        ({"subject": "boolean"}, {"subject": True}, "subject as boolean"),
        ({"id": "long"}, {"id": 1}, "id as int or long"),
    ],
)
def test_a_writer_with_another_type_is_told_for_which_field(
    types: dict[str, Any], record: dict[str, Any], words: str
) -> None:
    error = refused(changed(**types), REQUIRED | record)
    assert (error.code, error.field) == (InvalidCode.INCOMPATIBLE_SCHEMA, next(iter(types)))
    assert words in error.message


def test_a_field_that_our_schema_renames_is_found_under_its_old_name() -> None:
    field = envelope_record._field({"name": "source", "type": "string", "aliases": ["origin"]})
    assert envelope_record._resolved(field, {"origin": "/shop"}) == "/shop"


def test_extensions_have_the_types_of_cloudevents() -> None:
    error = refused(changed(extensions={"type": "map", "values": "double"}), REQUIRED | {"extensions": {"x": 1.5}})
    assert (error.code, error.field) == (InvalidCode.INVALID_ATTRIBUTE, "x")


def test_bytes_that_are_no_text_are_refused_where_text_is_needed() -> None:
    error = refused(changed(id="bytes"), REQUIRED | {"id": b"\xff"})
    assert (error.code, error.field) == (InvalidCode.MALFORMED_AVRO, "id")


def test_a_required_field_that_is_null_is_missing() -> None:
    error = refused(changed(id=["null", "string"]), REQUIRED | {"id": None})
    assert (error.code, error.field) == (InvalidCode.MISSING_ATTRIBUTE, "id")


@pytest.mark.parametrize("schema", ['"string"', json.dumps(changed(name="com.shop.OrderPlaced"))])
def test_another_schema_is_no_envelopes_and_the_way_out_is_said(schema: str) -> None:
    with pytest.raises(InvalidEnvelope) as error:
        decode(b"\0\0\0\0\1\0", [], None, {1: parse_writer_schema(schema)})
    assert error.value.code == InvalidCode.INCOMPATIBLE_SCHEMA
    assert "TopicMapping" in error.value.message


def test_single_object_encoding_under_an_older_shipped_schema_is_resolved_to_the_newest() -> None:
    older = json.dumps(changed(without=("hops", "correlationid")))
    value, _ = framed(json.loads(older), REQUIRED | {"data": '{"n": 1}'})
    known = {header_of(text): parse_writer_schema(text) for text in (older, shipped()[0])}
    assert read_single_object(header_of(older) + value[5:], known) == PING
    with pytest.raises(InvalidEnvelope) as error:
        decode(header_of(older) + value[5:], [])
    assert error.value.code == InvalidCode.UNKNOWN_SCHEMA
