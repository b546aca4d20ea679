"""Queries to the databases that operators have named.

What stands between a query and harm, from the inside out:

- It goes as one statement with bound parameters (PostgreSQL's extended protocol) into DECLARE CURSOR, which takes
  nothing but a SELECT or VALUES, without writing parts.
- The transaction is read-only, the session too; both end with the query.
- Time, rows and bytes are bounded, on the server and here.
- The role must not be a superuser. Its rights are the real wall: a function that it may call is called.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from taskfactory.orchestrator.context.connections import SqlConnection
from taskfactory.orchestrator.context.references import resolve
from taskfactory.orchestrator.context.sql_values import plain
from taskfactory.orchestrator.context.trouble import ContextTrouble

BATCH: Final = 100
"""Rows that are read at once, at most; the first batch is one row, and each is about as large as all before it."""

_SUPERUSER: Final = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
_RETRYABLE_CLASSES: Final = ("08", "40", "53", "55", "57", "58")
"""Connection, rollback, resources, locks, intervention, system (PostgreSQL, appendix A)."""
_ABOUT_THE_QUERY: Final = ("0A", "25", "42")
"""What is said here is about the query's text, the transaction and rights; other messages may repeat data."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to ask, and how much of it."""

    text: str
    """With `%(name)s` for parameters."""
    params: Mapping[str, Any]
    """JSON values."""
    timeout: float
    """Seconds."""
    max_rows: int
    max_bytes: int
    single: bool
    """One row instead of a list."""


class SqlFetcher:
    """Asks databases. Used from one event loop."""

    def __init__(self) -> None:
        """Nothing is connected before it is asked."""
        self._room: dict[str, asyncio.Semaphore] = {}

    async def fetch(self, name: str, connection: SqlConnection, query: Query) -> Any:
        """The rows as mappings; with `single` the one row, None when there is none.

        Args:
            name: the connection's.
            connection: where the database is.
            query: the author's; the connection's limits hold too.

        Raises:
            ContextTrouble: there is no value.
        """
        seconds = min(query.timeout, connection.timeout)
        room = self._room.setdefault(name, asyncio.Semaphore(connection.max_connections))
        try:
            async with asyncio.timeout(seconds), room, _session(name, connection, seconds) as session:
                rows = await _read(name, session, query, min(query.max_bytes, connection.max_bytes), connection)
        except TimeoutError as error:
            message = f"connection {name}: no whole answer within {seconds:g} s"
            raise ContextTrouble("Timeout", message, retryable=True) from error
        except psycopg.Error as error:
            raise _trouble(name, error) from error
        if not query.single:
            return rows
        if len(rows) > 1:
            raise ContextTrouble("TooManyRows", f"connection {name}: found more than one row; single allows one")
        return rows[0] if rows else None


@asynccontextmanager
async def _session(name: str, connection: SqlConnection, seconds: float) -> AsyncIterator[psycopg.AsyncConnection]:
    milliseconds = max(1, int(seconds * 1000))
    settings = {
        "default_transaction_read_only": "on",
        "statement_timeout": milliseconds,
        "lock_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,
    }
    url = resolve(connection.url)
    try:
        session = await psycopg.AsyncConnection.connect(
            url,
            application_name="taskfactory-context",
            connect_timeout=max(1, int(seconds)),
            options=" ".join(f"-c {setting}={value}" for setting, value in settings.items()),
        )
    except psycopg.ProgrammingError as error:  # the message repeats the URL, password and all
        message = f"connection {name}: its url can't be read; expected postgresql://user:password@host:port/database"
        raise ContextTrouble("Misconfigured", message, retryable=True) from error.with_traceback(None)
    except psycopg.OperationalError as error:  # the message names hosts and roles, which are the operator's
        message = f"connection {name}: the database did not let us in{_code(error)}"
        raise ContextTrouble("Unavailable", message, retryable=True) from error
    try:
        await session.set_read_only(True)
        yield session
    finally:
        await session.close()  # nothing is committed, and nothing of the session is left


async def _read(
    name: str, session: psycopg.AsyncConnection, query: Query, max_bytes: int, connection: SqlConnection
) -> list[dict[str, Any]]:
    superuser = await (await session.execute(_SUPERUSER)).fetchone()
    if superuser is None or superuser[0]:
        message = f"connection {name}: its role is a superuser; allowed is one that may only read what queries need"
        raise ContextTrouble("Misconfigured", message, retryable=True)
    max_rows = min(query.max_rows, connection.max_rows)
    rows: list[dict[str, Any]] = []
    size = 0
    async with session.cursor(name="context") as cursor:
        await cursor.execute(query.text.encode(), {key: _bound(value) for key, value in query.params.items()})
        columns = [column.name for column in cursor.description or ()]
        if twice := [column for column, count in Counter(columns).items() if count > 1]:
            message = f"connection {name}: found two columns called {twice[0][:60]!r}; name them apart with AS"
            raise ContextTrouble("Unreadable", message)
        # Rows count when they are here: a hundred large ones at once would be in memory before anything is refused.
        while batch := await cursor.fetchmany(min(BATCH, len(rows) + 1, max_rows + 1 - len(rows))):
            for values in batch:
                row = {column: plain(value) for column, value in zip(columns, values, strict=True)}
                rows.append(row)
                size += len(json.dumps(row, default=str))
            if size > max_bytes:
                message = f"connection {name}: the rows have more than {max_bytes} bytes, the most that is allowed here"
                raise ContextTrouble("TooLarge", message)
            if len(rows) > max_rows:
                message = f"connection {name}: found more than {max_rows} rows, the most that is allowed here"
                raise ContextTrouble("TooManyRows", message)
    return rows


def _bound(value: Any) -> Any:
    """Lists of plain values become arrays, everything nested JSON."""
    nested = isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(each, dict | list) for each in value)
    )
    return Jsonb(value) if nested else value


def _trouble(name: str, error: psycopg.Error) -> ContextTrouble:
    state = error.sqlstate or ""
    said = error.diag.message_primary if state.startswith(_ABOUT_THE_QUERY) else None
    retryable = state.startswith(_RETRYABLE_CLASSES) or (not state and isinstance(error, psycopg.OperationalError))
    kind = "Unavailable" if retryable else "QueryRefused"
    message = f"connection {name}: {type(error).__name__}{_code(error)}{f': {said}' if said else ''}"
    return ContextTrouble(kind, message, retryable=retryable)


def _code(error: psycopg.Error) -> str:
    return f" ({error.sqlstate})" if error.sqlstate else ""
