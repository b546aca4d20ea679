"""A value that is JSON and no envelope, as topics carry it that know nothing of taskfactory."""

from typing import Any

from taskfactory.envelope import json_text
from taskfactory.envelope.errors import InvalidCode, InvalidEnvelope


def read_json(value: bytes) -> Any:
    """Decode a value as one JSON text.

    Returns:
        dict, list, str, int, float, bool or None.

    Raises:
        InvalidEnvelope: It is no JSON (`malformed_json`), or holds what cannot be carried exactly (`invalid_data`).
    """
    try:
        parsed = json_text.parse(value)
        json_text.check(parsed)
    except json_text.MalformedJson as error:
        raise InvalidEnvelope(InvalidCode.MALFORMED_JSON, None, f"The value is not JSON in UTF-8: {error}.") from None
    except json_text.UnfitValue as error:
        raise InvalidEnvelope(InvalidCode.INVALID_DATA, None, f"The value{error}.") from None
    return parsed
