"""What to do about one record: decode, match, and say it. Pure.

A record of which nothing follows is one that no definition matched. Trouble with the record itself is one dead letter;
trouble of one definition with it is a dead letter of that definition alone (architecture, I7).
"""

import base64
from dataclasses import dataclass

from taskfactory.definitions import (
    DefinitionSet,
    EvaluationFailed,
    Matched,
    RegisteredDefinition,
    RunInput,
    workflow_id,
)
from taskfactory.envelope import EventEnvelope, InvalidEnvelope, Trigger, decode
from taskfactory.ingress.dead_letters import DeadLetter
from taskfactory.ingress.records import Record


@dataclass(frozen=True, slots=True)
class StartRun:
    """Start this run for this definition."""

    run: RunInput
    definition: RegisteredDefinition


Decision = StartRun | DeadLetter


def decide(record: Record, definitions: DefinitionSet, max_event_bytes: int) -> list[Decision]:
    """Everything that follows from a record, at most one decision per definition.

    Args:
        record: as it was consumed.
        definitions: what is enabled.
        max_event_bytes: a larger value is not even decoded.
    """
    size = len(record.value or b"")
    if size > max_event_bytes:
        return [DeadLetter(record, "too_large", f"the value has {size} bytes, {max_event_bytes} are allowed")]
    try:
        envelope = decode(record.value, record.headers, record.key)
    except InvalidEnvelope as error:
        place = f"{error.field}: " if error.field else ""
        return [DeadLetter(record, error.code, f"{place}{error.message}")]
    event = envelope.to_json_dict()
    decisions: list[Decision] = []
    for verdict in definitions.evaluate(event, record.topic):
        match verdict:
            case Matched():
                decisions.append(StartRun(_run_input(record, envelope, event, verdict), verdict.registered))
            case EvaluationFailed(registered, code, message):
                decisions.append(DeadLetter(record, code, message, registered))
    return decisions


def _run_input(record: Record, envelope: EventEnvelope, event: dict[str, object], matched: Matched) -> RunInput:
    registered, key = matched.registered, matched.key
    return RunInput(
        run_id=workflow_id(registered.id, key),
        activity_id=registered.id,
        activity_name=registered.definition.name,
        version=registered.version,
        dedupe_strategy=key.strategy,
        dedupe_parts=list(key.parts),
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
        event=event,
    )
