"""What to say when a server that a command leans on is away: one sentence for each server, wherever it shows."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from temporalio.service import RPCStatusCode

from taskfactory.cli.errors import OperationFailed
from taskfactory.cli.settings import CliSettings
from taskfactory.cli.variables import reaching
from taskfactory.intake import PAYLOAD_STORAGE, Unavailable, WriterFailed
from taskfactory.runtime.settings import masked

SCHEMA_REGISTRY: Final = "SCHEMA_REGISTRY"
"""What `EventReader` calls the schema registry when it is away."""
TEMPORAL_ALSO: Final = " and its credentials"


@contextmanager
def told_when_away(settings: CliSettings, hint: str | None = None) -> Iterator[None]:
    """End the command with a sentence when something is away within the block.

    Args:
        settings: say where the servers are.
        hint: what was done and what to do next, where the address is not all there is to check.

    Raises:
        OperationFailed: Temporal, Kafka or the schema registry is away.
    """
    try:
        yield
    except (Unavailable, WriterFailed) as error:
        what, advice = _told(error, settings)
        raise OperationFailed(what, advice if hint is None else f"{hint} {advice}") from error


def temporal_away(settings: CliSettings, message: str) -> tuple[str, str]:
    """What happened, and what to do."""
    what = f"Temporal at {settings.temporal_address} could not be used: {message.rstrip('.')}."
    return what, reaching("TASKFACTORY_TEMPORAL_ADDRESS", TEMPORAL_ALSO)


def _told(error: Unavailable | WriterFailed, settings: CliSettings) -> tuple[str, str]:
    if isinstance(error, Unavailable):
        if error.error == SCHEMA_REGISTRY:
            at = masked("schema_registry_url", settings.schema_registry_url)
            what = f"The schema registry at {at} could not be used: {error.message.rstrip('.')}."
            return what, "Start it, or check TASKFACTORY_SCHEMA_REGISTRY_URL and the credentials."
        if error.error == PAYLOAD_STORAGE:
            what = f"The payload storage could not be used: {error.message.rstrip('.')}."
            return what, "Check TASKFACTORY_PAYLOAD_STORAGE; without it, the storage is TASKFACTORY_DATABASE_URL."
        if error.error in RPCStatusCode.__members__:
            return temporal_away(settings, error.message)
        message = error.message
    else:
        message = str(error)
    what = f"Kafka at {settings.kafka_bootstrap_servers} could not be used: {message.rstrip('.')}."
    return what, reaching("TASKFACTORY_KAFKA_BOOTSTRAP_SERVERS", " and TASKFACTORY_KAFKA_CONFIG__…")
