"""The Admin API in this process, on a migrated database of the real PostgreSQL."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from taskfactory.admin.local import local_api
from taskfactory.registry import migrate, open_engine


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
