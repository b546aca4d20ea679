"""Answers of HTTP servers, kept for a while in memory; bounded in bytes, the least recently used goes first."""

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from taskfactory.definitions import HttpRequest

ABOUT_AN_ENTRY: Final = 500
"""Bytes of an entry besides the answer."""


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer and when it came."""

    body: bytes
    etag: str | None
    at: float
    """By the clock of whoever asks."""


def cache_key(connection: str, request: HttpRequest) -> bytes:
    """What must be the same for an answer to be used again; credentials are the connection's."""
    parts = [connection, request.method, request.path, request.query, sorted(request.headers.items())]
    return hashlib.sha256(json.dumps(parts).encode()).digest()


class HttpCache:
    """Not shared between processes. Used from one thread."""

    def __init__(self, max_bytes: int) -> None:
        """Hold at most so many bytes; with 0, nothing."""
        self._max_bytes = max_bytes
        self._answers: OrderedDict[bytes, CachedAnswer] = OrderedDict()
        self.size = 0
        """Bytes held now."""

    def get(self, key: bytes) -> CachedAnswer | None:
        """The answer, however old it is."""
        answer = self._answers.get(key)
        if answer is not None:
            self._answers.move_to_end(key)
        return answer

    def put(self, key: bytes, answer: CachedAnswer) -> None:
        """Keep an answer instead of the one before, unless it alone is too large."""
        if (before := self._answers.pop(key, None)) is not None:
            self.size -= _cost(before)
        if _cost(answer) > self._max_bytes:
            return
        self._answers[key] = answer
        self.size += _cost(answer)
        while self.size > self._max_bytes:
            _, oldest = self._answers.popitem(last=False)
            self.size -= _cost(oldest)


def _cost(answer: CachedAnswer) -> int:
    return len(answer.body) + ABOUT_AN_ENTRY
