"""CloudEvents binary mode: attributes in `ce_*` headers, data as the value (Kafka binding, section 3.2).

Header values are UTF-8 as they are; the percent-encoding of the HTTP binding does not exist here. Names are matched
without regard to case: the binding writes lower case, and some clients do not. Headers hold text only, so an extension
that was an integer or a boolean comes back as its canonical string. An event without data is a record without value.
"""

from collections.abc import Sequence
from typing import Final

from taskfactory.envelope import data as data_forms
from taskfactory.envelope.errors import InvalidCode, InvalidEnvelope, shown, shown_name
from taskfactory.envelope.model import AttributeValue, EventEnvelope

PREFIX: Final = "ce_"
CONTENT_TYPE: Final = "content-type"


def read(value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> EventEnvelope:
    """Decode a record that has `ce_*` headers.

    Raises:
        InvalidEnvelope: It is no event.
    """
    return EventEnvelope.from_attributes(_attributes(headers), value)


def write(envelope: EventEnvelope) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    """Encode as value and headers.

    JSON data without a content type gets the one that it implies (JSON format, section 3.1.2).
    """
    attributes = envelope.attributes
    content_type = attributes.pop("datacontenttype", None)
    headers = [(PREFIX + name, _text(value).encode()) for name, value in attributes.items()]
    if content_type is None and envelope.data is not None and type(envelope.data) is not bytes:
        content_type = "application/json"
    if content_type is not None:
        headers.append((CONTENT_TYPE, _text(content_type).encode()))
    return data_forms.to_bytes(envelope.data, envelope.datacontenttype), headers


def _attributes(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for header, raw in headers:
        name = _attribute_name(header)
        if name is None or raw is None:
            continue
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            raise InvalidEnvelope(
                InvalidCode.INVALID_ATTRIBUTE, shown_name(name), f"The header {shown(header)} is not UTF-8."
            ) from None
        if attributes.setdefault(name, text) != text:
            raise InvalidEnvelope(
                InvalidCode.INVALID_ATTRIBUTE,
                shown_name(name),
                f"The attribute {shown(name)} is in the headers twice, with different values; send it once.",
            )
    return attributes


def _attribute_name(header: str) -> str | None:
    lower = header.lower()
    if lower == CONTENT_TYPE:
        return "datacontenttype"
    return lower.removeprefix(PREFIX) if lower.startswith(PREFIX) else None


def _text(value: AttributeValue) -> str:
    """The canonical string of an attribute (CloudEvents 1.0.2, section "Type System")."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
