"""All enabled definitions that events start, compiled once, and what each of them says about an event.

A set is immutable: to change definitions, make a changed one and swap the reference. `PatternIndex` finds the
definitions whose patterns take the event; only their `when` and their dedupe keys are evaluated.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from taskfactory.definitions.cel import Bindings, CompileError, EvaluationError
from taskfactory.definitions.dedupe import (
    EVENT_ID,
    DedupeKey,
    DedupeKeyMissing,
    DedupeTimeMissing,
    event_identity,
    event_occurrence,
    expression_key,
    subject_key,
)
from taskfactory.definitions.matching.flatten import EventTooDeep, check_depth
from taskfactory.definitions.matching.index import PatternIndex
from taskfactory.definitions.matching.pattern import EventPattern
from taskfactory.definitions.model import ActivityDefinition, Dedupe, DedupeExpression, EventTrigger


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


class Matched(NamedTuple):
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
    reason: Literal["when"]
    """What said no. Those that `match` refuses have no verdict: nobody looks at most of them."""


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
        """Compile the enabled ones that events start.

        Where an id comes twice, the later one counts, in the earlier one's place.

        Raises:
            InvalidPattern: A definition that went through no check.
        """
        self._candidates: dict[str, _Candidate] = {}
        self._places = 0
        self._index: PatternIndex[_Candidate] = PatternIndex()
        self._change(registered, ())

    def changed(self, put: Iterable[RegisteredDefinition] = (), removed: Iterable[str] = ()) -> "DefinitionSet":
        """A new set with some definitions added or replaced, and others removed; this one stays as it is.

        The new set decides as one that was made from scratch. It shares what the change does not concern.

        Args:
            put: Definitions that take the place of those with the same id, or are appended; one that is disabled, or
                fires by schedule, is removed.
            removed: Ids; unknown ones are passed over.

        Raises:
            InvalidPattern: A definition that went through no check.
        """
        changed = DefinitionSet(())
        changed._candidates = self._candidates.copy()
        changed._places = self._places
        changed._index = self._index
        changed._change(put, removed)
        return changed

    @cached_property
    def definitions(self) -> tuple[RegisteredDefinition, ...]:
        """The enabled definitions that events start, in the order given."""
        return tuple(candidate.registered for candidate in self._candidates.values())

    def get(self, identity: str) -> RegisteredDefinition | None:
        """The enabled definition with this id."""
        found = self._candidates.get(identity)
        return None if found is None else found.registered

    def __len__(self) -> int:
        return len(self._candidates)

    def evaluate(self, event: Mapping[str, Any], topic: str | None) -> list[Verdict]:
        """What the definitions say that may concern the event, in the order given.

        Left out are those whose topics or whose `match` do not take the event: the index does not even look at most of
        them. `EventPattern.explain` says why a definition's `match` refused.

        Args:
            event: The envelope in CloudEvents JSON form.
            topic: Where it was read; None asks the definitions of all topics.
        """
        try:
            candidates = self._index.matching(event)
        except EventTooDeep:
            return self._evaluate_one_by_one(event, topic)
        if not candidates:
            return []
        if len(candidates) > 1:
            candidates.sort(key=_place)
        evaluation = _Evaluation(event)
        return [evaluation.verdict(candidate) for candidate in candidates if candidate.listens_to(topic)]

    def _evaluate_one_by_one(self, event: Mapping[str, Any], topic: str | None) -> list[Verdict]:
        """For an event that is nested too deep for some definitions, but perhaps not for all.

        No record leads here, because decoding refuses such depths.
        """
        evaluation = _Evaluation(event)
        asked = (candidate for candidate in self._candidates.values() if candidate.listens_to(topic))
        verdicts = (evaluation.verdict_alone(candidate) for candidate in asked)
        return [verdict for verdict in verdicts if verdict is not None]

    def _change(self, put: Iterable[RegisteredDefinition], removed: Iterable[str]) -> None:
        """Only while the set is made."""
        leaving: list[_Candidate] = []
        arriving: dict[str, _Candidate] = {}
        for identity in removed:
            self._retire(identity, leaving, arriving)
        for item in put:
            before = self._candidates.get(item.id)
            trigger = item.definition.trigger
            if not item.definition.enabled or not isinstance(trigger, EventTrigger):
                self._retire(item.id, leaving, arriving)
                continue
            if before is None:
                self._places += 1
            elif arriving.pop(item.id, None) is None:
                leaving.append(before)
            place = self._places if before is None else before.place
            self._candidates[item.id] = arriving[item.id] = _Candidate(place, item, trigger)
        self._index = self._index.changed(leaving, arriving.values())

    def _retire(self, identity: str, leaving: list["_Candidate"], arriving: dict[str, "_Candidate"]) -> None:
        gone = self._candidates.pop(identity, None)
        if gone is not None and arriving.pop(identity, None) is None:
            leaving.append(gone)


class _Candidate:
    """A definition with what every event needs to know of it, close together: most are not in any cache."""

    __slots__ = ("dedupe", "is_plain", "pattern", "place", "registered", "topics", "when")

    def __init__(self, place: int, registered: RegisteredDefinition, trigger: EventTrigger) -> None:
        self.place = place
        self.registered = registered
        self.pattern = EventPattern.parse(trigger.match)
        self.topics = trigger.topics
        self.when = trigger.when
        self.dedupe = registered.definition.dedupe
        self.is_plain = self.when is None and self.dedupe.key == EVENT_ID and self.dedupe.window_seconds is None
        """Whether it takes every event that its pattern takes, once and for ever: nothing is left to evaluate."""

    def listens_to(self, topic: str | None) -> bool:
        return self.topics is None or topic is None or topic in self.topics


_place = attrgetter("place")


class _Evaluation:
    """One event that some patterns took, converted to CEL once for all definitions that ask it anything."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._event = event

    @cached_property
    def _identity(self) -> DedupeKey:
        return event_identity(self._event)

    @cached_property
    def _bindings(self) -> Bindings:
        check_depth(self._event)
        return Bindings({"event": dict(self._event)})

    def verdict_alone(self, candidate: _Candidate) -> Verdict | None:
        try:
            return self.verdict(candidate) if candidate.pattern.matches(self._event) else None
        except EventTooDeep as error:
            return EvaluationFailed(candidate.registered, "event_error", str(error))

    def verdict(self, candidate: _Candidate) -> Verdict:
        if candidate.is_plain:
            return Matched(candidate.registered, self._identity)
        return self._evaluated(candidate)

    def _evaluated(self, candidate: _Candidate) -> Verdict:
        registered = candidate.registered
        code: FailureCode = "when_error"
        try:
            if not self._when(candidate.when):
                return Filtered(registered, "when")
            code = "dedupe_error"
            return Matched(registered, self._key(candidate.dedupe), self._occurrence(candidate.dedupe))
        except DedupeKeyMissing as error:
            return EvaluationFailed(registered, "dedupe_key_missing", str(error))
        except DedupeTimeMissing as error:
            return EvaluationFailed(registered, "dedupe_time_missing", str(error))
        except EventTooDeep as error:
            return EvaluationFailed(registered, "event_error", str(error))
        except (CompileError, EvaluationError) as error:
            # What does not compile was stored by a version that read it otherwise; it harms no other definition.
            return EvaluationFailed(registered, code, str(error))

    def _when(self, expression: str | None) -> bool:
        if expression is None:
            return True
        result = self._bindings.evaluate(expression)
        if not isinstance(result, bool):
            raise EvaluationError(expression, f"`when` must give true or false; it gave {result!r}")
        return result

    def _key(self, dedupe: Dedupe) -> DedupeKey:
        key = dedupe.key
        if isinstance(key, DedupeExpression):
            return expression_key(self._bindings.evaluate(key.expression))
        return subject_key(self._event) if key == "subject" else self._identity

    def _occurrence(self, dedupe: Dedupe) -> DedupeKey | None:
        return None if dedupe.window_seconds is None else event_occurrence(self._event)
