"""Whether an execution is open, as Temporal says."""

from typing import Literal

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

ExecutionStatus = Literal["open", "closed", "unknown"]


async def execution_status(client: Client, workflow_id: str) -> ExecutionStatus:
    """How the newest execution of a workflow id stands; `unknown` if Temporal has none.

    Raises:
        RPCError: Temporal did not answer.
    """
    try:
        described = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return "unknown"
    return "open" if described.status == WorkflowExecutionStatus.RUNNING else "closed"
