"""The registry's revision: one number that rises with every change of what decides about events."""

from typing import Final

from sqlalchemy import Connection, text

CHANNEL: Final = "taskfactory_definitions"

_TAKE_TURNS: Final = text("SELECT revision FROM definitions_revision FOR UPDATE")
# As the trigger of the definitions does it (migration 0002).
_NEXT: Final = text("UPDATE definitions_revision SET revision = revision + 1 RETURNING revision")
_NOTIFY: Final = text("SELECT pg_notify(:channel, CAST(CAST(:revision AS bigint) AS text))")


def take_turns(connection: Connection) -> int:
    """Wait for whoever is changing what decides, and hold up everybody else until this transaction ends.

    Returns:
        The present revision.
    """
    return int(connection.execute(_TAKE_TURNS).scalar_one())


def next_revision(connection: Connection) -> int:
    """Raise the revision and, once this transaction commits, tell those who listen; it holds up others as above.

    Returns:
        The new revision, for the rows that changed.
    """
    revision = int(connection.execute(_NEXT).scalar_one())
    connection.execute(_NOTIFY, {"channel": CHANNEL, "revision": revision})
    return revision
