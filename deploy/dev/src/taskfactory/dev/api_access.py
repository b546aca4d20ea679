"""Where the stack's Admin API is to listen, and the key that opens it: made once for a folder, and kept there.

The API is no part of the stack: `taskfactory run` serves it. The key has every role, so its file is its owner's alone.
"""

import json
import os
import secrets
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from taskfactory.dev.endpoints import ApiAccess
from taskfactory.dev.ports import RANGE, is_free

FILE = "api.json"
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def api_access(folder: Path, taken: Collection[int]) -> ApiAccess:
    """Give what was made for the folder, or make it; call it with the folder's lock held.

    The port stays the same even while something listens there: that is the API itself, most likely.

    Args:
        folder: The stack's.
        taken: Ports of the stack's parts.
    """
    path = folder / FILE
    try:
        return ApiAccess(**json.loads(path.read_text()))
    except FileNotFoundError:
        made = ApiAccess(_free_port(taken), new_key())
    fresh = folder / f"{FILE}.new"
    fresh.unlink(missing_ok=True)
    # Private from its first byte on, whatever the umask.
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(json.dumps(asdict(made)))
    fresh.replace(path)
    return made


def new_key() -> str:
    """Make a key that nobody has."""
    return f"tf_{''.join(secrets.choice(_ID_ALPHABET) for _ in range(8))}_{secrets.token_urlsafe(32)}"


def _free_port(taken: Collection[int]) -> int:
    while True:
        port = secrets.choice(RANGE)
        if port not in taken and is_free(port):
            return port
