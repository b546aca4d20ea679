"""The API without a port: for commands that bring it along, against the servers of their own settings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx

from taskfactory.admin.app import bound_threads, build_app
from taskfactory.admin.authentication.local import Local
from taskfactory.admin.services import Services
from taskfactory.admin.settings import AdminSettings
from taskfactory.admin.temporal import LazyTemporal
from taskfactory.registry import open_engine

BASE_URL: Final = "http://taskfactory.local"
"""No name that is ever looked up: requests don't leave the process."""


@asynccontextmanager
async def local_api(login: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API of this process, as `local:<login>` with every role.

    Nothing is connected to before a request needs it.

    Args:
        login: who is to stand in the audit trail.

    Raises:
        ValueError: a setting can't be used.
    """
    settings = AdminSettings()
    engine = open_engine(settings.database_url.get_secret_value(), pool_size=settings.api_threads)
    try:
        bound_threads(settings.api_threads)
        app = build_app(Services(settings, engine, LazyTemporal(settings)), Local(login))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        # Requests take as long as they take: whoever calls sees them end, or interrupts them.
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL, timeout=None) as client:  # noqa: S113
            yield client
    finally:
        engine.dispose()
