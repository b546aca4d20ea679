"""EventEnvelope as an Avro record, whatever stands before it on the wire.

What another version of the schema wrote is read by the rules of Avro's schema resolution: fields that we lack are
dropped, optional ones that the writer lacks get their defaults, bytes may stand where we have text. An envelope is a
record whose name, without its namespace, is `EventEnvelope` (Avro 1.12, "Schema Resolution": unqualified names match),
so teams may keep a copy of the schema.

The rules are applied here, to what fastavro read by the writer's schema alone. Its own resolution skips fields by
declared lengths without looking whether there are bytes, which does not end on a damaged array; and it takes bytes for
a string wherever a union of the reader names the string first.

The record's `data` is a string for JSON content (JSON text) and for text, bytes otherwise, null where there is none.
"""

from functools import cache
from importlib import resources
from io import BytesIO
from types import NoneType
from typing import Any, Final, NamedTuple

import fastavro
from fastavro.schema import parse_schema
from fastavro.types import Schema

from taskfactory.envelope import json_text, media_type
from taskfactory.envelope.avro_json import UnfitAvro
from taskfactory.envelope.errors import InvalidCode, InvalidEnvelope, shown
from taskfactory.envelope.model import EventEnvelope
from taskfactory.envelope.writer_schema import WriterSchema

NAME: Final = "EventEnvelope"
FILES: Final = ("event_envelope.avsc",)
"""The shipped schemas, the newest first. One that was ever released stays, under a name with its release."""

_TYPES: Final[dict[str, type]] = {"null": NoneType, "string": str, "bytes": bytes, "int": int, "map": dict}
"""What fastavro makes of the Avro types that fields of ours have."""
_ABSENT: Final = object()
_FOUND: Final = {
    NoneType: "null",
    bool: "boolean",
    int: "int or long",
    float: "float or double",
    bytes: "bytes or fixed",
    str: "string or enum",
    list: "array",
    dict: "map or record",
}


class _Field(NamedTuple):
    name: str
    names: tuple[str, ...]
    """Its name and its aliases."""
    required: bool
    default: Any
    types: frozenset[type]
    kinds: str
    """The Avro types, for people."""


@cache
def shipped() -> tuple[str, ...]:
    """The texts of the shipped schemas, the newest first."""
    folder = resources.files("taskfactory.envelope") / "schemas"
    return tuple((folder / name).read_text(encoding="utf-8") for name in FILES)


@cache
def newest() -> Schema:
    """The parsed schema under which envelopes are written."""
    return parse_schema(json_text.parse(shipped()[0]))


@cache
def _fields() -> tuple[_Field, ...]:
    return tuple(_field(field) for field in json_text.parse(shipped()[0])["fields"])


def _field(declared: dict[str, Any]) -> _Field:
    branches = declared["type"] if isinstance(declared["type"], list) else [declared["type"]]
    kinds = [branch if isinstance(branch, str) else branch["type"] for branch in branches]
    return _Field(
        name=declared["name"],
        names=(declared["name"], *declared.get("aliases", ())),
        required="default" not in declared,
        default=declared.get("default"),
        types=frozenset(_TYPES[kind] for kind in kinds),
        kinds=", ".join(kinds),
    )


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
    record = read_body(body, writer.raw)
    resolved = {}
    for field in _fields():
        value = record.get(field.name, _ABSENT)
        resolved[field.name] = value if type(value) in field.types else _resolved(field, record)
    return _from_record(resolved)


def read_body(body: bytes, writer: Schema) -> Any:
    """Read one datum that takes all of the bytes.

    Raises:
        InvalidEnvelope: The bytes do not follow the schema.
    """
    stream = BytesIO(body)
    try:
        datum: Any = fastavro.schemaless_reader(stream, writer, None)
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


def _resolved(field: _Field, record: dict[str, Any]) -> Any:
    """What our schema makes of a field that the writer lacks, or has under another name or type."""
    name = next((each for each in field.names if each in record), None)
    if name is None:
        if field.required:
            raise _incompatible(field.name, f"has no field {field.name}, which every envelope needs")
        return field.default
    value = record[name]
    if type(value) in field.types:  # under an alias
        return value
    if type(value) is bytes and str in field.types:
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise InvalidEnvelope(
                InvalidCode.MALFORMED_AVRO, field.name, f"{field.name} is bytes that are not UTF-8; it must be text."
            ) from None
    if value is None:
        raise InvalidEnvelope(
            InvalidCode.MISSING_ATTRIBUTE, field.name, f"Missing: {field.name} is null; leave the field out, or set it."
        )
    raise _incompatible(field.name, f"has {field.name} as {_FOUND[type(value)]}; allowed are {field.kinds}")


def _incompatible(field: str, clause: str) -> InvalidEnvelope:
    return InvalidEnvelope(
        InvalidCode.INCOMPATIBLE_SCHEMA,
        field,
        f"The value's schema {clause}. Register one that is compatible with schemas/avro/event_envelope.avsc.",
    )


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
