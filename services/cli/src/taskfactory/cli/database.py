"""The registry's database for the length of one command, and what to say when it does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from psycopg import errors as postgres
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from taskfactory.cli.errors import BadInput, OperationFailed
from taskfactory.cli.variables import reaching
from taskfactory.registry import Refused, open_engine
from taskfactory.runtime.settings import DatabaseSettings, masked

NOT_MIGRATED: Final = (postgres.UndefinedTable, postgres.UndefinedColumn, postgres.UndefinedFunction)
"""What a query meets in a database without our tables, or with those of an older version."""


@contextmanager
def registry(settings: DatabaseSettings) -> Iterator[Engine]:
    """An engine that is closed after the block.

    Raises:
        BadInput: the database URL is none.
        OperationFailed: within the block, the database could not be reached, refused, or has not been migrated.
    """
    where = masked("database_url", settings.database_url)
    try:
        engine = open_engine(settings.database_url.get_secret_value())
    except ValueError as error:
        raise BadInput([f"TASKFACTORY_DATABASE_URL: {error}"]) from None
    try:
        yield engine
    except Refused as error:
        raise BadInput([f"{error}"]) from error
    except DBAPIError as error:
        if isinstance(error.orig, NOT_MIGRATED):
            raise OperationFailed(
                f"The database at {where} lacks tables of this version.", "Run `taskfactory migrate` first."
            ) from error
        said = str(error.orig).splitlines()[0]
        if error.connection_invalidated or isinstance(error.orig, postgres.OperationalError):
            raise OperationFailed(
                f"PostgreSQL at {where} could not be used: {said}.",
                reaching("TASKFACTORY_DATABASE_URL"),
            ) from error
        raise OperationFailed(f"PostgreSQL at {where} refused: {said}.") from error
    except PoolTimeout as error:
        raise OperationFailed(f"PostgreSQL at {where} gave no connection in time: {error}.") from error
    finally:
        engine.dispose()
