"""Reading events as ingress does, for the length of one command."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from taskfactory.cli.away import told_when_away
from taskfactory.cli.errors import BadInput
from taskfactory.cli.settings import CliSettings
from taskfactory.intake import EventReader
from taskfactory.intake.explaining import open_reader


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
    async with AsyncExitStack() as opened:
        try:
            reader = await opened.enter_async_context(
                open_reader(settings, max_event_bytes or settings.max_event_bytes)
            )
        except (ValueError, OSError) as error:
            raise BadInput([f"TASKFACTORY_SCHEMA_REGISTRY_…: {error}"]) from error
        with told_when_away(settings):
            yield reader
