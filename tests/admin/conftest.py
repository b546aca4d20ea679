"""The Admin API in this process, on a migrated database of the real PostgreSQL."""

import io
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from taskfactory.admin.app import build_app
from taskfactory.admin.authentication.bearer import authenticator
from taskfactory.admin.local import local_api
from taskfactory.admin.services import Services
from taskfactory.admin.settings import AdminSettings
from taskfactory.admin.temporal import LazyTemporal
from taskfactory.registry import ApiKeys, migrate, open_engine
from taskfactory.runtime.logs import configure_logs


@pytest.fixture(scope="session")
def database(stack: Any) -> str:
    url: str = stack.database()
    opened = open_engine(url)
    migrate(opened)
    opened.dispose()
    return url


@pytest.fixture(scope="session")
def engine(database: str) -> Iterator[Engine]:
    opened = open_engine(database, pool_size=20)
    yield opened
    opened.dispose()


@pytest.fixture
def environment(stack: Any, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings' variables point at the stack, and at this session's database."""
    for name, value in (stack.endpoints.env() | {"TASKFACTORY_DATABASE_URL": database}).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def api(environment: None) -> AsyncIterator[httpx.AsyncClient]:
    """The API as `local:tester`, with every role."""
    async with local_api("tester") as client:
        yield client


@pytest.fixture
async def own_api(stack: Any, environment: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """The same on a database that no other test has."""
    url = stack.database()
    opened = open_engine(url)
    migrate(opened)
    opened.dispose()
    monkeypatch.setenv("TASKFACTORY_DATABASE_URL", url)
    async with local_api("tester") as client:
        yield client


@asynccontextmanager
async def served(engine: Engine, settings: AdminSettings) -> AsyncIterator[FastAPI]:
    """The app as its service makes it, with keys and tokens; requests go to it through `client_of`."""
    async with authenticator(settings, engine) as known:
        yield build_app(Services(settings, engine, LazyTemporal(settings)), known)


def client_of(app: FastAPI, token: str | None = None) -> httpx.AsyncClient:
    """A client with these credentials, or without any."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers)


@pytest.fixture
def log() -> Iterator[Callable[[], str]]:
    """What has been logged until it is asked, at every level, as a process writes it."""
    root, own_client = logging.getLogger(), logging.getLogger("httpx")
    before, level = root.handlers[:], root.level
    configure_logs("json", "debug")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    written = io.StringIO()
    handler.setStream(written)
    root.handlers[:] = [*before, handler]
    own_client.setLevel(logging.WARNING)
    yield written.getvalue
    root.removeHandler(handler)
    root.setLevel(level)
    own_client.setLevel(logging.NOTSET)


@pytest.fixture
def keys(engine: Engine) -> ApiKeys:
    return ApiKeys(engine)
