"""The one form in which `data` is held, whatever wire format carried it.

Invariant: for a JSON content type (or none) `data` is a JSON value, and for `text/*` it is a str; it is bytes only
where those bytes are not what the content type says, or where the content type is opaque. So the same event is the same
envelope whether it came as JSON, in binary mode or as Avro.
"""

from typing import Any

from taskfactory.envelope import json_text, media_type


def canonical(data: Any, content_type: str | None, *, parsed: bool = False) -> Any:
    """Bring `data` into its one form.

    Args:
        data: What the envelope shall hold.
        content_type: The envelope's `datacontenttype`.
        parsed: Whether `data` is what `json_text.parse` gave.

    Raises:
        ValueError: It cannot be carried without loss; the message says why.
    """
    if data is None:
        return None
    if type(data) is bytes:
        return from_bytes(data, content_type)
    if media_type.is_json(content_type) or type(data) is str:
        _check(data, parsed=parsed)
        return data
    raise ValueError(
        f"data is a {type(data).__name__}, but datacontenttype {content_type!r} says that it is not JSON; "
        "send text or bytes, or set datacontenttype to application/json"
    )


def from_bytes(raw: bytes, content_type: str | None) -> Any:
    """Read data that travelled as bytes: a binary-mode value, `data_base64`, or Avro bytes.

    Bytes that do not hold what the content type promises are kept as they are (Kafka binding, section 3.2.2: as-is).

    Raises:
        ValueError: It is JSON, with a value that cannot be carried without loss.
    """
    if media_type.is_json(content_type):
        return _from_json_bytes(raw)
    if media_type.is_text(content_type):
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw
    return raw


def to_bytes(data: Any, content_type: str | None) -> bytes | None:
    """Write data as bytes; None where there is no data."""
    if data is None or type(data) is bytes:
        return data
    if media_type.is_json(content_type):
        return json_text.dump(data)
    text: str = data
    return text.encode()


def _from_json_bytes(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        value = json_text.parse(raw)
    except json_text.MalformedJson as error:
        if error.lone_surrogate:
            raise ValueError(f"data is not interoperable JSON: {error}") from None
        return raw
    _check(value, parsed=True)
    return value


def _check(value: Any, *, parsed: bool) -> None:
    try:
        (json_text.check_parsed if parsed else json_text.check)(value)
    except json_text.UnfitValue as error:
        raise ValueError(f"data{error}") from None
