"""Why an event did, or did not, start a run: one answer for every definition. Pure.

`explain_event` says what follows from the event; `Answered.settle` adds what the ledger, the runs and Temporal know of
it already. Both use the code that decides, never a likeness of it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, assert_never

from taskfactory.definitions import (
    Disabled,
    Duplicate,
    EvaluationFailed,
    Explanation,
    FiresBySchedule,
    Matched,
    Mismatch,
    NotMatched,
    OtherTopics,
    RegisteredDefinition,
    RunInput,
    Standing,
    WhenFalse,
    decide_window,
    event_moment,
    explain,
)
from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.decisions import BeforeActivation, DecisionLimits, Paused, StartRun, decision_of
from taskfactory.intake.executions import Execution
from taskfactory.intake.in_force import InForce
from taskfactory.intake.reading import ReadEvent
from taskfactory.registry import ClaimKeys, LedgerKey, RunFact, claim_keys, readable_key


class Answer(StrEnum):
    """What a definition makes of an event."""

    WOULD_START = "would_start"
    STARTED = "started"
    """This very record has started the run."""
    IN_FLIGHT = "in_flight"
    """Temporal has the run; it has not claimed its key yet."""
    DUPLICATE = "duplicate"
    PAUSED = "paused"
    BEFORE_ACTIVATION = "before_activation"
    DEAD_LETTERED = "dead_lettered"
    FILTERED = "filtered"
    OTHER_TOPICS = "other_topics"
    DISABLED = "disabled"
    BY_SCHEDULE = "by_schedule"
    """No event starts it: it fires by schedule."""
    SHADOW = "shadow"
    """Of a shadow version: whatever it makes of the event, nothing follows from it."""


SHOWN: Final = 120
"""Characters of a clause's values in a sentence."""
_FAR: Final = frozenset({Answer.DISABLED, Answer.BY_SCHEDULE})
TAKEN: Final = frozenset(Answer) - {Answer.FILTERED, Answer.OTHER_TOPICS, Answer.SHADOW, *_FAR}
"""The answers of definitions that take the event."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known already of the runs that an event asks for."""

    runs: Mapping[str, RunFact] = field(default_factory=dict)
    """Rows by run id."""
    runs_of_events: Mapping[LedgerKey, RunFact] = field(default_factory=dict)
    """Rows by their event's own key."""
    claimed: frozenset[LedgerKey] = frozenset()
    standings: Mapping[LedgerKey, Standing] = field(default_factory=dict)
    """How keys with a window stand."""
    holders: Mapping[str, str | None] = field(default_factory=dict)
    """By run id: the run of the window that the event falls into."""
    executions: Mapping[str, Execution | None] = field(default_factory=dict)
    """By run id, for runs of which the registry knows nothing."""
    resolutions: Mapping[str, str] = field(default_factory=dict)
    """Of dead letters, by their ids."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One definition's answer."""

    registered: RegisteredDefinition
    answer: Answer
    sentence: str
    run: RunInput | None = None
    """What would be started, or would have been."""
    letter: DeadLetter | None = None
    mismatches: tuple[Mismatch, ...] = ()
    """Clauses of the pattern that fail."""
    held_by: RunFact | None = None
    """The run that has the event's key already."""
    resolution: str | None = None
    """How the dead letter was resolved, if it was."""

    @property
    def of_another_type(self) -> bool:
        """Whether the pattern names other types of events: not even a near miss."""
        return any(mismatch.path == "type" for mismatch in self.mismatches)

    @property
    def distance(self) -> tuple[int, int]:
        """How near the event came; the smallest are those that take it."""
        rank = 0 if self.answer in TAKEN else 2 if self.of_another_type or self.answer in _FAR else 1
        return rank, len(self.mismatches)

    def settle(self, facts: Facts, *, placed: bool) -> "Answered":
        """The answer in the light of what is known already.

        Args:
            facts: about this run or letter; more does no harm.
            placed: the event is a record at its coordinates, so that a run which says that it came from there did.
        """
        if self.letter is not None:
            return self._settle_letter(self.letter, facts.resolutions) if placed else self
        if self.run is None or self.answer is not Answer.WOULD_START:
            return self
        keys = claim_keys(self.run)
        held_by = facts.runs.get(self.run.run_id)
        if held_by is None and not keys.windowed:
            held_by = facts.runs_of_events.get(keys.identity)
        if held_by is not None:
            return self._held(held_by, placed=placed)
        if (why := self._claimed(self.run, keys, facts)) is not None:
            return replace(self, answer=Answer.DUPLICATE, sentence=why)
        execution = facts.executions.get(self.run.run_id)
        if execution is not None:
            sentence = f"Temporal has run {self.run.run_id} ({execution}); it has not claimed its key yet"
            return replace(self, answer=Answer.IN_FLIGHT, sentence=sentence)
        # Ingress reads no record twice: what was released waits for the next event with the key.
        released = placed and self.run.generation > 1
        again = f"its key was released: if the record is read again, it {self.sentence}"
        return replace(self, sentence=again) if released else self

    @staticmethod
    def _claimed(run: RunInput, keys: ClaimKeys, facts: Facts) -> str | None:
        """Why the ledger would not let the run begin; None if it would."""
        if not keys.windowed:
            if facts.claimed.isdisjoint(keys.all):
                return None
            return "duplicate: its key was claimed before; the run's own row is not kept any more"
        holder = facts.holders.get(run.run_id)
        by = f", opened by run {holder}" if holder else ""
        if keys.admission in facts.claimed:
            return f"duplicate: it was decided about before and falls into a window of its key{by}"
        standing, window = facts.standings.get(keys.strategy), run.window
        if standing is None or window is None:
            return None
        if isinstance(decide_window(standing, event_moment(run.event), timedelta(seconds=window)), Duplicate):
            return f"duplicate: falls into a window of its key, or before one{by}"
        return None

    def _held(self, run: RunFact, *, placed: bool) -> "Answered":
        assert self.run is not None  # noqa: S101 -- for the type checker
        trigger = self.run.trigger
        place = (run.topic, run.partition, run.offset)
        if placed and place == (trigger.topic, trigger.partition, trigger.offset):
            answer, sentence = Answer.STARTED, f"this record started run {run.run_id} ({run.state})"
        else:
            origin = "" if run.topic is None else f" at {run.topic}/{run.partition}/{run.offset}"
            same = (run.event_source, run.event_id) == (trigger.source, trigger.id)
            event = "this event" if same else f"event {run.event_id} of {run.event_source}"
            answer = Answer.DUPLICATE
            sentence = f"duplicate of run {run.run_id} ({run.state}), started by {event}{origin}"
        return replace(self, answer=answer, sentence=sentence, held_by=run)

    def _settle_letter(self, letter: DeadLetter, resolutions: Mapping[str, str]) -> "Answered":
        resolution = resolutions.get(letter.key)
        place = f"letter {letter.id}" + (f" was {resolution}" if resolution else "")
        return replace(self, sentence=f"{self.sentence} ({place})", resolution=resolution)


