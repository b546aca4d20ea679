"""What a demo run has to itself on a stack that others may use too: a database, queues and definitions that name them.

Nobody else's worker gets this run's tasks, no definition of anybody else is touched, and `taskfactory get` shows either
this run or the user's own. At the end no run of it is left open in Temporal. The database stays to be looked at; the
next demo removes it.
"""

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import errors, sql
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from examples.shop.stage import DATABASE_PREFIX, DEFINITIONS, QUEUE, Stage, orchestrator_queue, worker_queue

QUEUE_LINE: Final = re.compile(rf"(?m)^(\s*queue: ){QUEUE}\b")
REASON: Final = "the demo that started it has ended"


@contextmanager
def premises(stage: Stage) -> Iterator[None]:
    """Prepare the run's folder, definitions and database, and leave nothing of it running, however the block ends.

    Raises:
        psycopg.Error: the database server refused.
    """
    stage.definitions.mkdir(parents=True)
    for file in sorted(DEFINITIONS.glob("*.yaml")):
        (stage.definitions / file.name).write_text(on_queue(file.read_text(), stage.queue))
    with psycopg.connect(stage.endpoints.database_url, autocommit=True) as connection:
        left_behind = _remove_databases(connection)
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(stage.database)))
    # For as long as somebody is connected, another demo takes the database for one that is in use.
    with psycopg.connect(stage.database_url, autocommit=True):
        try:
            if left_behind:  # of demos that were killed
                asyncio.run(_terminate_open_runs(stage, left_behind))
            yield
        finally:
            asyncio.run(_terminate_open_runs(stage, [stage.token]))


def on_queue(definition: str, queue: str) -> str:
    """The text of a definition, with its tasks on another queue than the shop's own."""
    return QUEUE_LINE.sub(rf"\g<1>{queue}", definition)


def open_runs_query(tokens: Sequence[str]) -> str:
    """Temporal's visibility query for what is still open of these demo runs, child workflows included."""
    queues = ", ".join(f"'{queue}'" for token in tokens for queue in (orchestrator_queue(token), worker_queue(token)))
    return f"TaskQueue IN ({queues}) AND ExecutionStatus = 'Running'"


def _remove_databases(connection: psycopg.Connection) -> list[str]:
    """Remove the databases of demos that are over; give their tokens."""
    found = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [DATABASE_PREFIX])
    removed = []
    for (name,) in found.fetchall():
        try:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
        except (errors.ObjectInUse, errors.InvalidCatalogName):
            continue  # its demo is still going on, or somebody is looking at it; or another demo was quicker
        removed.append(name.removeprefix(DATABASE_PREFIX))
    return removed


async def _terminate_open_runs(stage: Stage, tokens: Sequence[str]) -> None:
    client = await Client.connect(stage.endpoints.temporal_address, namespace=stage.endpoints.temporal_namespace)
    async for execution in client.list_workflows(open_runs_query(tokens)):
        try:
            await client.get_workflow_handle(execution.id, run_id=execution.run_id).terminate(reason=REASON)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # ended in the meantime, for instance with its parent
                raise
