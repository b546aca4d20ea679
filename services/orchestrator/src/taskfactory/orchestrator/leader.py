"""What only one orchestrator at a time does: reconcile, watch queues, and keep the tables' partitions."""

import asyncio
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.service import RPCError

from taskfactory.envelope.kafka import DeliveryFailed
from taskfactory.orchestrator import metrics
from taskfactory.orchestrator.publisher import OutcomePublisher
from taskfactory.orchestrator.queue_watch import QueueWatch
from taskfactory.orchestrator.reconciler import Reconciler
from taskfactory.orchestrator.settings import OrchestratorSettings
from taskfactory.registry import RunStore, drop_expired, ensure_partitions
from taskfactory.runtime import Shared

LEADER_LOCK: Final = "orchestrator-leader"
RETRY_SECONDS: Final = 5.0
HOUSEKEEPING_SECONDS: Final = 3600.0
QUEUE_PATIENCE: Final = timedelta(seconds=5)
"""How long a task may be open before its queue is looked at."""

log = structlog.get_logger("taskfactory.orchestrator")


class Leader:
    """Holds a lock in PostgreSQL while it works, so that a second orchestrator takes over when this one is gone."""

    def __init__(
        self,
        engine: Engine,
        store: RunStore,
        publisher: OutcomePublisher,
        client: Client,
        settings: OrchestratorSettings,
    ) -> None:
        self._engine = engine
        self._store = store
        self._settings = settings
        self._reconciler = Reconciler(store, publisher, client, settings)
        self._queues = QueueWatch(client)
        self._due = {"reconcile": 0.0, "queues": 0.0, "housekeeping": 0.0}

    async def run(self, shared: Shared) -> None:
        """Try to lead, and lead, until the process is asked to stop. Troubles are logged and tried again."""
        while not shared.stop.is_set():
            try:
                await self._lead(shared)
            except (SQLAlchemyError, RPCError, DeliveryFailed, OSError) as error:
                log.warning("leader_interrupted", error=str(error).splitlines()[0], retry_in=RETRY_SECONDS)
            finally:
                metrics.LEADING.set(0)
            await shared.pause(RETRY_SECONDS)

    async def _lead(self, shared: Shared) -> None:
        with ExitStack() as held:
            lead = await asyncio.to_thread(held.enter_context, self._store.try_lead(LEADER_LOCK))
            if lead is None:
                return
            metrics.LEADING.set(1)
            log.info("leading")
            while not shared.stop.is_set() and await asyncio.to_thread(lead.held):
                await self._turn()
                await shared.pause(1.0)

    async def _turn(self) -> None:
        if self._is_due("queues", self._settings.queue_check_interval):
            now = datetime.now(UTC)
            queues = await asyncio.to_thread(self._store.open_queues, now - QUEUE_PATIENCE)
            checks = await self._queues.look(queues, now)
            await asyncio.to_thread(self._store.mark_queues, checks)
        if self._is_due("reconcile", self._settings.reconcile_interval):
            await self._reconciler.reconcile(datetime.now(UTC))
        if self._is_due("housekeeping", HOUSEKEEPING_SECONDS):
            now = datetime.now(UTC)
            await asyncio.to_thread(ensure_partitions, self._engine, now)
            retention = timedelta(days=self._settings.runs_retention_days)
            dropped = await asyncio.to_thread(drop_expired, self._engine, retention, now)
            if dropped:
                log.info("partitions_dropped", partitions=dropped)

    def _is_due(self, duty: str, interval: float) -> bool:
        now = time.monotonic()
        if now < self._due[duty]:
            return False
        self._due[duty] = now + interval
        return True
