"""Temporal for the length of one command, and what to say when it does not answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.client import Client
from temporalio.service import RPCError

from taskfactory.cli.away import temporal_away, told_when_away
from taskfactory.cli.errors import OperationFailed
from taskfactory.cli.settings import CliSettings
from taskfactory.intake import TemporalStarter
from taskfactory.runtime.temporal import connect, connection_error


@asynccontextmanager
async def temporal(settings: CliSettings) -> AsyncIterator[Client]:
    """A connected client.

    Raises:
        OperationFailed: Temporal does not answer, or something within the block is away.
    """
    try:
        with told_when_away(settings):
            yield await _connected(settings)
    except RPCError as error:
        raise OperationFailed(*temporal_away(settings, connection_error(error))) from error


async def _connected(settings: CliSettings) -> Client:
    try:
        return await connect(settings)
    except (RuntimeError, OSError) as error:  # a server that is away; a certificate that can't be read
        raise OperationFailed(*temporal_away(settings, connection_error(error))) from error


def starter(client: Client, settings: CliSettings) -> TemporalStarter:
    """What starts runs as ingress does."""
    return TemporalStarter(
        client, settings.orchestrator_queue, eager=False, max_input_bytes=settings.max_run_input_bytes
    )
