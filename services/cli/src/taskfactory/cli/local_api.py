"""The Admin API in this process: found by its entry point, since the command line imports no service."""

import getpass
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib import metadata
from typing import Final

import httpx
import structlog

from taskfactory.cli.errors import BadInput, OperationFailed
from taskfactory.cli.variables import settings_problems

GROUP: Final = "taskfactory.api"
"""Its `local` makes the API in this process: `(login) -> AbstractAsyncContextManager[httpx.AsyncClient]`."""


@asynccontextmanager
async def local_api() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API that this process brings along, as `local:<login>`.

    Raises:
        BadInput: one of its settings is wrong.
        OperationFailed: none is installed.
    """
    entry = next(iter(metadata.entry_points(group=GROUP, name="local")), None)
    if entry is None:
        raise OperationFailed(
            "TASKFACTORY_API_URL is not set, and no Admin API is installed here to be brought along.",
            "Set it, or install taskfactory-admin.",
        )
    bring_along: Callable[[str], AbstractAsyncContextManager[httpx.AsyncClient]] = entry.load()
    _log_errors_only()
    async with AsyncExitStack() as opened:
        try:
            client = await opened.enter_async_context(bring_along(getpass.getuser()))
        except ValueError as error:
            raise BadInput(settings_problems(error) or [f"TASKFACTORY_DATABASE_URL: {error}"]) from error
        yield client


def _log_errors_only() -> None:
    """A command's output is its answer: a line for every request belongs into a server's log, not here."""
    structlog.configure(
        # Without the values of variables, among which may be secrets.
        processors=[
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
