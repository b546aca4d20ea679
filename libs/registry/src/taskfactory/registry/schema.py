"""Bringing a database to this version's schema, and noticing when it is not."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from taskfactory.registry.partitions import ensure_partitions

_SCRIPTS: Final = Path(__file__).parent / "migrations"
_ALONE: Final = (
    text("SET LOCAL statement_timeout = 0"),
    text("SET LOCAL lock_timeout = 0"),
    text("SELECT pg_advisory_xact_lock(hashtextextended('taskfactory_migrations', 0))"),
)


class SchemaMismatch(Exception):  # noqa: N818 -- it names the state of the database
    """The database's schema is not the one that this version works with.

    Attributes:
        found: the database's revision; None when it was never migrated.
        expected: this version's revision.
    """

    def __init__(self, found: str | None, expected: str) -> None:
        """Say what to do."""
        self.found = found
        self.expected = expected
        super().__init__(
            f"the database's schema is at {found or 'nothing'}, this version needs {expected}: "
            "run `taskfactory migrate`"
        )


def migrate(engine: Engine) -> str:
    """Bring the schema to this version's revision, in one transaction, and create the partitions of the next months.

    Idempotent; of two at once the second waits and finds nothing to do.

    Returns:
        The revision that the database is at now.
    """
    config = _config()
    with engine.begin() as connection:
        for statement in _ALONE:
            connection.execute(statement)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    ensure_partitions(engine, datetime.now(UTC))
    return _expected(config)


def require_schema(engine: Engine) -> None:
    """Check that the database is at this version's revision.

    Raises:
        SchemaMismatch: it is not.
    """
    expected = _expected(_config())
    with engine.connect() as connection:
        found = _found(connection)
    if found != expected:
        raise SchemaMismatch(found, expected)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _expected(config: Config) -> str:
    head = ScriptDirectory.from_config(config).get_current_head()
    if head is None:
        raise FileNotFoundError(f"no migrations in {_SCRIPTS}: the installation is incomplete")
    return head


def _found(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
