"""Temporal for the length of one command, and what to say when it does not answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.cli.away import temporal_away, told_when_away
from taskfactory.cli.errors import OperationFailed
from taskfactory.cli.settings import CliSettings
from taskfactory.intake import TemporalStarter
from taskfactory.runtime.temporal import connect, connection_error

ANSWER_TIME: Final = timedelta(seconds=10)
NO_RUN: Final = "taskfactory-no-run"
"""A workflow id that no run has."""


@asynccontextmanager
async def temporal(settings: CliSettings, *, prepared: bool = True) -> AsyncIterator[Client]:
    """A connected client.

    Args:
        settings: where Temporal is.
        prepared: the namespace has to exist.

    Raises:
        OperationFailed: Temporal does not answer, has no such namespace, or something within the block is away.
    """
    try:
        with told_when_away(settings):
            client = await _connected(settings)
            if prepared:
                await _require_namespace(client, settings)
            yield client
    except RPCError as error:
        raise OperationFailed(*temporal_away(settings, connection_error(error))) from error


async def _connected(settings: CliSettings) -> Client:
    try:
        return await connect(settings)
    except (RuntimeError, OSError) as error:  # a server that is away; a certificate that can't be read
        raise OperationFailed(*temporal_away(settings, connection_error(error))) from error


async def _require_namespace(client: Client, settings: CliSettings) -> None:
    """Where there is no namespace, "not found" would be taken for "never started".

    Asked for by a question that every key to a namespace may ask.
    """
    nobody = DescribeWorkflowExecutionRequest(
        namespace=client.namespace, execution=WorkflowExecution(workflow_id=NO_RUN)
    )
    try:
        await client.workflow_service.describe_workflow_execution(nobody, timeout=ANSWER_TIME)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        if any(detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details):
            raise OperationFailed(
                f"Temporal at {settings.temporal_address} has no namespace {client.namespace!r}.",
                "`taskfactory migrate` creates it; TASKFACTORY_TEMPORAL_NAMESPACE names another.",
            ) from error


def starter(client: Client, settings: CliSettings) -> TemporalStarter:
    """What starts runs as ingress does."""
    return TemporalStarter(
        client, settings.orchestrator_queue, eager=False, max_input_bytes=settings.max_run_input_bytes
    )
