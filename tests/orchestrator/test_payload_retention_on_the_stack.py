"""What the leader drops of the payload storage, on real servers."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from temporalio.client import Client

from taskfactory.definitions import RenderedRun
from taskfactory.orchestrator.payload_retention import PayloadRetention
from taskfactory.payloads import open_payload_table
from taskfactory.registry import RunEnd, RunStore, TaskEnd, migrate, open_engine
from tests.conftest import RunningStack
from tests.registry.samples import planned_task, run_input

KEEP = timedelta(days=90)


async def test_payloads_outlive_their_retention_only_while_a_run_is_open_that_is_as_old(stack: RunningStack) -> None:
    client = await Client.connect(stack.endpoints.temporal_address)
    url = stack.database()
    engine = open_engine(url)
    migrate(engine)
    store, table = RunStore(engine), open_payload_table(url, pool_size=1)
    run = run_input(activity_id=str(uuid4()))
    await asyncio.to_thread(store.plan, [run], str(uuid4()), lambda _: RenderedRun([planned_task(run)]))
    await asyncio.to_thread(table.put, [b"of the open run"])
    retention = PayloadRetention(table, store, client, KEEP)
    later = datetime.now(UTC) + timedelta(days=400)
    assert await retention.drop(later) == 0
    task_end = TaskEnd(run_id=run.run_id, task_id=f"{run.run_id}/reserve", status="completed")
    await asyncio.to_thread(store.finish, [task_end], [RunEnd(run_id=run.run_id)])
    assert await retention.drop(datetime.now(UTC) + KEEP) == 0, "Temporal still shows the run"
    assert await retention.drop(later) == 1
    engine.dispose()
