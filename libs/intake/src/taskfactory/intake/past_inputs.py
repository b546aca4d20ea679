"""What a past run was started with: as Temporal remembers it, or made again of the event."""

import sys
from collections.abc import Sequence
from typing import Final

from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import DataConverter, WorkflowSerializationContext
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.definitions import DefinitionSet, RegisteredDefinition, RunInput, run_id_in_generation
from taskfactory.envelope import Trigger
from taskfactory.intake.decisions import DecisionLimits, StartRun, decide
from taskfactory.intake.in_force import InForce
from taskfactory.intake.reading import ReadEvent
from taskfactory.intake.records import Record
from taskfactory.intake.starter import PAYLOAD_STORAGE
from taskfactory.intake.unavailable import Unavailable
from taskfactory.registry import PastRun
from taskfactory.runtime.payload_storage import PayloadStorageAway

NO_LIMITS: Final = DecisionLimits(max_hops=sys.maxsize)
"""The event was taken once; limits that were set since are none of its business."""


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
        Unavailable: the payload storage, where a large input is kept, did not.
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
    except PayloadStorageAway as away:
        raise Unavailable(PAYLOAD_STORAGE, away.reason) from away
    except (
        RuntimeError,
        ValueError,
    ):  # it is lost from the payload storage; the SDK's word for a payload that is none of the type, and Pydantic's
        return None


def is_trigger_of(trigger: Trigger, run: PastRun) -> bool:
    """Whether it is the event that started the run, wherever it was read."""
    return (trigger.source, trigger.id) == (run.trigger.source, run.trigger.id)


def input_in_event(read: ReadEvent, run: PastRun, version: RegisteredDefinition) -> RunInput:
    """What ingress made of the event when it started the run. Pure.

    Args:
        read: the event in the record at the run's coordinates.
        run: whose input it is.
        version: the definition's version that ran.

    Raises:
        InputGone: the event is not the one that started the run.
    """
    for decision in decide(read, InForce(0, DefinitionSet([version])), NO_LIMITS):
        if isinstance(decision, StartRun):
            run_id = run_id_in_generation(decision.run.run_id, 1, run.generation)
            if run_id == run.run_id and is_trigger_of(decision.run.trigger, run):
                return decision.run.model_copy(update={"run_id": run_id, "generation": run.generation})
    raise InputGone(f"the record at {place_of(read.record)} is another event's now")


def place_of(record: Record) -> str:
    """Where the record lies, for people."""
    return f"{record.topic}/{record.partition}/{record.offset}"
