"""All enabled definitions, compiled once, and what each of them says about an event.

A set is immutable: to change definitions, build a new one and swap the reference. Definitions are found by the event's
exact `type` first, so that those of other types cost nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from taskfactory.definitions.cel import Bindings, EvaluationError
from taskfactory.definitions.dedupe import (
    DedupeKey,
    DedupeKeyMissing,
    DedupeTimeMissing,
    event_identity,
    event_occurrence,
    expression_key,
    subject_key,
)
from taskfactory.definitions.matching.flatten import EventTooDeep, FlatEvent, flatten
from taskfactory.definitions.matching.pattern import EventPattern
from taskfactory.definitions.model import ActivityDefinition, DedupeExpression


@dataclass(frozen=True)
class RegisteredDefinition:
    """A definition with what the registry knows it by."""

    id: str
    """UUID."""
    version: int
    definition: ActivityDefinition
    paused: bool = False
    """Matches are recorded, and start nothing."""
    active_since: datetime | None = None
    """When it was enabled; older records start nothing by themselves. None: it always was."""


@dataclass(frozen=True)
class Matched:
    """The definition takes the event."""

    registered: RegisteredDefinition
    key: DedupeKey
    """What makes two events the same for the definition."""
    occurrence: DedupeKey | None = None
    """Set when the key has a window: then each event asks for itself, and the ledger knows the windows."""

    @property
    def run_key(self) -> DedupeKey:
        """What the run's id is made of."""
        return self.occurrence or self.key


@dataclass(frozen=True)
class Filtered:
    """The definition does not take the event."""

    registered: RegisteredDefinition
    reason: Literal["match", "when"]
    """Which of the two said no."""


FailureCode = Literal["event_error", "when_error", "dedupe_error", "dedupe_key_missing", "dedupe_time_missing"]


@dataclass(frozen=True)
class EvaluationFailed:
    """Whether the definition takes the event cannot be said; that is never "no"."""

    registered: RegisteredDefinition
    code: FailureCode
    message: str


Verdict = Matched | Filtered | EvaluationFailed


class DefinitionSet:
    """An immutable set of definitions; safe to share between threads."""

    def __init__(self, registered: Iterable[RegisteredDefinition]) -> None:
        """Compile the enabled ones.

        Raises:
            InvalidPattern: A definition that did not go through `load_definitions` or `parse_definition`.
        """
        enabled = [_Candidate(position, item) for position, item in enumerate(registered) if item.definition.enabled]
        self._definitions = tuple(candidate.registered for candidate in enabled)
        self._any_type = [candidate for candidate in enabled if candidate.types is None]
        self._by_type: dict[str, list[_Candidate]] = {}
        for candidate in enabled:
            for event_type in candidate.types or ():
                self._by_type.setdefault(event_type, []).append(candidate)

    @property
    def definitions(self) -> tuple[RegisteredDefinition, ...]:
        """The enabled definitions, in the order given."""
        return self._definitions

    def __len__(self) -> int:
        return len(self._definitions)

    def evaluate(self, event: Mapping[str, Any], topic: str | None) -> list[Verdict]:
        """Ask every definition that the event's type and topic do not rule out, in the order given.

        Args:
            event: The envelope in CloudEvents JSON form.
            topic: Where it was read; None asks the definitions of all topics.
        """
        candidates = [
            candidate
            for candidate in (*self._by_type.get(str(event.get("type")), ()), *self._any_type)
            if topic is None or candidate.topics is None or topic in candidate.topics
        ]
        if not candidates:
            return []
        candidates.sort(key=lambda candidate: candidate.position)
        evaluation = _Evaluation(event)
        return [evaluation.verdict(candidate) for candidate in candidates]


class _Candidate:
    def __init__(self, position: int, registered: RegisteredDefinition) -> None:
        trigger = registered.definition.trigger
        self.position = position
        self.registered = registered
        self.pattern = EventPattern.parse(trigger.match)
        self.topics = None if trigger.topics is None else frozenset(trigger.topics)
        self.types = self.pattern.exact_texts("type")


class _Evaluation:
    """One event, flattened and converted to CEL once for all definitions."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._event = event
        self._bindings = Bindings({"event": dict(event)})

    @cached_property
    def _flat(self) -> FlatEvent:
        return flatten(self._event)

    def verdict(self, candidate: _Candidate) -> Verdict:
        registered = candidate.registered
        code: FailureCode = "event_error"
        try:
            if not candidate.pattern.matches_flat(self._flat):
                return Filtered(registered, "match")
            code = "when_error"
            if not self._when(registered.definition.trigger.when):
                return Filtered(registered, "when")
            code = "dedupe_error"
            key = self._key(registered.definition)
            return Matched(registered, key, self._occurrence(registered.definition))
        except DedupeKeyMissing as error:
            return EvaluationFailed(registered, "dedupe_key_missing", str(error))
        except DedupeTimeMissing as error:
            return EvaluationFailed(registered, "dedupe_time_missing", str(error))
        except (EventTooDeep, EvaluationError) as error:
            return EvaluationFailed(registered, code, str(error))

    def _when(self, expression: str | None) -> bool:
        if expression is None:
            return True
        result = self._bindings.evaluate(expression)
        if not isinstance(result, bool):
            raise EvaluationError(expression, f"`when` must give true or false; it gave {result!r}")
        return result

    def _key(self, definition: ActivityDefinition) -> DedupeKey:
        key = definition.dedupe.key
        if isinstance(key, DedupeExpression):
            return expression_key(self._bindings.evaluate(key.expression))
        return subject_key(self._event) if key == "subject" else event_identity(self._event)

    def _occurrence(self, definition: ActivityDefinition) -> DedupeKey | None:
        return None if definition.dedupe.window_seconds is None else event_occurrence(self._event)
