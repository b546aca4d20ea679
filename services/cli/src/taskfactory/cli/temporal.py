"""Temporal for the length of one command, and what to say when it does not answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.client import Client
from temporalio.service import RPCError

from taskfactory.cli.errors import OperationFailed
from taskfactory.cli.settings import reaching
from taskfactory.intake import Unavailable
from taskfactory.runtime.settings import TemporalSettings
from taskfactory.runtime.temporal import connect, connection_error


@asynccontextmanager
async def temporal(settings: TemporalSettings) -> AsyncIterator[Client]:
    """A connected client.

    Raises:
        OperationFailed: Temporal does not answer, or refuses something within the block.
    """
    try:
        yield await connect(settings)
    except (RuntimeError, RPCError, Unavailable) as error:
        raise OperationFailed(
            f"Temporal at {settings.temporal_address} could not be used: {connection_error(error)}.",
            reaching("TASKFACTORY_TEMPORAL_ADDRESS", " and its credentials"),
        ) from error
