"""EventEnvelope as an Avro record, whatever stands before it on the wire.

Avro's schema resolution reads what another version wrote: fields that we lack are dropped, optional ones that the
writer lacks get their defaults, types are promoted. An envelope is a record whose name, without its namespace, is
`EventEnvelope` (Avro 1.12, "Schema Resolution": unqualified names match), so teams may keep a copy of the schema.

The record's `data` is a string for JSON content (JSON text) and for text, bytes otherwise, null where there is none.
"""

from collections.abc import Iterator
from functools import cache, lru_cache
from importlib import resources
from io import BytesIO
from typing import Any, Final

import fastavro
from fastavro.read import LOGICAL_READERS, SchemaResolutionError
from fastavro.schema import parse_schema
from fastavro.types import Schema

from taskfactory.envelope import json_text, media_type
from taskfactory.envelope.avro_json import UnfitAvro
from taskfactory.envelope.errors import InvalidCode, InvalidEnvelope, shown
from taskfactory.envelope.model import REQUIRED, EventEnvelope
from taskfactory.envelope.writer_schema import WriterSchema

NAME: Final = "EventEnvelope"
FILES: Final = ("event_envelope.avsc",)
"""The shipped schemas, the newest first. One that was ever released stays, under a name with its release."""

_AS_IT_IS: Final = "taskfactory.as-it-is"
_PROMOTED: Final = {"string": {"bytes"}, "bytes": {"string"}}

for _kind in ("string", "bytes"):
    LOGICAL_READERS[f"{_kind}-{_AS_IT_IS}"] = lambda value, _writer, _reader: value


@cache
def shipped() -> tuple[str, ...]:
    """The texts of the shipped schemas, the newest first."""
    folder = resources.files("taskfactory.envelope") / "schemas"
    return tuple((folder / name).read_text(encoding="utf-8") for name in FILES)


@cache
def newest() -> Schema:
    """The parsed schema under which envelopes are written."""
    return parse_schema(json_text.parse(shipped()[0]))


def write(envelope: EventEnvelope) -> bytes:
    """Encode the record alone."""
    body = BytesIO()
    fastavro.schemaless_writer(body, newest(), _to_record(envelope))
    return body.getvalue()


def read(body: bytes, writer: WriterSchema) -> EventEnvelope:
    """Decode the record alone.

    Raises:
        InvalidEnvelope: The schema is no envelope's, or the bytes do not follow it.
    """
    name = (writer.name or "").rpartition(".")[2]
    if name != NAME:
        raise InvalidEnvelope(
            InvalidCode.INCOMPATIBLE_SCHEMA,
            None,
            f"The value's schema is {shown(writer.name) if writer.name else 'no record'}; an envelope's is a record "
            f"{NAME} in any namespace. Give the topic a TopicMapping if its values are no envelopes.",
        )
    try:
        record = read_body(body, *_resolution(writer))
    except SchemaResolutionError:
        raise _misfit(body, writer) from None
    return _from_record(record)


def read_body(body: bytes, writer: Schema, reader: Schema | None = None) -> Any:
    """Read one datum that takes all of the bytes.

    Raises:
        InvalidEnvelope: The bytes do not follow the schema.
        SchemaResolutionError: What they hold has no place in the reader's schema.
    """
    stream = BytesIO(body)
    try:
        datum: Any = fastavro.schemaless_reader(stream, writer, reader)
    except SchemaResolutionError:
        raise
    except UnfitAvro as error:
        raise InvalidEnvelope(
            InvalidCode.MALFORMED_AVRO, None, f"The value does not fit its schema: {error}."
        ) from None
    except Exception as error:  # noqa: BLE001 - on broken bytes fastavro raises whatever the byte led it to
        raise InvalidEnvelope(
            InvalidCode.MALFORMED_AVRO, None, f"The bytes do not follow the schema: {type(error).__name__}."
        ) from None
    if stream.read(1):
        raise InvalidEnvelope(
            InvalidCode.MALFORMED_AVRO, None, "There are bytes behind the datum; a Kafka value holds exactly one."
        )
    return datum