def explain_event(
    read: ReadEvent,
    registered: Sequence[RegisteredDefinition],
    in_force: InForce,
    limits: DecisionLimits,
    topic: str | None,
) -> list[Answered]:
    """Every definition's answer, in the order given, as if nothing had been started before.

    Args:
        read: the event and its record.
        registered: with distinct names; disabled ones may be among them.
        in_force: the generations in which keys may fire.
        limits: those of ingress.
        topic: where it was read; None asks the definitions of all topics.
    """
    return [_answer(item, read, in_force, limits) for item in explain(registered, read.event, topic)]


def explain_shadows(read: ReadEvent, shadows: Sequence[RegisteredDefinition], topic: str | None) -> list[Answered]:
    """What shadow versions make of an event, in the order given. Arguments as those of `explain_event`."""
    return [_shadow(item) for item in explain(shadows, read.event, topic)]


def _shadow(explanation: Explanation) -> Answered:
    item = explanation.registered
    if isinstance(explanation, Matched):
        told_key = readable_key(explanation.key.parts)
        return _of_shadow(item, f"it would take the event, with the dedupe key {told_key}")
    if isinstance(explanation, EvaluationFailed):
        return _of_shadow(item, f"it would fail: {explanation.code}: {explanation.message}")
    answered = _unmatched(explanation)
    return replace(_of_shadow(item, answered.sentence), mismatches=answered.mismatches)


