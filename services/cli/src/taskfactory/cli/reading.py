"""Reading events as ingress does, for the length of one command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from taskfactory.cli.away import told_when_away
from taskfactory.cli.errors import BadInput
from taskfactory.cli.settings import CliSettings
from taskfactory.intake import EventReader, schema_registry


@asynccontextmanager
async def event_reader(settings: CliSettings, *, max_event_bytes: int | None = None) -> AsyncIterator[EventReader]:
    """Reads events, with the schemas of the registry that the settings name.

    Args:
        settings: ingress's.
        max_event_bytes: in place of the limit that is set, for events that were let through before.

    Raises:
        BadInput: the schema registry's settings are wrong.
        OperationFailed: within the block, something that is needed was away.
    """
    try:
        schemas = schema_registry(settings)
    except (ValueError, OSError) as error:
        raise BadInput([f"TASKFACTORY_SCHEMA_REGISTRY_…: {error}"]) from error
    try:
        with told_when_away(settings):
            yield EventReader(max_event_bytes or settings.max_event_bytes, schemas)
    finally:
        if schemas is not None:
            await schemas.close()
