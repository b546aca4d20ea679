"""Temporal's client for endpoints: connected to when a request first needs it, again and again until it answers."""

import asyncio

from temporalio.client import Client

from taskfactory.intake import Unavailable
from taskfactory.runtime.settings import TemporalSettings
from taskfactory.runtime.temporal import connect, connection_error


class LazyTemporal:
    """A process's one client."""

    def __init__(self, settings: TemporalSettings) -> None:
        """Remember where Temporal is."""
        self._settings = settings
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def __call__(self) -> Client:
        """The client.

        Raises:
            Unavailable: Temporal does not answer, or refuses the credentials.
        """
        async with self._connecting:
            if self._client is None:
                try:
                    self._client = await connect(self._settings)
                except (RuntimeError, OSError) as error:
                    address = self._settings.temporal_address
                    raise Unavailable(
                        "UNAVAILABLE", f"Temporal at {address} could not be used: {connection_error(error)}"
                    ) from error
            return self._client
