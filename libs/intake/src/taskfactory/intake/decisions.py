"""What to do about one event: match, and say it. Pure.

An event of which nothing follows is one that no definition matched. Trouble of one definition with it is a dead letter
of that definition alone (architecture, I7).
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from taskfactory.definitions import (
    EvaluationFailed,
    Matched,
    RegisteredDefinition,
    RunInput,
    Verdict,
    workflow_id,
)
from taskfactory.envelope import CHAIN, EventEnvelope, Trigger
from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.in_force import InForce
from taskfactory.intake.reading import NoEvent, ReadEvent, ReadResult
from taskfactory.intake.records import Record

TOO_MANY_HOPS: Final = "too_many_hops"
"""The reason of a dead letter whose definition takes the event, were it not for the length of its chain."""


@dataclass(frozen=True, slots=True)
class DecisionLimits:
    """Bounds beyond which a match is dead-lettered."""

    max_hops: int
    """Reactions between an event and the first of its chain; an event that has come further starts nothing."""


@dataclass(frozen=True, slots=True)
class StartRun:
    """Start this run for this definition."""

    run: RunInput
    definition: RegisteredDefinition


@dataclass(frozen=True, slots=True)
class Paused:
    """The definition matched, and is paused: the record can be replayed for it later."""

    run: RunInput
    """What would have been started."""
    definition: RegisteredDefinition


@dataclass(frozen=True, slots=True)
class BeforeActivation:
    """The definition matched, but the record is older than its activation: only a replay starts it."""

    definition: RegisteredDefinition


Decision = StartRun | DeadLetter | Paused | BeforeActivation


def decide(read: ReadEvent, in_force: InForce, limits: DecisionLimits) -> list[Decision]:
    """Everything that follows from an event, at most one decision per definition.

    Args:
        read: the event, and the record that it was read from.
        in_force: what is enabled.
        limits: what has come too far.
    """
    verdicts = in_force.definitions.evaluate(read.event, read.record.topic)
    decisions = (decision_of(verdict, read, in_force, limits) for verdict in verdicts)
    return [decision for decision in decisions if decision is not None]


def decisions_of(result: ReadResult, in_force: InForce, limits: DecisionLimits) -> Sequence[Decision]:
    """Everything that follows from what was read: of a broken record its dead letter, of one without event nothing."""
    match result:
        case ReadEvent():
            return decide(result, in_force, limits)
        case NoEvent():
            return []
        case DeadLetter():
            return [result]


def decision_of(verdict: Verdict, read: ReadEvent, in_force: InForce, limits: DecisionLimits) -> Decision | None:
    """What follows from one definition's verdict; None if the definition does not take the event."""
    match verdict:
        case EvaluationFailed(registered, code, message):
            return DeadLetter(read.record, code, message, registered)
        case Matched(registered):
            if _is_before(read.record, registered):
                return BeforeActivation(registered)
            if (read.envelope.hops or 0) > limits.max_hops:
                message = _chain_sentence(read.envelope, registered, limits)
                return DeadLetter(read.record, TOO_MANY_HOPS, message, registered)
            run = _run_input(read, verdict, in_force)
            return Paused(run, registered) if registered.paused else StartRun(run, registered)
    return None


def _is_before(record: Record, registered: RegisteredDefinition) -> bool:
    since = registered.active_since
    return since is not None and record.timestamp is not None and record.timestamp < since.timestamp() * 1000


def _chain_sentence(envelope: EventEnvelope, registered: RegisteredDefinition, limits: DecisionLimits) -> str:
    told = (envelope.model_extra or {}).get(CHAIN)
    names = str(told).split() if told else [envelope.source]
    return (
        f"the event is reaction number {envelope.hops} in its chain, {limits.max_hops} are allowed, and would start "
        f"{registered.definition.name} again or next: {' → '.join([*names, registered.definition.name])}. Narrow the "
        "match of a definition in it, or raise TASKFACTORY_MAX_HOPS if the chain is meant to be so long"
    )


def _run_input(read: ReadEvent, matched: Matched, in_force: InForce) -> RunInput:
    record, envelope = read.record, read.envelope
    registered, key = matched.registered, matched.key
    generation = in_force.generation(registered.id, key)
    return RunInput(
        run_id=workflow_id(registered.id, matched.run_key, generation),
        activity_id=registered.id,
        activity_name=registered.definition.name,
        version=registered.version,
        generation=generation,
        dedupe_strategy=key.strategy,
        dedupe_parts=list(key.parts),
        window=registered.definition.dedupe.window_seconds,
        trigger=Trigger(
            source=envelope.source,
            id=envelope.id,
            type=envelope.type,
            subject=envelope.subject,
            time=envelope.time,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        ),
        key=None if record.key is None else base64.b64encode(record.key).decode(),
        event=read.event,
    )
