"""Dead letters: what could not become a run, kept in full in a topic of its own.

A dead letter is the original record, key, value and headers untouched, with headers added that say why and where it
came from. Its id is derived from the coordinates, so a repeated write is recognisable as the same letter.
"""

import contextlib
from dataclasses import dataclass
from typing import Final

from taskfactory.definitions import RegisteredDefinition
from taskfactory.intake.records import Record

PREFIX: Final = "taskfactory_dlq_"
"""Every header that is added starts so."""
MESSAGE_LIMIT: Final = 2000
"""Characters of the message that are kept."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that no run comes of, for every definition or for one."""

    record: Record
    reason: str
    """A short stable code."""
    message: str
    """A sentence, for people."""
    definition: RegisteredDefinition | None = None
    """The definition that it concerns; None if the record itself is at fault."""

    @property
    def id(self) -> str:
        """`topic/partition/offset`, and `/activity id` where a definition is concerned."""
        parts = [self.record.topic, str(self.record.partition), str(self.record.offset)]
        return "/".join(parts if self.definition is None else [*parts, self.definition.id])

    def headers(self) -> list[tuple[str, bytes | None]]:
        """The original headers, then `taskfactory_dlq_*`; those of an earlier dead letter are replaced.

        `taskfactory_dlq_attempts` counts how many times the event was dead-lettered, redriven records included.
        """
        record = self.record
        added: dict[str, str] = {
            "id": self.id,
            "reason": self.reason,
            "message": self.message[:MESSAGE_LIMIT],
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "attempts": str(1 + _earlier_attempts(record)),
        }
        if record.timestamp is not None:
            added["timestamp"] = str(record.timestamp)
        if self.definition is not None:
            added["activity_id"] = self.definition.id
            added["activity_name"] = self.definition.definition.name
            added["version"] = str(self.definition.version)
        kept: list[tuple[str, bytes | None]] = [
            (name, value) for name, value in record.headers if not name.startswith(PREFIX)
        ]
        return kept + [(PREFIX + name, text.encode("utf-8", "backslashreplace")) for name, text in added.items()]


def _earlier_attempts(record: Record) -> int:
    found = dict(record.headers).get(f"{PREFIX}attempts")
    with contextlib.suppress(ValueError, TypeError):
        return max(0, int(found or 0))
    return 0
