"""Secret parts of context values, and how they are kept from being shown: masked where they are, scrubbed elsewhere.

Scrubbing finds a secret that was passed on as it is, alone or within a longer text. What was computed from one (a hash,
a part, another encoding) can't be recognised.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

MASK: Final = "********"
SHORTEST_WITHIN: Final = 4
"""Secrets of fewer characters are found only where they stand alone; within texts they would be everywhere."""


def mask(value: Any, paths: Iterable[str]) -> Any:
    """A copy of a JSON value with the fields at these paths replaced.

    Args:
        value: any JSON.
        paths: as `SecretPath` has them; one that leads nowhere masks nothing.
    """
    for path in paths:
        value = _mask(value, _steps(path))
    return value


def secrets_of(value: Any, paths: Iterable[str]) -> frozenset[str | float]:
    """The texts and numbers at and below these paths."""
    return frozenset(leaf for path in paths for part in _parts(value, _steps(path)) for leaf in _leaves(part))


class Scrubber:
    """Takes known secrets out of whatever is shown."""

    def __init__(self, secrets: Iterable[str | float] = ()) -> None:
        """Look for these texts and numbers."""
        self._secrets = frozenset(secret for secret in secrets if secret != "")
        texts = {secret if isinstance(secret, str) else json.dumps(secret) for secret in self._secrets}
        longest_first = sorted((text for text in texts if len(text) >= SHORTEST_WITHIN), key=len, reverse=True)
        self._within = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def scrub(self, value: Any) -> Any:
        """A copy of a JSON value without the secrets, in keys and in values."""
        if not self._secrets:
            return value
        if isinstance(value, dict):
            return {self.text(key): self.scrub(element) for key, element in value.items()}
        if isinstance(value, list):
            return [self.scrub(element) for element in value]
        if isinstance(value, str):
            return self.text(value)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return MASK if is_number and value in self._secrets else value

    def text(self, text: str) -> str:
        """A text without the secrets."""
        if text in self._secrets:
            return MASK
        return self._within.sub(MASK, text) if self._within else text


def _steps(path: str) -> tuple[str, ...]:
    return () if path == "$" else tuple(path.split("."))


def _mask(value: Any, steps: Sequence[str]) -> Any:
    if not steps:
        return None if value is None else MASK
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict):
        return {key: _mask(element, rest) if step in ("*", key) else element for key, element in value.items()}
    if isinstance(value, list):
        return [
            _mask(element, rest) if step in ("*", str(position)) else element for position, element in enumerate(value)
        ]
    return value


def _parts(value: Any, steps: Sequence[str]) -> Iterator[Any]:
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    elements = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, element in elements:
        if step in ("*", str(key)):
            yield from _parts(element, rest)


def _leaves(value: Any) -> Iterator[str | float]:
    if isinstance(value, dict):
        for element in value.values():
            yield from _leaves(element)
    elif isinstance(value, list):
        for element in value:
            yield from _leaves(element)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield value
