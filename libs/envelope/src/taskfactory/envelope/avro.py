"""Avro single-object encoding: C3 01, the schema's fingerprint, the record (Avro 1.12, "Single-object encoding").

The fingerprint is CRC-64-AVRO over the schema's parsing canonical form, little-endian. What was written under an older
shipped schema is resolved to the newest (`envelope_record.FILES`); nothing else is known by its fingerprint.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from taskfactory.envelope import envelope_record, json_text
from taskfactory.envelope.errors import InvalidCode, InvalidEnvelope
from taskfactory.envelope.model import EventEnvelope
from taskfactory.envelope.writer_schema import WriterSchema, parse_writer_schema

MARKER: Final = b"\xc3\x01"
_HEADER_SIZE: Final = len(MARKER) + 8


def header_of(schema_text: str) -> bytes:
    """The ten bytes before every record of a schema: marker and fingerprint."""
    canonical = to_parsing_canonical_form(parse_schema(json_text.parse(schema_text)))
    return MARKER + bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))


@cache
def header() -> bytes:
    """The ten bytes before every record that is written."""
    return header_of(envelope_record.shipped()[0])


@cache
def _shipped() -> Mapping[bytes, WriterSchema]:
    return {header_of(text): parse_writer_schema(text) for text in envelope_record.shipped()}


def read(value: bytes, known: Mapping[bytes, WriterSchema] | None = None) -> EventEnvelope:
    """Decode a value that starts with the marker.

    Args:
        value: The record's value.
        known: Schemas by header; those that are shipped unless given.

    Raises:
        InvalidEnvelope: Another schema, or not what the schema says.
    """
    writer = (_shipped() if known is None else known).get(value[:_HEADER_SIZE])
    if writer is None:
        raise InvalidEnvelope(
            InvalidCode.UNKNOWN_SCHEMA,
            None,
            f"The record is Avro of a schema with fingerprint {value[2:_HEADER_SIZE].hex() or 'missing'}; "
            f"only EventEnvelope, {header()[2:].hex()}, is read (schemas/avro/event_envelope.avsc).",
        )
    return envelope_record.read(value[_HEADER_SIZE:], writer)


def write(envelope: EventEnvelope) -> bytes:
    """Encode as a value."""
    return header() + envelope_record.write(envelope)
