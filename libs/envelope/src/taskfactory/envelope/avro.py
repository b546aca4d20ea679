"""Avro single-object encoding: C3 01, the schema's fingerprint, the record (Avro 1.12, "Single-object encoding").

The fingerprint is CRC-64-AVRO over the schema's parsing canonical form, little-endian. The schema is the file that is
shipped in this package and shown in `schemas/avro/`; there is no other copy.

The record's `data` is a string for JSON content (JSON text) and for text, bytes otherwise, null where there is none.
"""

from functools import cache
from importlib import resources
from io import BytesIO
from typing import Any, Final

import fastavro
from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form
from fastavro.types import Schema

from taskfactory.envelope import json_text, media_type
from taskfactory.envelope.errors import InvalidCode, InvalidEnvelope
from taskfactory.envelope.model import EventEnvelope

MARKER: Final = b"\xc3\x01"
_HEADER_SIZE: Final = len(MARKER) + 8


@cache
def schema() -> Schema:
    """The parsed schema of the EventEnvelope record."""
    file = resources.files("taskfactory.envelope") / "schemas" / "event_envelope.avsc"
    return parse_schema(json_text.parse(file.read_bytes()))


@cache
def header() -> bytes:
    """The ten bytes before every record: marker and fingerprint."""
    return MARKER + bytes.fromhex(fingerprint(to_parsing_canonical_form(schema()), "CRC-64-AVRO"))


def read(value: bytes) -> EventEnvelope:
    """Decode a value that starts with the marker.

    Raises:
        InvalidEnvelope: Another schema, or not what the schema says.
    """
    if value[:_HEADER_SIZE] != header():
        raise InvalidEnvelope(
            InvalidCode.UNKNOWN_SCHEMA,
            None,
            f"The record is Avro of a schema with fingerprint {value[2:_HEADER_SIZE].hex() or 'missing'}; "
            f"only EventEnvelope, {header()[2:].hex()}, is read (schemas/avro/event_envelope.avsc).",
        )
    body = BytesIO(value[_HEADER_SIZE:])
    try:
        record: Any = fastavro.schemaless_reader(body, schema(), None)
    except Exception as error:  # noqa: BLE001 - on broken bytes fastavro raises whatever the byte led it to
        raise InvalidEnvelope(
            InvalidCode.MALFORMED_AVRO, None, f"The bytes do not follow the schema: {type(error).__name__}."
        ) from None
    if body.read(1):
        raise InvalidEnvelope(
            InvalidCode.MALFORMED_AVRO, None, "There are bytes behind the record; a Kafka value holds exactly one."
        )
    return _from_record(record)


def write(envelope: EventEnvelope) -> bytes:
    """Encode as a value."""
    body = BytesIO()
    body.write(header())
    fastavro.schemaless_writer(body, schema(), _to_record(envelope))
    return body.getvalue()


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