@lru_cache(maxsize=1_000)
def _resolution(writer: WriterSchema) -> tuple[Schema, Schema]:
    """The writer's schema and ours, as fastavro resolves one to the other: under one name for the record.

    In a union of the reader, Avro takes the first branch that fits, and bytes fit a string. In `data` that would be a
    loss, so its strings and bytes get a logical type: what has one is not promoted.
    """
    theirs: Any = writer.raw
    fields = [
        {**field, "type": _unpromoted(field["type"])} if field["name"] == "data" else field
        for field in theirs["fields"]
    ]
    ours: Any = json_text.parse(shipped()[0])
    return (
        parse_schema({"type": "record", "name": theirs["name"], "fields": fields}),
        parse_schema({"type": "record", "name": theirs["name"], "fields": ours["fields"]}),
    )


def _unpromoted(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_unpromoted(branch) for branch in schema]
    return {"type": schema, "logicalType": _AS_IT_IS} if schema in ("string", "bytes") else schema


def _misfit(body: bytes, writer: WriterSchema) -> InvalidEnvelope:
    """Say which field keeps the record from being an envelope."""
    record: dict[str, Any] = read_body(body, writer.raw)
    theirs = dict(_fields(writer.raw))
    for name, ours in _fields(newest()):
        if name not in theirs:
            if name in REQUIRED:
                return _incompatible(name, f"has no field {name}, which every envelope needs")
            continue
        if name in REQUIRED and record[name] is None:
            return InvalidEnvelope(
                InvalidCode.MISSING_ATTRIBUTE, name, f"Missing: {name} is null. Every envelope needs it."
            )
        allowed = _kinds(ours)
        for kind in sorted(_kinds(theirs[name]) - ({"null"} if record[name] is not None else set())):
            if kind not in allowed and not _PROMOTED.get(kind, set()) & allowed:
                return _incompatible(name, f"declares {name} as {kind}; allowed are {', '.join(sorted(allowed))}")
    return _incompatible(None, "does not resolve to the one of EventEnvelope")


def _incompatible(field: str | None, clause: str) -> InvalidEnvelope:
    return InvalidEnvelope(
        InvalidCode.INCOMPATIBLE_SCHEMA,
        field,
        f"The value's schema {clause}. Register one that is compatible with schemas/avro/event_envelope.avsc.",
    )


def _fields(record: Any) -> Iterator[tuple[str, Any]]:
    for field in record["fields"]:
        yield field["name"], field["type"]


def _kinds(schema: Any) -> set[str]:
    """Names of a type's branches; of a map, those of its values."""
    if isinstance(schema, list):
        return {kind for branch in schema for kind in _kinds(branch)}
    if isinstance(schema, dict):
        return {f"map of {kind}" for kind in _kinds(schema["values"])} if schema["type"] == "map" else {schema["type"]}
    return {schema}


def _to_record(envelope: EventEnvelope) -> dict[str, Any]:
    data = envelope.data
    if data is not None and type(data) is not bytes and media_type.is_json(envelope.datacontenttype):
        data = json_text.dump(data).decode()
    named = {name: getattr(envelope, name) for name in type(envelope).model_fields}
    return {**named, "extensions": envelope.__pydantic_extra__ or {}, "data": data}


def _from_record(record: dict[str, Any]) -> EventEnvelope:
    data = record.pop("data")
    extensions: dict[str, Any] = record.pop("extensions")
    attributes = {name: value for name, value in record.items() if value is not None}
    for name in extensions.keys() & record.keys():
        raise InvalidEnvelope(
            InvalidCode.INVALID_ATTRIBUTE, name, f"{name} has a field of its own; it must not be an extension too."
        )
    if type(data) is str and media_type.is_json(attributes.get("datacontenttype")):
        try:
            data = json_text.parse(data)
        except json_text.MalformedJson as error:
            raise InvalidEnvelope(
                InvalidCode.MALFORMED_JSON, "data", f"data is a string that holds no JSON text: {error}."
            ) from None
    return EventEnvelope.from_attributes(attributes | extensions, data)
