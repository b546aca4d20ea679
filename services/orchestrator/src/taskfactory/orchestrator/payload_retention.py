"""How long large payloads are kept: for as long as an execution that refers to them may be open, looked at or reset."""

import asyncio
from datetime import UTC, datetime, timedelta

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from taskfactory.orchestrator.settings import OrchestratorSettings
from taskfactory.payloads import DRIVER_NAME, TOUCH_AFTER, PayloadTable, open_payload_table
from taskfactory.registry import RunStore
from taskfactory.runtime.payload_storage import storage_scheme, storage_url


class PayloadRetention:
    """Drops payloads that nothing refers to any more."""

    def __init__(self, payloads: PayloadTable, runs: RunStore, client: Client, keep: timedelta) -> None:
        """Wire it.

        Args:
            payloads: where they are.
            runs: say which execution is the oldest that is open.
            client: its namespace says how long closed executions can be looked at.
            keep: how long the rows of ended runs are kept.
        """
        self._payloads = payloads
        self._runs = runs
        self._client = client
        self._keep = keep

    async def drop(self, now: datetime | None = None) -> int:
        """Drop what was last stored before `drop_before`; returns how many.

        Raises:
            RPCError: Temporal did not say the namespace's retention.
            SQLAlchemyError: the database is away.
        """
        now = now or datetime.now(UTC)
        request = DescribeNamespaceRequest(namespace=self._client.namespace)
        described = await self._client.workflow_service.describe_namespace(request)
        retention = described.config.workflow_execution_retention_ttl.ToTimedelta()
        old = await asyncio.to_thread(self._runs.open_runs, started_before=now, limit=1)
        before = drop_before(now, self._keep + retention, old[0].started_at if old else None)
        try:
            return await asyncio.to_thread(self._payloads.drop, before)
        finally:
            await asyncio.to_thread(self._payloads.close)  # no connection is held until the next time


def payload_retention(store: RunStore, client: Client, settings: OrchestratorSettings) -> PayloadRetention | None:
    """What keeps the table of payloads tidy; None where the payload storage is off or is another one."""
    url = storage_url(settings)
    if storage_scheme(url) != DRIVER_NAME:
        return None
    keep = timedelta(days=settings.runs_retention_days)
    return PayloadRetention(open_payload_table(url, pool_size=1), store, client, keep)


def drop_before(now: datetime, keep: timedelta, oldest_open: datetime | None) -> datetime:
    """What was stored before this time is needed by nobody. Pure.

    An execution stores its payloads from its start on (its input a moment before), so none that is open needs what is
    older than the oldest of them. One that has closed started less than `keep` ago, or was open until a moment ago.

    Args:
        now: an aware time.
        keep: how long payloads are kept in any case.
        oldest_open: when the oldest open run started.
    """
    before = now - keep
    if oldest_open is not None:
        before = min(before, oldest_open)
    return before - TOUCH_AFTER
