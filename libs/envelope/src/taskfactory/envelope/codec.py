"""Kafka record ↔ EventEnvelope. Every record says by itself which format it is in; nothing is configured.

The order of the questions matters. A declared CloudEvents media type wins (Kafka binding, section 3), then `ce_*`
headers, because behind them any bytes may be data; only then the first bytes of the value are looked at.
"""

from collections.abc import Sequence
from typing import Final

from taskfactory.envelope import avro, binary, confluent, media_type, structured
from taskfactory.envelope.errors import InvalidCode, InvalidEnvelope, shown
from taskfactory.envelope.model import EventEnvelope
from taskfactory.envelope.record import Format, Record
from taskfactory.envelope.writer_schema import Schemas

_CLOUDEVENTS: Final = "application/cloudevents"
_ACCEPTED: Final = (
    f"Accepted are {structured.MEDIA_TYPE} in the content-type header, ce_* headers, "
    "Avro single-object encoding and Confluent's wire format (docs/envelope.md)."
)


def decode(
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
    key: bytes | None = None,  # noqa: ARG001 - a whole record can be passed; see below
    schemas: Schemas | None = None,
) -> EventEnvelope:
    """Read one Kafka record.

    Args:
        value: The record's value; None is a tombstone.
        headers: The record's headers in their order, names as str.
        key: The record's key. It says where the record lies, not what happened, and the binding forbids to make an
            attribute of it (Kafka binding, section 3.1): the envelope is the same with and without it.
        schemas: The registry's schemas that are known already. Without it, Confluent's wire format is refused.

    Raises:
        InvalidEnvelope: This record holds no envelope. Whatever the bytes are, nothing else is raised but
        SchemaNeeded: The value is in Confluent's wire format, of a schema that `schemas` does not know yet.
    """
    content_type, has_attributes = _survey(headers)
    if content_type is not None and content_type.startswith(_CLOUDEVENTS):
        _check_structured(content_type)
        return structured.read(value)
    if has_attributes:
        return binary.read(value, headers)
    if value is None:
        raise InvalidEnvelope(
            InvalidCode.NOT_AN_ENVELOPE, None, f"The record has neither value nor ce_* headers. {_ACCEPTED}"
        )
    return _by_first_bytes(value, content_type, schemas)


def declares_cloudevent(headers: Sequence[tuple[str, bytes | None]]) -> bool:
    """Whether a record says in its headers that it is a CloudEvent: by its content type, or by `ce_*`."""
    content_type, has_attributes = _survey(headers)
    return has_attributes or (content_type is not None and content_type.startswith(_CLOUDEVENTS))


def encode(
    envelope: EventEnvelope, fmt: Format = "structured", key: bytes | None = None, *, schema_id: int | None = None
) -> Record:
    """Write one Kafka record.

    Args:
        envelope: The event.
        fmt: The wire format.
        key: The record's key. Without it `partitionkey` is the key, without that `subject`, in UTF-8.
        schema_id: For the format `confluent`, and only there: the id under which the registry has
            schemas/avro/event_envelope.avsc.

    Raises:
        ValueError: `schema_id` is missing for the format `confluent`, is given for another, or is no id.
    """
    text_key = envelope.partitionkey or envelope.subject
    if key is None and text_key is not None:
        key = text_key.encode()
    if fmt == "confluent" and schema_id is not None:
        return Record(confluent.write(envelope, schema_id), [], key)
    if fmt == "confluent" or schema_id is not None:
        raise ValueError(
            f"the format is {fmt}, schema_id is {schema_id}; the format confluent takes the registry's id for "
            "event_envelope.avsc, the others take none"
        )
    match fmt:
        case "structured":
            return Record(*structured.write(envelope), key)
        case "binary":
            return Record(*binary.write(envelope), key)
        case "avro":
            return Record(avro.write(envelope), [], key)


def _survey(headers: Sequence[tuple[str, bytes | None]]) -> tuple[str | None, bool]:
    """The content type in lower case (the last one, as Kafka's own `lastHeader` does), and whether `ce_*` is there."""
    content_type = None
    has_attributes = False
    for name, raw in headers:
        lower = name.lower()
        if lower == binary.CONTENT_TYPE and raw is not None:
            content_type = raw.decode("latin-1").strip().lower()
        elif lower.startswith(binary.PREFIX):
            has_attributes = True
    return content_type, has_attributes


def _check_structured(content_type: str) -> None:
    kind = media_type.essence(content_type)
    if kind != structured.MEDIA_TYPE:
        raise InvalidEnvelope(InvalidCode.UNSUPPORTED_FORMAT, None, f"The content type is {shown(kind)}. {_ACCEPTED}")
    if not media_type.is_utf8(content_type):
        raise InvalidEnvelope(
            InvalidCode.UNSUPPORTED_FORMAT,
            None,
            f"The content type says charset {shown(media_type.charset(content_type))}; "
            "JSON travels in UTF-8 (RFC 8259, section 8.1).",
        )


def _by_first_bytes(value: bytes, content_type: str | None, schemas: Schemas | None) -> EventEnvelope:
    if value.startswith(avro.MARKER):
        return avro.read(value)
    if confluent.is_framed(value):
        return confluent.read(value, schemas)
    # Not in the binding, but unambiguous, and what a producer without headers sends.
    if content_type is None and value.lstrip(b" \t\r\n").startswith(b"{") and b'"specversion"' in value:
        return structured.read(value)
    raise InvalidEnvelope(
        InvalidCode.NOT_AN_ENVELOPE,
        None,
        f"The record has {f'content-type {shown(content_type)}' if content_type else 'no content-type'}, "
        f"no ce_* headers, and a value that does not start as an event. {_ACCEPTED}",
    )
