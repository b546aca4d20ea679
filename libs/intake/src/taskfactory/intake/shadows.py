"""What shadow versions make of an event, beside what the active versions decided. Pure; nothing follows from it."""

from collections.abc import Sequence

from taskfactory.definitions import DedupeKey, EvaluationFailed, Filtered, Matched, RegisteredDefinition, Verdict
from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.decisions import TOO_MANY_HOPS, Decision, Paused, StartRun
from taskfactory.intake.in_force import InForce
from taskfactory.intake.reading import ReadEvent
from taskfactory.registry import ShadowMatch, ShadowVerdict


def shadow_matches(read: ReadEvent, in_force: InForce, decisions: Sequence[Decision]) -> list[ShadowMatch]:
    """One entry for each definition with a shadow version of which either version takes the event, or fails.

    What the active versions made of it is not evaluated again: it is what was decided.

    Args:
        read: the event, and the record that it was read from.
        in_force: what decided.
        decisions: what was decided about the event.
    """
    if not in_force.shadows:
        return []
    verdicts = {each.registered.id: each for each in in_force.shadows.evaluate(read.event, read.record.topic)}
    active = {each.definition.id: each for each in decisions if each.definition is not None}
    failed_or_matched = {each: verdict for each, verdict in verdicts.items() if not isinstance(verdict, Filtered)}
    found = []
    for identity in dict.fromkeys([*failed_or_matched, *active]):
        shadow = in_force.shadows.get(identity)
        if shadow is not None:
            found.append(_compared(read, shadow, verdicts.get(identity), active.get(identity)))
    return found


def _compared(
    read: ReadEvent, shadow: RegisteredDefinition, verdict: Verdict | None, decision: Decision | None
) -> ShadowMatch:
    key = verdict.key if isinstance(verdict, Matched) else None
    return ShadowMatch(
        definition_id=shadow.id,
        version=shadow.version,
        topic=read.record.topic,
        partition=read.record.partition,
        offset=read.record.offset,
        verdict=_said(verdict),
        active_version=None if decision is None or decision.definition is None else decision.definition.version,
        active_verdict=_decided(decision),
        event_source=read.envelope.source,
        event_id=read.envelope.id,
        event_type=read.envelope.type,
        dedupe_key=() if key is None else key.parts,
        same_key=_same(key, decision),
        message=_trouble(verdict, decision),
    )


def _said(verdict: Verdict | None) -> ShadowVerdict:
    if isinstance(verdict, EvaluationFailed):
        return "error"
    return "matched" if isinstance(verdict, Matched) else "none"


def _decided(decision: Decision | None) -> ShadowVerdict:
    if decision is None:
        return "none"
    return "error" if _is_failure(decision) else "matched"


def _is_failure(decision: Decision | None) -> bool:
    """Whether the version could not say; of an event that has come too far, it could."""
    return isinstance(decision, DeadLetter) and decision.reason != TOO_MANY_HOPS


def _same(key: DedupeKey | None, decision: Decision | None) -> bool | None:
    if key is None or not isinstance(decision, StartRun | Paused):
        return None
    run = decision.run
    return DedupeKey(run.dedupe_strategy, tuple(run.dedupe_parts)) == key


def _trouble(verdict: Verdict | None, decision: Decision | None) -> str | None:
    if isinstance(verdict, EvaluationFailed):
        return f"shadow version: {verdict.code}: {verdict.message}"
    if isinstance(decision, DeadLetter) and _is_failure(decision):
        return f"active version: {decision.reason}: {decision.message}"
    return None
