"""Starting runs on Temporal, at most one per workflow id.

The start goes through the workflow service itself, not through `Client.start_workflow`: only the raw response says
whether the run is new (`started`), and only a request of our own keeps one request id over all attempts, so that an
attempt whose answer got lost is not mistaken for a duplicate.
"""

import uuid
from datetime import timedelta
from enum import StrEnum
from typing import Final, Protocol

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.converter import WorkflowSerializationContext, encode_search_attributes
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.definitions import RUN_WORKFLOW, RunInput
from taskfactory.intake.unavailable import Unavailable
from taskfactory.intake.visibility import details_of, search_attributes, summary_of
from taskfactory.runtime.payload_storage import PayloadStorageAway

RPC_TIMEOUT: Final = timedelta(seconds=10)
PAYLOAD_STORAGE: Final = "PAYLOAD_STORAGE"
"""What `Unavailable` calls the storage of large inputs when it is away."""


class Start(StrEnum):
    """What a successful start came to."""

    STARTED = "started"
    ALREADY_STARTED = "already_started"
    """A run with this id is running or has ended: a duplicate, refused."""


class Refused(Exception):  # noqa: N818 -- it says what happened
    """Temporal will never accept this run; others are not affected.

    Attributes:
        reason: a short stable code.
        message: a sentence, for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class Starter(Protocol):
    """What can start runs."""

    async def start(self, run: RunInput, request_id: str) -> Start:
        """Return when the run exists durably.

        Args:
            run: the run; `run.run_id` is unique for ever.
            request_id: the same for every attempt at one start.

        Raises:
            Unavailable: not now; try again.
            Refused: never.
        """


class TemporalStarter:
    """Starts `RunActivityWorkflow` executions."""

    def __init__(self, client: Client, queue: str, *, eager: bool, max_input_bytes: int) -> None:
        """Wrap a connected client.

        Args:
            client: whose data converter encodes the input.
            queue: the orchestrator's task queue.
            eager: ask for the first workflow task in the answer; of use if a worker for `queue` shares the client.
            max_input_bytes: a larger encoded input is refused, before it goes to the payload storage or to Temporal.
        """
        self._client = client
        self._queue = queue
        self._eager = eager
        self._max_input_bytes = max_input_bytes

    async def start(self, run: RunInput, request_id: str) -> Start:
        """See `Starter.start`."""
        request = await self._request(run, request_id)
        try:
            response = await self._client.workflow_service.start_workflow_execution(
                request,
                # One place decides about patience, and it tells readiness: `Dependency`. But the SDK (1.35) passes an
                # eager task on to the worker only where it retries too; otherwise the task is lost until it times out.
                retry=self._eager,
                timeout=RPC_TIMEOUT,
            )
        except RPCError as error:
            if error.status == RPCStatusCode.ALREADY_EXISTS:
                return Start.ALREADY_STARTED
            if _concerns_only_this_run(error):
                raise Refused("refused_by_temporal", error.message) from error
            raise Unavailable(error.status.name, error.message) from error
        return Start.STARTED if response.started else Start.ALREADY_STARTED

    async def _request(self, run: RunInput, request_id: str) -> StartWorkflowExecutionRequest:
        client = self._client
        converter = client.data_converter.with_context(
            WorkflowSerializationContext(namespace=client.namespace, workflow_id=run.run_id)
        )
        [whole] = converter.payload_converter.to_payloads([run])
        size = whole.ByteSize()
        if size > self._max_input_bytes:
            raise Refused(
                "run_input_too_large",
                f"the run's input takes {size} bytes encoded, {self._max_input_bytes} are allowed: send a smaller "
                "event that points at its data, or raise TASKFACTORY_MAX_RUN_INPUT_BYTES",
            )
        try:
            payloads = await converter.encode([RawValue(whole)])
        except PayloadStorageAway as away:
            raise Unavailable(PAYLOAD_STORAGE, away.reason) from away
        request = StartWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_id=run.run_id,
            input=Payloads(payloads=payloads),
            identity=client.identity,
            request_id=request_id,
            workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
            workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
            request_eager_execution=self._eager,
        )
        request.workflow_type.name = RUN_WORKFLOW
        request.task_queue.name = self._queue
        encode_search_attributes(search_attributes(run), request.search_attributes)
        summary, details = converter.payload_converter.to_payloads([summary_of(run), details_of(run)])
        request.user_metadata.summary.CopyFrom(summary)
        request.user_metadata.details.CopyFrom(details)
        return request


def new_request_id() -> str:
    """An id for one start and all its attempts. Not derived: a redelivered record is a duplicate, not a repeat."""
    return str(uuid.uuid4())


def _concerns_only_this_run(error: RPCError) -> bool:
    """Whether another run could succeed where this one failed.

    An unregistered search attribute is reported as an invalid argument too, but concerns every run: `taskfactory
    migrate` has not been here yet, and nothing may be dead-lettered for that.
    """
    return error.status == RPCStatusCode.INVALID_ARGUMENT and "search attribute" not in error.message.lower()
