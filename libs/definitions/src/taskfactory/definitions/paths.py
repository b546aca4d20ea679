"""Places inside a definition: how they are written in error messages, and what is wrong there."""

import json
import re
from typing import NamedTuple

Path = tuple[str | int, ...]
"""Keys and list positions from the document's root, as `("tasks", 1, "retry")`."""

_PLAIN_KEY = re.compile(r"[\w$-]+")


class Problem(NamedTuple):
    """One thing that is wrong: where, and a sentence that says what was found and what is allowed."""

    path: Path
    message: str
    at_key: bool = False
    """Whether the key is wrong rather than its value."""


def render_path(path: Path) -> str:
    """Write a path the way an author reads it: `tasks[1].retry.max_attempts`, `match["a.b"]`.

    The root is written as an empty string.
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part)}]"
    return text
