"""A migrated database that all tests of the registry share (each has activities of its own), and empty ones."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from taskfactory.registry import DefinitionStore, RunReader, RunStore, migrate, open_engine


@pytest.fixture(scope="session")
def engine(stack: Any) -> Iterator[Engine]:
    opened = open_engine(stack.database(), pool_size=30)
    migrate(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def fresh_engine(stack: Any) -> Iterator[Engine]:
    """An empty database, not migrated."""
    opened = open_engine(stack.database())
    yield opened
    opened.dispose()


@pytest.fixture(scope="session")
def store(engine: Engine) -> RunStore:
    return RunStore(engine)


@pytest.fixture(scope="session")
def reader(engine: Engine) -> RunReader:
    return RunReader(engine)


@pytest.fixture(scope="session")
def definitions(engine: Engine) -> DefinitionStore:
    return DefinitionStore(engine)


@pytest.fixture
def activity_id() -> str:
    return str(uuid4())


Sql = Callable[..., list[Any]]


@pytest.fixture
def sql(engine: Engine) -> Sql:
    """Run a statement, give its rows."""

    def run(statement: str, **parameters: Any) -> list[Any]:
        with engine.begin() as connection:
            result = connection.execute(text(statement), parameters)
            return [tuple(row) for row in result] if result.returns_rows else []

    return run
