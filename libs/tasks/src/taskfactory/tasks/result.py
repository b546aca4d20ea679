"""From what a handler returned to the JSON value that travels back."""

import math
from typing import Any, Final

from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from taskfactory.tasks.errors import InvalidResult, ResultTooLarge

TEMPORAL_PAYLOAD_MAX_BYTES: Final = 2 * 1024 * 1024
"""Temporal's default `limit.blobSize.error`."""
INLINE_RESULT_MAX_BYTES: Final = TEMPORAL_PAYLOAD_MAX_BYTES - 64 * 1024
"""What a result may have where there is no payload storage; the margin is for the message around it."""
RESULT_MAX_BYTES: Final = 16 * 1024 * 1024
"""Default limit for a result where there is a payload storage."""


def json_result(handler: str, value: Any, max_bytes: int) -> Any:
    """The handler's result as a JSON value: models become objects, dates and the like become strings.

    Args:
        handler: its name, for messages.
        value: what it returned.
        max_bytes: limit for the result's UTF-8 JSON.

    Raises:
        InvalidResult: JSON has no form for it, or for something inside it: an object, NaN, a lone surrogate, a cycle.
        ResultTooLarge: it is larger than `max_bytes`.
    """
    try:
        result = to_jsonable_python(value)
        size = len(to_json(result))
    except (PydanticSerializationError, UnicodeEncodeError, ValueError) as error:
        raise InvalidResult(handler, f"a value of type {type(value).__name__} that is not JSON ({error})") from None
    place = _not_finite(result, "result")
    if place is not None:
        raise InvalidResult(handler, f"a number that JSON cannot hold (NaN or infinity) at {place}")
    if size > max_bytes:
        raise ResultTooLarge(handler, size, max_bytes)
    return result


def _not_finite(value: Any, path: str) -> str | None:
    """Path of the first NaN or infinity within a JSON value, if there is one."""
    if isinstance(value, float):
        return None if math.isfinite(value) else path
    parts = (
        ((f"{path}.{key}", item) for key, item in value.items())
        if isinstance(value, dict)
        else ((f"{path}[{index}]", item) for index, item in enumerate(value))
        if isinstance(value, list)
        else ()
    )
    return next((found for part, item in parts if (found := _not_finite(item, part))), None)
