"""CloudEvents structured mode: the whole event as one JSON object (JSON format 1.0.2; Kafka binding, section 3.3)."""

from typing import Any, Final

from taskfactory.envelope import json_text
from taskfactory.envelope.errors import InvalidCode, InvalidEnvelope
from taskfactory.envelope.model import EventEnvelope

MEDIA_TYPE: Final = "application/cloudevents+json"

_HEADERS: Final = (("content-type", MEDIA_TYPE.encode()),)


def read(value: bytes | None) -> EventEnvelope:
    """Decode a value that claims to be an event in JSON.

    Raises:
        InvalidEnvelope: It is not.
    """
    if value is None:
        raise InvalidEnvelope(
            InvalidCode.NOT_AN_ENVELOPE,
            None,
            f"The record says {MEDIA_TYPE} and has no value; in structured mode the value holds the event.",
        )
    try:
        members: Any = json_text.parse(value)
    except json_text.MalformedJson as error:
        raise InvalidEnvelope(InvalidCode.MALFORMED_JSON, None, f"The value is not JSON in UTF-8: {error}.") from None
    if not isinstance(members, dict):
        raise InvalidEnvelope(
            InvalidCode.NOT_AN_ENVELOPE,
            None,
            f"The value is JSON, but a {type(members).__name__}; an event is a JSON object.",
        )
    return EventEnvelope.from_json_dict(members, parsed=True)


def write(envelope: EventEnvelope) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Encode as value and headers."""
    return json_text.dump(envelope.to_json_dict()), list(_HEADERS)
