"""Dedupe keys: which events are the same occasion for a definition.

A key is a strategy and its readable parts. What identifies it everywhere else is a hash of both in canonical JSON:
sorted keys, ASCII with escapes, no spaces, whole numbers without a fraction. So NUL, lone surrogates, separators and
any length are harmless, and different parts never meet.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from taskfactory.envelope.attributes import parse_time

EVENT_KEY_LENGTH: Final = 26
DIGEST_LENGTH: Final = 16
SLUG_LENGTH: Final = 40

EVENT_ID: Final = "event_id"
SUBJECT: Final = "subject"
EXPRESSION: Final = "expression"
OCCURRENCE: Final = "occurrence"
"""Not a strategy that authors choose: an event that asks for a window."""


class DedupeKeyMissing(ValueError):  # noqa: N818  the subject, not the mechanism
    """The event has nothing to make the key of; treating such events as equal would lose all but the first."""


class DedupeTimeMissing(ValueError):  # noqa: N818  the subject, not the mechanism
    """The event has no `time` to measure a window with; the clock's would make a replay decide otherwise."""


@dataclass(frozen=True)
class DedupeKey:
    """The identity of an occasion within one definition."""

    strategy: str
    """`event_id`, `subject` or `expression`; `occurrence` for an event that asks for a window."""
    parts: tuple[Any, ...]
    """JSON values."""

    @cached_property
    def event_key(self) -> str:
        """26 characters of lowercase base32: the part of run ids that stands for the event."""
        return base64.b32encode(self._hash).decode("ascii").lower()[:EVENT_KEY_LENGTH]

    @cached_property
    def digest(self) -> bytes:
        """16 bytes: the same hash as the ledger stores it."""
        return self._hash[:DIGEST_LENGTH]

    @cached_property
    def slug(self) -> str:
        """At most 40 characters of `[a-z0-9-]` that remind a reader of the parts; may be empty, identifies nothing."""
        text = "-".join(part if isinstance(part, str) else canonical_json(part) for part in self.parts)
        return re.sub(r"[^a-z0-9]+", "-", text[:1_000].lower()).strip("-")[:SLUG_LENGTH].rstrip("-")

    @cached_property
    def _hash(self) -> bytes:
        return hashlib.sha256(canonical_json([self.strategy, list(self.parts)]).encode("ascii")).digest()


def event_identity(event: Mapping[str, Any]) -> DedupeKey:
    """The key of the event itself: its source and id (CloudEvents 1.0, section "id")."""
    return DedupeKey(EVENT_ID, (event["source"], event["id"]))


def event_moment(event: Mapping[str, Any]) -> datetime:
    """The event's `time` in UTC, cut to microseconds.

    Raises:
        DedupeTimeMissing: It has none, or one that no window can be measured from.
    """
    time = event.get("time")
    if not time:
        raise DedupeTimeMissing(
            "the dedupe key has a window, which is measured in the event's `time`, but the event has none; set it, or "
            "use `window: forever`"
        )
    try:
        return parse_time(str(time)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise DedupeTimeMissing(
            f"the dedupe key has a window, which can't be measured from the event's `time` {str(time)[:60]!r}; allowed "
            "is an RFC 3339 timestamp of the years 1 to 9999 in UTC"
        ) from None


def event_occurrence(event: Mapping[str, Any]) -> DedupeKey:
    """The key under which an event asks for a window: its source, id and time; at most once, however often it comes.

    Raises:
        DedupeTimeMissing: It has no usable time.
    """
    return DedupeKey(OCCURRENCE, (event["source"], event["id"], event_moment(event).isoformat()))


def subject_key(event: Mapping[str, Any]) -> DedupeKey:
    """The key of the event's subject.

    Raises:
        DedupeKeyMissing: The event has no subject.
    """
    subject = event.get("subject")
    if not subject:
        raise DedupeKeyMissing("the dedupe key is `subject`, but the event has none; set it or use another dedupe key")
    return DedupeKey(SUBJECT, (subject,))


def expression_key(value: Any) -> DedupeKey:
    """The key that a dedupe expression gave.

    Raises:
        DedupeKeyMissing: It is null, empty text or an empty list, or a list with one of these in it.
    """
    if _is_missing(value):
        raise DedupeKeyMissing(
            f"the dedupe expression gave {canonical_json(value)}; it must give a value that tells events apart"
        )
    return DedupeKey(EXPRESSION, (value,))


def canonical_json(value: Any) -> str:
    """Write a JSON value the one way that equal values are written.

    Raises:
        ValueError: NaN or infinity.
    """
    return json.dumps(_canonical(value), sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def _canonical(value: Any) -> Any:
    # 35.0 and 35 are one number in JSON, and codecs differ in which of them they give.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list | tuple):
        return [_canonical(element) for element in value]
    if isinstance(value, dict):
        return {key: _canonical(element) for key, element in value.items()}
    return value


def _is_missing(value: Any) -> bool:
    return value in (None, "", []) or (isinstance(value, list) and any(map(_is_missing, value)))
