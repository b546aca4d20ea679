"""What the commands that look back share: ingress's settings that decide, history, Temporal, a progress bar.

Standard output carries the result alone; progress goes to standard error.
"""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from pydantic import Field
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from temporalio.client import Client

from taskfactory.cli.errors import BadInput, OperationFailed
from taskfactory.cli.kafka import kafka
from taskfactory.cli.settings import CliSettings, reaching
from taskfactory.intake import DecisionLimits, EventReader, Unavailable, schema_registry
from taskfactory.intake.history import History, UnknownTopic, open_history
from taskfactory.intake.history import Progress as Report
from taskfactory.runtime import SchemaRegistrySettings
from taskfactory.runtime.temporal import connect, connection_error


class InspectionSettings(CliSettings, SchemaRegistrySettings):
    """Besides those of every command, the settings by which ingress decides: they must be the same here and there."""

    kafka_group_id: str = Field("taskfactory-ingress", min_length=1)
    """Ingress's consumer group."""
    max_event_bytes: int = Field(1024 * 1024, ge=1)
    """A larger record value is a dead letter."""
    max_hops: int = Field(10, ge=0)
    """An event that has come further in its chain is a dead letter."""

    def limits(self) -> DecisionLimits:
        """What has come too far."""
        return DecisionLimits(self.max_hops)


@contextmanager
def history(settings: CliSettings) -> Iterator[History]:
    """A topic's history, read without a consumer group.

    Raises:
        BadInput: librdkafka knows no such property, or not with that value.
        OperationFailed: the cluster does not answer, or there is no such topic or partition.
    """
    with kafka(settings), open_history(settings.librdkafka()) as opened:
        try:
            yield opened
        except UnknownTopic as error:
            at = settings.kafka_bootstrap_servers
            raise OperationFailed(f"At {at}, {error}.", "`--topic` names one; check it, and the cluster.") from error


@asynccontextmanager
async def event_reader(settings: InspectionSettings) -> AsyncIterator[EventReader]:
    """Reads events as ingress does, with the schemas of the registry that the settings name.

    Raises:
        BadInput: the registry's settings are wrong.
        OperationFailed: within the block, the schema registry or Temporal did not answer.
    """
    try:
        schemas = schema_registry(settings)
    except (ValueError, OSError) as error:
        raise BadInput([f"TASKFACTORY_SCHEMA_REGISTRY_…: {error}"]) from error
    try:
        yield EventReader(settings.max_event_bytes, schemas)
    except Unavailable as error:
        raise OperationFailed(f"Not available now: {error}.", "Nothing was changed; try again.") from error
    finally:
        if schemas is not None:
            await schemas.close()


async def temporal(settings: CliSettings) -> Client:
    """A connected client.

    Raises:
        OperationFailed: Temporal does not answer.
    """
    try:
        return await connect(settings)
    except (RuntimeError, OSError) as error:
        raise OperationFailed(
            f"Temporal at {settings.temporal_address} could not be used: {connection_error(error)}.",
            reaching("TASKFACTORY_TEMPORAL_ADDRESS", " and its credentials"),
        ) from error


@contextmanager
def progress(what: str) -> Iterator[Report | None]:
    """A bar on standard error while the block runs, told how many offsets are done and of how many.

    None where standard error is no terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(what, total=None)

        def report(done: int, total: int) -> None:
            bars.update(bar, completed=done, total=total)

        yield report
