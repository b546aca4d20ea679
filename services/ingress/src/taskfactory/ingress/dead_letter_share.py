"""How many of the latest records were dead-lettered, and whether that is too many. Pure.

A bad deploy, of a producer or of definitions, makes every record a dead letter. Draining a topic into the dead letter
topic helps nobody; above the cap it is better to stop where it stands.
"""

from collections import Counter, deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ShareLimit:
    """When the share is too high."""

    share: float
    """Between 0 and 1: more than this share of the latest records; 1 never stops."""
    window: int
    """How many records are the latest ones."""
    at_least: int
    """Dead-lettered records below which nothing is concluded from the share."""


@dataclass(slots=True)
class DeadLetterShare:
    """The latest records of one topic, and why those of them that were dead-lettered were."""

    limit: ShareLimit
    _latest: deque[str | None] = field(default_factory=deque)
    _reasons: Counter[str] = field(default_factory=Counter)
    _gone: int = 0
    """Records that are no longer among the latest."""

    def note(self, reason: str | None) -> int:
        """Count a record: why it was dead-lettered as a whole, or None if anything else becomes of it.

        Returns:
            Its number, counted from 0, for `amend`.
        """
        number = self._gone + len(self._latest)
        self._latest.append(reason)
        if reason is not None:
            self._reasons[reason] += 1
        if len(self._latest) > self.limit.window:
            self._gone += 1
            oldest = self._latest.popleft()
            if oldest is not None:
                self._reasons[oldest] -= 1
        return number

    def amend(self, number: int, reason: str) -> None:
        """A record that was counted got a dead letter later; its first one counts, if it is still among the latest."""
        place = number - self._gone
        if place >= 0 and self._latest[place] is None:
            self._latest[place] = reason
            self._reasons[reason] += 1

    def problem(self) -> str | None:
        """A sentence if the share is above its limit, None otherwise."""
        dead = self._reasons.total()
        if dead < self.limit.at_least or dead <= self.limit.share * len(self._latest):
            return None
        reasons = ", ".join(f"{count} {reason}" for reason, count in self._reasons.most_common(3) if count)
        return (
            f"{dead} of the latest {len(self._latest)} records were dead-lettered ({reasons}), "
            f"at most {self.limit.share:.0%} are allowed: its consumption has stopped. See `taskfactory dlq list`, "
            "mend the producer or the definitions, and restart; TASKFACTORY_MAX_DEAD_LETTER_SHARE is the limit"
        )