def _of_shadow(item: RegisteredDefinition, said: str) -> Answered:
    return Answered(item, Answer.SHADOW, f"shadow version, starts nothing: {said}")


def asked_for(answers: Iterable[Answered]) -> list[RunInput]:
    """The runs that would be started: what facts are needed about."""
    return [item.run for item in answers if item.run is not None and item.answer is Answer.WOULD_START]


def _answer(explanation: Explanation, read: ReadEvent, in_force: InForce, limits: DecisionLimits) -> Answered:
    if isinstance(explanation, Matched | EvaluationFailed):
        return _decided(explanation, read, in_force, limits)
    return _unmatched(explanation)


def _unmatched(explanation: WhenFalse | NotMatched | OtherTopics | Disabled | FiresBySchedule) -> Answered:
    item = explanation.registered
    match explanation:
        case WhenFalse(_, expression):
            return Answered(item, Answer.FILTERED, f"`when` gave false: {expression}")
        case NotMatched(_, mismatches):
            return Answered(item, Answer.FILTERED, told(mismatches), mismatches=mismatches)
        case OtherTopics(_, topics, mismatches):
            would = told(mismatches) if mismatches else "its pattern would take the event"
            sentence = f"reads other topics: {', '.join(topics)}; {would}"
            return Answered(item, Answer.OTHER_TOPICS, sentence, mismatches=mismatches)
        case Disabled(_, mismatches):
            would = told(mismatches) if mismatches else "its pattern would take the event"
            return Answered(item, Answer.DISABLED, f"disabled; {would}", mismatches=mismatches)
        case FiresBySchedule():
            return Answered(item, Answer.BY_SCHEDULE, "fires by schedule; no event starts it")
    assert_never(explanation)


def _decided(
    verdict: Matched | EvaluationFailed, read: ReadEvent, in_force: InForce, limits: DecisionLimits
) -> Answered:
    item = verdict.registered
    match decision_of(verdict, read, in_force, limits):
        case StartRun(run):
            return Answered(item, Answer.WOULD_START, f"would start run {run.run_id}", run=run)
        case Paused(run):
            name = item.definition.name
            sentence = f"paused: it would start run {run.run_id}; `taskfactory resume {name}`, then replay the record"
            return Answered(item, Answer.PAUSED, sentence, run=run)
        case BeforeActivation():
            since = "" if item.active_since is None else f" of {item.active_since:%Y-%m-%d %H:%M:%S %Z}"
            return Answered(
                item, Answer.BEFORE_ACTIVATION, f"older than its activation{since}: only a replay starts it"
            )
        case DeadLetter() as letter:
            return Answered(item, Answer.DEAD_LETTERED, f"{letter.reason}: {letter.message}", letter=letter)
        case None:
            raise AssertionError("a definition that matched or failed is decided about")


def told(mismatches: Iterable[Mismatch]) -> str:
    """Clauses that fail, in words."""
    return "; ".join(_told(mismatch) for mismatch in mismatches)


def _told(mismatch: Mismatch) -> str:
    if not mismatch.path:
        return mismatch.reason
    expected = _shown(mismatch.expected)
    if mismatch.actual:
        return f"{mismatch.path}: expected {expected}, found {_shown(mismatch.actual)}"
    return f"{mismatch.path}: expected {expected}; {mismatch.reason}"


def _shown(values: Sequence[Any]) -> str:
    """JSON, cut where it is longer than a line."""
    whole = ", ".join(json.dumps(value, ensure_ascii=False) for value in values)
    return whole if len(whole) <= SHOWN else f"{whole[:SHOWN]}…"
