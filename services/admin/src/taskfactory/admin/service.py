"""The wiring of the Admin API: what it is made of, in which order that starts and ends."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from functools import cached_property
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp
from temporalio.client import Client

from taskfactory.admin.app import bound_threads, build_app
from taskfactory.admin.authentication.bearer import authenticator
from taskfactory.admin.services import Services
from taskfactory.admin.settings import AdminSettings
from taskfactory.intake import Unavailable
from taskfactory.registry import open_engine
from taskfactory.runtime import Shared

PORT_HINT: Final = "something else listens there: set TASKFACTORY_API_PORT, 0 takes any free one"
BACKLOG: Final = 512
CONNECT_SECONDS: Final = 2.0
KEEP_ALIVE_SECONDS: Final = 65
"""Longer than proxies keep idle connections, so that it is they who close them."""

log = structlog.get_logger("taskfactory.admin")


class Admin:
    """Serves the Admin API."""

    name = "admin"

    @cached_property
    def settings(self) -> AdminSettings:
        """Read from the environment, once."""
        return AdminSettings()

    async def run(self, shared: Shared) -> None:
        """Serve until asked to stop; then let requests under way end, and close.

        The API answers while Temporal or Kafka are away; what needs them is answered with 503.

        Raises:
            OSError: the port is taken or may not be bound.
        """
        settings = self.settings
        listening = bound(settings.api_host, settings.api_port)
        async with AsyncExitStack() as opened:
            opened.callback(listening.close)
            engine = open_engine(settings.database_url.get_secret_value(), pool_size=settings.api_threads)
            opened.callback(engine.dispose)
            connecting = asyncio.create_task(shared.temporal(settings))
            opened.callback(connecting.cancel)
            known = await opened.enter_async_context(authenticator(settings, engine))
            bound_threads(settings.api_threads)
            app = build_app(Services(settings, engine, _once_connected(connecting, settings)), known)
            await _serve(app, listening, settings.drain_timeout, shared)


class _Server(uvicorn.Server):
    """Leaves signals to the process, which has other services too."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bound(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        OSError: the port is taken or may not be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as taken:
        log.error("start_failed", error=str(taken), api_host=host, api_port=port, hint=PORT_HINT)
        raise


async def _serve(app: ASGIApp, listening: socket.socket, drain_timeout: float, shared: Shared) -> None:
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, int(drain_timeout)),
    )
    server = _Server(config)
    host, port = listening.getsockname()[:2]
    shared.health.add_check("admin", lambda: None if server.started else "not serving yet")
    log.info("serving_api", host=host, port=port)
    serving = asyncio.create_task(server.serve([listening]))
    stopping = asyncio.create_task(shared.stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
    finally:
        stopping.cancel()
        serving.cancel()


def _once_connected(
    connecting: "asyncio.Task[Client | None]", settings: AdminSettings
) -> Callable[[], Awaitable[Client]]:
    """The process's client, which the process itself connects: a request waits for it only for a moment."""

    async def client() -> Client:
        await asyncio.wait({connecting}, timeout=CONNECT_SECONDS)
        found = connecting.result() if connecting.done() else None
        if found is None:
            raise Unavailable("UNAVAILABLE", f"Temporal at {settings.temporal_address} does not answer")
        return found

    return client
