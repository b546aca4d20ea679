"""From a record without an envelope to an event, by the topic's mapping. Pure: the same record gives the same event.

A record that says itself that it is a CloudEvent (content type, `ce_*` headers) is read as one and not mapped, so that
a topic can change over from one to the other. Everything else is mapped, whatever its bytes look like.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from taskfactory.definitions.cel import Bindings, CompileError, EvaluationError, compiles
from taskfactory.definitions.checks import MAPPING_EXPRESSIONS, MAPPING_SCOPE
from taskfactory.definitions.suggestions import found
from taskfactory.definitions.topic_mapping import TopicMapping
from taskfactory.envelope import (
    EventEnvelope,
    InvalidCode,
    InvalidEnvelope,
    Schemas,
    declares_cloudevent,
    decode,
    read_avro,
    read_json,
)
from taskfactory.envelope.confluent import is_framed

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RecordParts:
    """A Kafka record as it came.

    Attributes:
        topic: Its topic.
        partition: Its partition.
        offset: Its offset.
        timestamp: Milliseconds since 1970-01-01 UTC; None where the record has none.
        key: Its key.
        value: Its value; None is a tombstone.
        headers: Its headers, in order.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


class MappingFailed(ValueError):  # noqa: N818  the subject, not the mechanism
    """The mapping makes no event of this record. Trying again will not help.

    Attributes:
        field: The mapping's field: `skip`, `id`, `source`, `type`, `subject`, `time` or `data`.
        message: What was found, and what is allowed.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def map_record(mapping: TopicMapping, record: RecordParts, schemas: Schemas | None = None) -> EventEnvelope | None:
    """Make the event of a record.

    Args:
        mapping: The topic's mapping, as it was loaded.
        record: The record.
        schemas: The registry's schemas that are known already, for Avro.

    Returns:
        The event; None where `skip` says that the record is none.

    Raises:
        MappingFailed: An expression has no value on this record, or none that its attribute can have.
        InvalidEnvelope: The value is not what the mapping's format says, or a declared CloudEvent is none.
        SchemaNeeded: The value (or key, where it is used) is Avro of a schema that `schemas` does not know yet.
    """
    if declares_cloudevent(record.headers):
        return decode(record.value, record.headers, record.key, schemas)
    variables = _variables(mapping, record, schemas)
    bindings = Bindings(variables)
    if mapping.skip is not None and _skip(bindings, mapping.skip):
        return None
    attributes = {"specversion": "1.0", "id": _text(bindings, "id", mapping.id)}
    attributes["source"] = _text(bindings, "source", mapping.source)
    attributes["type"] = _text(bindings, "type", mapping.type)
    for field, expression in (("subject", mapping.subject), ("time", mapping.time)):
        value = None if expression is None else _evaluate(bindings, field, expression)
        if value is not None:
            attributes[field] = _moment(value) if field == "time" else _as_text(field, value)
    # The usual case spares the whole value a way into CEL and back.
    data = variables["value"] if mapping.data == "value" else _evaluate(bindings, "data", mapping.data)
    try:
        return EventEnvelope.from_attributes(attributes, data)
    except InvalidEnvelope as error:
        raise MappingFailed(error.field or "data", error.message) from None


def _variables(mapping: TopicMapping, record: RecordParts, schemas: Schemas | None) -> dict[str, Any]:
    return {
        "value": _value(mapping, record.value, schemas),
        "key": _key(record.key, schemas) if _uses_key(mapping) else None,
        "headers": _headers(record.headers),
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": None if record.timestamp is None else _from_millis(record.timestamp),
    }


def _value(mapping: TopicMapping, value: bytes | None, schemas: Schemas | None) -> Any:
    if value is None:
        return None
    is_avro = mapping.format == "avro" if mapping.format else is_framed(value)
    return read_avro(value, schemas) if is_avro else read_json(value)


@lru_cache(maxsize=1_024)
def _uses_key(mapping: TopicMapping) -> bool:
    """A key that nobody looks at is not decoded, and can't be broken."""
    expressions = (getattr(mapping, name) for name in MAPPING_EXPRESSIONS)
    return not all(text is None or compiles(text, MAPPING_SCOPE - {"key"}) for text in expressions)


def _key(key: bytes | None, schemas: Schemas | None) -> Any:
    """Avro in Confluent's wire format, a JSON object, UTF-8 text, or base64 text: the first that it is."""
    if key is None:
        return None
    if is_framed(key):
        return read_avro(key, schemas)
    if key.startswith(b"{"):
        try:
            return read_json(key)
        except InvalidEnvelope as error:
            if error.code != InvalidCode.MALFORMED_JSON:
                raise
    return _utf8(key)


def _headers(headers: Sequence[tuple[str, bytes | None]]) -> Mapping[str, str | None]:
    return {name: None if raw is None else _utf8(raw) for name, raw in headers}


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return base64.b64encode(raw).decode()


def _evaluate(bindings: Bindings, field: str, expression: str) -> Any:
    try:
        return bindings.evaluate(expression)
    except (CompileError, EvaluationError) as error:
        raise MappingFailed(field, error.message) from None


def _skip(bindings: Bindings, expression: str) -> bool:
    value = _evaluate(bindings, "skip", expression)
    if not isinstance(value, bool):
        raise MappingFailed("skip", f"the expression gives {found(value)}; allowed are true and false")
    return value


def _text(bindings: Bindings, field: str, expression: str) -> str:
    return _as_text(field, _evaluate(bindings, field, expression))


def _as_text(field: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # keys of databases are numbers, attributes are text
    raise MappingFailed(field, f"the expression gives {found(value)}; allowed are text and whole numbers")


def _moment(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return _from_millis(value)
    raise MappingFailed(
        "time", f"the expression gives {found(value)}; allowed are RFC 3339 text and milliseconds since 1970"
    )


def _from_millis(value: int) -> str:
    try:
        moment = _EPOCH + timedelta(milliseconds=value)
    except OverflowError:
        raise MappingFailed("time", f"{value} milliseconds since 1970 are no moment of the calendar") from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
