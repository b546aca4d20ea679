"""Months of runs, tasks and context as partitions: made before they are needed, dropped when retention has passed.

Tasks and context lie in the month in which their run started, so that all expire together. The default partitions are a
net: a row that arrives before its month exists waits there until `ensure_partitions` moves it.
"""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection, Engine, text

from taskfactory.registry.transactions import in_transaction

_TABLES: Final = ("activity_runs", "tasks", "run_context")
_MONTHS_AHEAD: Final = 2
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('taskfactory_partitions', 0))")
_LIMITS: Final = text("SET LOCAL lock_timeout = '3s'; SET LOCAL statement_timeout = '10min'")
"""DDL that waits for its lock makes every writer behind it wait too: better to give up and try again. Moving stray rows
may take its time."""


def ensure_partitions(engine: Engine, now: datetime) -> list[str]:
    """Create the partitions of this month and the next two, and of every month that has rows in the default ones.

    Idempotent and safe to run from several processes at once.

    Args:
        engine: where the registry is.
        now: an aware time.

    Returns:
        Names of the partitions that were created.
    """
    return in_transaction(engine, lambda connection: _ensure(connection, now))


def drop_expired(engine: Engine, retention: timedelta, now: datetime) -> list[str]:
    """Drop the months that ended longer than `retention` ago, runs, tasks and context together.

    A month in which a run is still open stays, whatever its age. The ledger is not touched: it is kept forever.

    Args:
        engine: where the registry is.
        retention: how long rows are kept, counted from the end of their month.
        now: an aware time.

    Returns:
        Names of the partitions that were dropped.
    """
    expired = [
        month for month in in_transaction(engine, _months) if _start(_next(month)) <= now.astimezone(UTC) - retention
    ]
    dropped: list[str] = []
    for month in expired:
        dropped += in_transaction(engine, partial(_drop, month=month))
    return dropped


def kept_since(connection: Connection) -> datetime | None:
    """The start of the oldest month from which on every month has its partition; None if there are no months."""
    months = set(_months(connection))
    if not months:
        return None
    oldest = max(months)
    while (before := _before(oldest)) in months:
        oldest = before
    return _start(oldest)


def _ensure(connection: Connection, now: datetime) -> list[str]:
    connection.execute(_LOCK)
    connection.execute(_LIMITS)
    month = _month(now)
    wanted = {month}
    for _ in range(_MONTHS_AHEAD):
        month = _next(month)
        wanted.add(month)
    for table in _TABLES:
        stray = connection.execute(
            text(f"SELECT DISTINCT date_trunc('month', started_at, 'UTC') FROM {table}_default")  # noqa: S608 -- ours
        )
        wanted |= {_month(start) for (start,) in stray}
    missing = sorted(wanted - set(_months(connection)))
    return [_create(connection, table, month) for month in missing for table in _TABLES]


def _create(connection: Connection, table: str, month: tuple[int, int]) -> str:
    """Build the month beside the table, move stray rows into it, attach it."""
    name = _name(table, month)
    start, end = _start(month).isoformat(), _start(_next(month)).isoformat()
    stray = f"DELETE FROM {table}_default WHERE started_at >= '{start}' AND started_at < '{end}' RETURNING *"  # noqa: S608
    for statement in (
        f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)",
        f"LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE",
        f"WITH stray AS ({stray}) INSERT INTO {name} SELECT * FROM stray",  # noqa: S608 -- our own names
        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')",
    ):
        connection.exec_driver_sql(statement)
    return name


def _drop(connection: Connection, month: tuple[int, int]) -> list[str]:
    connection.execute(_LOCK)
    connection.execute(_LIMITS)
    names = [_name(table, month) for table in _TABLES]
    if month not in _months(connection):
        return []
    # The parents, in the order in which writers lock them; dropping a partition would lock them anyway.
    connection.execute(text("LOCK TABLE ONLY tasks, ONLY activity_runs, ONLY run_context IN ACCESS EXCLUSIVE MODE"))
    open_run = text(f"SELECT 1 FROM {names[0]} WHERE state = 'running' LIMIT 1")  # noqa: S608 -- our own names
    if connection.execute(open_run).first():
        return []
    for name in reversed(names):
        connection.execute(text(f"DROP TABLE {name}"))
    return names


def _months(connection: Connection) -> list[tuple[int, int]]:
    """The months that have a partition of runs, oldest first."""
    names = connection.execute(
        text(
            "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid "
            r"WHERE inhparent = 'activity_runs'\:\:regclass AND child.relname ~ '_y\d{4}m\d{2}$' ORDER BY 1"
        )
    ).scalars()
    return [(int(name[-7:-3]), int(name[-2:])) for name in names]


def _month(moment: datetime) -> tuple[int, int]:
    moment = moment.astimezone(UTC)
    return moment.year, moment.month


def _next(month: tuple[int, int]) -> tuple[int, int]:
    year, number = month
    return (year + 1, 1) if number == 12 else (year, number + 1)  # noqa: PLR2004 -- December


def _before(month: tuple[int, int]) -> tuple[int, int]:
    year, number = month
    return (year - 1, 12) if number == 1 else (year, number - 1)


def _start(month: tuple[int, int]) -> datetime:
    return datetime(*month, 1, tzinfo=UTC)


def _name(table: str, month: tuple[int, int]) -> str:
    return f"{table}_y{month[0]:04}m{month[1]:02}"
