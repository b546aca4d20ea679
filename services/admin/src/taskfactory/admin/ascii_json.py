"""Answers that quote what others wrote: an event, a result, a dead letter.

Such texts may hold lone surrogates, which UTF-8 can't carry and JSON's escapes can. So these answers are written in
ASCII, and past the models, which would refuse them.
"""

import json
from typing import Any

from pydantic_core import to_jsonable_python
from starlette.responses import Response


def ascii_json(value: Any, status: int = 200) -> Response:
    """The value as JSON: models, dataclasses, moments and all."""
    content = json.dumps(to_jsonable_python(value), ensure_ascii=True, separators=(",", ":"))
    return Response(content, status, media_type="application/json")
