"""Trying an event out: what every definition would make of it, and with which tasks. Pure; nothing is looked up.

Drafts are tried as if they were enabled and took the place of what is registered under their names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from taskfactory.definitions import (
    ActivityDefinition,
    DefinitionSet,
    Documents,
    PlannedTask,
    RegisteredDefinition,
    RenderFailed,
    Scrubber,
    remote_sources,
    render_run,
    secrets_of,
)
from taskfactory.intake.decisions import DecisionLimits
from taskfactory.intake.explanation import Answered, explain_event
from taskfactory.intake.in_force import InForce
from taskfactory.intake.reading import ReadEvent


@dataclass(frozen=True, slots=True)
class Candidates:
    """Who is asked."""

    registered: Sequence[RegisteredDefinition]
    """With distinct names, sorted; drafts have version 0."""
    in_force: InForce
    """What decides besides: mappings, released keys."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What one definition would make of the event."""

    answered: Answered
    tasks: Sequence[PlannedTask] = ()
    """In the order of its plan, params without the context's secrets; none when it would not start, and when they can't
    be worked out."""
    not_fetched: tuple[str, ...] = ()
    """Context sources outside whose values were not given; without them there are no tasks to show."""
    failure: RenderFailed | None = None
    """Why the run would fail as it is planned."""

    @property
    def is_draft(self) -> bool:
        """Whether it is not registered, in this form."""
        return self.answered.registered.version == 0


def with_drafts(
    registered: Sequence[RegisteredDefinition], in_force: InForce, drafts: Documents, *, alone: bool = False
) -> Candidates:
    """Who is asked when drafts take the place of what is registered.

    Args:
        registered: those that are in force, and disabled ones.
        in_force: what is registered besides.
        drafts: of files.
        alone: ask nobody but the drafts.
    """
    known = {item.definition.name: item for item in registered}
    tried = {draft.name: _draft(draft, known.get(draft.name)) for draft in drafts.definitions}
    everybody = tried if alone else {**known, **tried}
    items = [everybody[name] for name in sorted(everybody)]
    mappings = {} if alone else dict(in_force.mappings)
    mappings |= {each.topic: each for each in drafts.mappings}
    return Candidates(items, replace(in_force, definitions=DefinitionSet(items), mappings=mappings))


def try_event(
    read: ReadEvent,
    candidates: Candidates,
    limits: DecisionLimits,
    topic: str | None,
    given: Mapping[str, Any],
) -> list[Tried]:
    """Every candidate's answer and tasks, those that take the event first.

    Args:
        read: the event.
        candidates: who is asked.
        limits: those of ingress.
        topic: where it would be read; None asks the definitions of all topics.
        given: values of context sources outside, by name.
    """
    answers = explain_event(read, candidates.registered, candidates.in_force, limits, topic)
    ordered = sorted(answers, key=lambda item: (*item.distance, item.registered.definition.name))
    return [_tried(answer, given) for answer in ordered]


def _tried(answer: Answered, given: Mapping[str, Any]) -> Tried:
    if answer.run is None:
        return Tried(answer)
    definition = answer.registered.definition
    missing = tuple(source.name for source in remote_sources(definition) if source.name not in given)
    if missing:
        return Tried(answer, not_fetched=missing)
    try:
        run = render_run(definition, answer.run.event, given, run_id=answer.run.run_id)
    except RenderFailed as failed:
        return Tried(answer, failure=failed)
    scrubber = Scrubber(secret for each in run.context for secret in secrets_of(each.value, each.secret))
    return Tried(answer, [task.model_copy(update={"params": scrubber.scrub(task.params)}) for task in run.tasks])


def _draft(draft: ActivityDefinition, known: RegisteredDefinition | None) -> RegisteredDefinition:
    # The registered one's id, so that the run's id is the one that it would have.
    draft_id = f"draft-{draft.name}" if known is None else known.id
    return RegisteredDefinition(draft_id, 0, draft.model_copy(update={"enabled": True}))
