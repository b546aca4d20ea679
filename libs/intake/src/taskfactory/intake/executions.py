"""Which runs Temporal knows: asked afterwards, about runs of which the registry knows nothing."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final, Protocol

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.intake.unavailable import Unavailable

RPC_TIMEOUT: Final = timedelta(seconds=10)
CONCURRENCY: Final = 32


class Execution(StrEnum):
    """How the newest execution of a run stands."""

    OPEN = "open"
    COMPLETED = "completed"
    STOPPED = "stopped"
    """Terminated, cancelled, failed or timed out: what the reconciler settles, or starts again."""


class Executions(Protocol):
    """What can say which runs are known to Temporal."""

    async def find(self, run_ids: Collection[str]) -> Mapping[str, Execution | None]:
        """An answer for each run; None for one that was never started, or that Temporal has forgotten.

        Raises:
            Unavailable: Temporal does not answer, or has no such namespace.
        """


class TemporalExecutions:
    """Asks Temporal, a bounded number of questions at a time."""

    def __init__(self, client: Client) -> None:
        """Wrap a connected client."""
        self._client = client
        self._turns = asyncio.Semaphore(CONCURRENCY)

    async def find(self, run_ids: Collection[str]) -> Mapping[str, Execution | None]:
        """See `Executions.find`."""
        ids = list(run_ids)
        return dict(zip(ids, await asyncio.gather(*map(self._one, ids)), strict=True))

    async def _one(self, run_id: str) -> Execution | None:
        request = DescribeWorkflowExecutionRequest(
            namespace=self._client.namespace, execution=WorkflowExecution(workflow_id=run_id)
        )
        async with self._turns:
            try:
                answer = await self._client.workflow_service.describe_workflow_execution(
                    request, retry=True, timeout=RPC_TIMEOUT
                )
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND and not _of_namespace(error):
                    return None
                raise Unavailable(error.status.name, error.message) from error
        match answer.workflow_execution_info.status:
            case (
                WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
                | WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW
            ):
                return Execution.OPEN
            case WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED:
                return Execution.COMPLETED
        return Execution.STOPPED


def _of_namespace(error: RPCError) -> bool:
    """Whether it is the namespace that was not found: then nothing is known of any run."""
    return any(detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details)
