"""What a past run was started with: from Temporal while that remembers it, from the event's record afterwards."""

import sys
from collections.abc import Sequence
from typing import Final

from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import DataConverter, WorkflowSerializationContext
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.definitions import DefinitionSet, RegisteredDefinition, RunInput, run_id_in_generation
from taskfactory.envelope import Trigger
from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.decisions import DecisionLimits, StartRun, decide
from taskfactory.intake.history import History, UnknownTopic
from taskfactory.intake.in_force import InForce
from taskfactory.intake.positions import AtOffset
from taskfactory.intake.records import Record
from taskfactory.registry import PastRun

NO_LIMITS: Final = DecisionLimits(max_event_bytes=sys.maxsize, max_hops=sys.maxsize)
"""The record was taken once; limits that were set since are none of its business."""


class InputGone(Exception):  # noqa: N818 -- it says what happened
    """Nothing that is still there says what the run was started with.

    Attributes:
        reason: why not, for people.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def input_in_temporal(client: Client, run_id: str) -> RunInput | None:
    """The input of a run's execution; None when Temporal has forgotten it, or has it in a form not read here.

    Raises:
        RPCError: Temporal did not answer.
    """
    converter = client.data_converter.with_context(
        WorkflowSerializationContext(namespace=client.namespace, workflow_id=run_id)
    )
    try:
        async for event in client.get_workflow_handle(run_id).fetch_history_events(page_size=1):
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            return await _decoded(converter, payloads[:1])
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
    return None


async def _decoded(converter: DataConverter, payloads: Sequence[Payload]) -> RunInput | None:
    try:
        (run,) = await converter.decode(payloads, [RunInput])
        return RunInput.model_validate(run)
    except (RuntimeError, ValueError):  # the SDK's word for a payload that is none of the type, and Pydantic's
        return None


def is_trigger_of(trigger: Trigger, run: PastRun) -> bool:
    """Whether it is the event that started the run, wherever it was read."""
    return (trigger.source, trigger.id) == (run.trigger.source, run.trigger.id)


def record_of(history: History, run: PastRun) -> Record:
    """The record that started the run, at its coordinates.

    Raises:
        InputGone: it is not there any more.
        KafkaException: the cluster did not answer.
    """
    trigger = run.trigger
    if trigger.topic is None or trigger.partition is None or trigger.offset is None:
        raise InputGone("Temporal has forgotten the run, and its event was not read from a topic")
    place = f"{trigger.topic}/{trigger.partition}/{trigger.offset}"
    try:
        spans = history.spans(
            trigger.topic, AtOffset(trigger.offset), AtOffset(trigger.offset + 1), [trigger.partition]
        )
    except UnknownTopic as unknown:
        raise InputGone(f"Temporal has forgotten the run, and {unknown}") from unknown
    records = [record for batch in history.read(spans) for record in batch]
    if not records:
        raise InputGone(f"Temporal has forgotten the run, and there is no record at {place} any more")
    return records[0]


def input_in_record(record: Record, run: PastRun, version: RegisteredDefinition) -> RunInput:
    """What ingress made of the record when it started the run. Pure.

    Args:
        record: at the run's coordinates.
        run: whose input it is.
        version: the definition's version that ran.

    Raises:
        InputGone: the record is not the one that started the run.
    """
    place = f"{record.topic}/{record.partition}/{record.offset}"
    for decision in decide(record, InForce(0, DefinitionSet([version])), NO_LIMITS):
        if isinstance(decision, DeadLetter):
            raise InputGone(f"the record at {place} can't be read any more: {decision.message}")
        if isinstance(decision, StartRun):
            run_id = run_id_in_generation(decision.run.run_id, 1, run.generation)
            if run_id == run.run_id and is_trigger_of(decision.run.trigger, run):
                return decision.run.model_copy(update={"run_id": run_id, "generation": run.generation})
    raise InputGone(f"Temporal has forgotten the run, and the record at {place} is another event's now")
