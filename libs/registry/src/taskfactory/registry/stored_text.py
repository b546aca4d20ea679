"""Values on their way into PostgreSQL: JSON that keeps everything, and readable text that is always accepted.

PostgreSQL's `text` and `jsonb` refuse U+0000 and lone surrogates; its `json` keeps the text it is given. So JSON is
written with ASCII escapes into `json` columns, read back as text and parsed here, never by the server. The standard
library's `json` is used because it accepts both, which orjson does not.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

READABLE_LENGTH: Final = 200
"""Characters of a readable column; identity never depends on them, the digest beside them does."""


class Unstorable(ValueError):  # noqa: N818 -- it names what the value is
    """A value has no JSON form: NaN or infinity, a type that JSON lacks, or nesting too deep.

    Attributes:
        reason: what was found.
    """

    def __init__(self, reason: str) -> None:
        """Keep what the serialiser said."""
        self.reason = reason
        super().__init__(f"the value can't be stored as JSON: {reason}")


def json_text(value: Any) -> str:
    """Compact ASCII JSON.

    Raises:
        Unstorable: the value has no JSON form.
    """
    try:
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise Unstorable(str(error)) from error


def json_text_or_null(value: Any) -> str | None:
    """Like `json_text`, with SQL's NULL for None.

    Raises:
        Unstorable: the value has no JSON form.
    """
    return None if value is None else json_text(value)


def readable(text: str, length: int = READABLE_LENGTH) -> str:
    r"""The text for people: unprintable characters escaped (`\x00`, `\ud800`), cut to `length` with an ellipsis."""
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text[: length + 1]
    )
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def readable_key(parts: Sequence[Any]) -> str:
    """A dedupe key's parts for people: strings as they are, other values as JSON, joined by a space."""
    return readable(" ".join(part if isinstance(part, str) else json_text(part) for part in parts))
