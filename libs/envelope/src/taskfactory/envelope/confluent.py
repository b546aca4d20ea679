"""Confluent's wire format: a zero, the schema's id in four bytes (big-endian), one Avro datum.

Source: Confluent's documentation of Schema Registry serializers, "Wire format". Reading is pure: the caller gives the
schemas that it knows, and fetches the one that `SchemaNeeded` names (`taskfactory.envelope.schema_registry` does both).
"""

from typing import Any, Final

from taskfactory.envelope import envelope_record
from taskfactory.envelope.errors import InvalidCode, InvalidEnvelope, SchemaNeeded
from taskfactory.envelope.model import EventEnvelope
from taskfactory.envelope.writer_schema import Schemas, WriterSchema

MAX_SCHEMA_ID: Final = 2**31 - 1
"""Registries count in signed words of 32 bits."""

_MAGIC: Final = b"\x00"
_PREFIX: Final = 5


def is_framed(value: bytes) -> bool:
    """Whether a value starts as this format does, which no JSON text can."""
    return value.startswith(_MAGIC) and len(value) >= _PREFIX


def read(value: bytes, schemas: Schemas | None) -> EventEnvelope:
    """Decode a framed value as an envelope.

    Raises:
        InvalidEnvelope: No schemas are given, the schema is no envelope's, or the bytes do not follow it.
        SchemaNeeded: The schema is not known yet.
    """
    return envelope_record.read(value[_PREFIX:], _writer(value, schemas))


def read_avro(value: bytes, schemas: Schemas | None) -> Any:
    """Decode any value of this format as JSON (docs/envelope.md, "Avro as JSON").

    Returns:
        dict, list, str, int, float, bool or None.

    Raises:
        InvalidEnvelope: It is not in this format, no schemas are given, or the bytes do not follow the schema.
        SchemaNeeded: The schema is not known yet.
    """
    if not is_framed(value):
        raise InvalidEnvelope(
            InvalidCode.MALFORMED_AVRO,
            None,
            "The value is not in Confluent's wire format, which begins with a zero and four bytes of schema id.",
        )
    return envelope_record.read_body(value[_PREFIX:], _writer(value, schemas).as_json)


def write(envelope: EventEnvelope, schema_id: int) -> bytes:
    """Encode as a value.

    Args:
        envelope: The event.
        schema_id: Under which schemas/avro/event_envelope.avsc is registered.

    Raises:
        ValueError: The id is outside of 0 to 2³¹-1.
    """
    if not 0 <= schema_id <= MAX_SCHEMA_ID:
        raise ValueError(f"schema_id is {schema_id}; allowed is 0 to {MAX_SCHEMA_ID}, as the registry gave it")
    return _MAGIC + schema_id.to_bytes(_PREFIX - 1, "big") + envelope_record.write(envelope)


def _writer(value: bytes, schemas: Schemas | None) -> WriterSchema:
    schema_id = int.from_bytes(value[1:_PREFIX], "big")
    if schemas is None:
        raise InvalidEnvelope(
            InvalidCode.UNSUPPORTED_FORMAT,
            None,
            f"The value is in Confluent's wire format (schema id {schema_id}), which takes a schema registry; "
            "set TASKFACTORY_SCHEMA_REGISTRY_URL, or send another format (docs/envelope.md).",
        )
    if schema_id > MAX_SCHEMA_ID:
        raise InvalidEnvelope(
            InvalidCode.UNKNOWN_SCHEMA,
            None,
            f"The schema id {schema_id} is above {MAX_SCHEMA_ID}: no registry gave it.",
        )
    writer = schemas.get(schema_id)
    if writer is None:
        raise SchemaNeeded(schema_id)
    return writer
