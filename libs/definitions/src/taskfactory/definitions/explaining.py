"""What every definition makes of an event, and why: the verdicts of the deciding code, a whole set asked once.

A definition that the set's index passes over without asking is one that can't match; its pattern then says why not. So
an explanation never disagrees with a decision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taskfactory.definitions.definition_set import (
    DefinitionSet,
    EvaluationFailed,
    Filtered,
    Matched,
    RegisteredDefinition,
)
from taskfactory.definitions.matching.flatten import EventTooDeep
from taskfactory.definitions.matching.pattern import EventPattern, Mismatch
from taskfactory.definitions.model import EventTrigger


@dataclass(frozen=True)
class NotMatched:
    """The pattern does not take the event."""

    registered: RegisteredDefinition
    mismatches: tuple[Mismatch, ...]
    """Every clause that fails, of the alternative that comes nearest; at least one."""


@dataclass(frozen=True)
class WhenFalse:
    """The pattern takes the event, and the condition after it gave false."""

    registered: RegisteredDefinition
    expression: str


@dataclass(frozen=True)
class OtherTopics:
    """The definition does not read the event's topic."""

    registered: RegisteredDefinition
    topics: tuple[str, ...]
    """Those that it reads."""
    mismatches: tuple[Mismatch, ...]
    """What would keep the event out on its own topics too; empty when the pattern takes it."""


@dataclass(frozen=True)
class Disabled:
    """The definition is not in force."""

    registered: RegisteredDefinition
    mismatches: tuple[Mismatch, ...]
    """What would keep the event out if it were."""


@dataclass(frozen=True)
class FiresBySchedule:
    """No event starts the definition: it has a cron trigger."""

    registered: RegisteredDefinition


Explanation = Matched | EvaluationFailed | NotMatched | WhenFalse | OtherTopics | Disabled | FiresBySchedule


def explain(
    registered: Sequence[RegisteredDefinition], event: Mapping[str, Any], topic: str | None
) -> list[Explanation]:
    """Explain an event to every definition, in the order given.

    Args:
        registered: with distinct names; disabled ones are told as such.
        event: The envelope in CloudEvents JSON form.
        topic: Where it was read; None asks the definitions of all topics.

    Raises:
        InvalidPattern: A definition that did not go through `load_definitions` or `parse_definition`.
    """
    verdicts = {
        verdict.registered.definition.name: verdict for verdict in DefinitionSet(registered).evaluate(event, topic)
    }
    return [_explanation(item, verdicts.get(item.definition.name), event, topic) for item in registered]


def _explanation(
    registered: RegisteredDefinition,
    verdict: Matched | Filtered | EvaluationFailed | None,
    event: Mapping[str, Any],
    topic: str | None,
) -> Explanation:
    if isinstance(verdict, Matched | EvaluationFailed):
        return verdict
    definition, trigger = registered.definition, registered.definition.trigger
    if not isinstance(trigger, EventTrigger):
        return FiresBySchedule(registered)
    if isinstance(verdict, Filtered) and verdict.reason == "when":
        return WhenFalse(registered, trigger.when or "")
    mismatches = _mismatches(trigger.match, event)
    if not definition.enabled:
        return Disabled(registered, mismatches)
    topics = trigger.topics
    if topics is not None and topic is not None and topic not in topics:
        return OtherTopics(registered, topics, mismatches)
    return NotMatched(registered, mismatches)


def _mismatches(match: Mapping[str, Any], event: Mapping[str, Any]) -> tuple[Mismatch, ...]:
    try:
        return tuple(EventPattern.parse(match).explain(event))
    except EventTooDeep as error:
        return (Mismatch("", (), (), str(error)),)
