"""What only one orchestrator at a time does: reconcile runs and schedules, watch queues, keep the tables in bounds.

Each duty has its own rhythm: one that takes long, as thousands of new schedules do, holds up no other.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client

from taskfactory.orchestrator import metrics
from taskfactory.orchestrator.execution_status import execution_status
from taskfactory.orchestrator.payload_retention import payload_retention
from taskfactory.orchestrator.publisher import OutcomePublisher
from taskfactory.orchestrator.queue_watch import QueueWatch
from taskfactory.orchestrator.reconciler import Reconciler
from taskfactory.orchestrator.schedules.reconciler import ScheduleReconciler
from taskfactory.orchestrator.schedules.temporal_schedules import TemporalSchedules
from taskfactory.orchestrator.settings import OrchestratorSettings
from taskfactory.registry import RunStore, ScheduleStates, TickStore, drop_expired, ensure_partitions
from taskfactory.registry.ticks import FORGOTTEN_AT_ONCE
from taskfactory.runtime import Outage, Shared, masked

LEADER_LOCK: Final = "orchestrator-leader"
RETRY_SECONDS: Final = 5.0
HOUSEKEEPING_SECONDS: Final = 3600.0
LOOK_SECONDS: Final = 1.0
"""Between two looks at what is due, at leadership, and at whether definitions changed."""
LOST_TICKS_SECONDS: Final = 30.0
TICK_PATIENCE: Final = timedelta(minutes=1)
"""How long a tick may wait without asking before its workflow is looked for."""
QUEUE_PATIENCE: Final = timedelta(seconds=5)
"""How long a task may be open before its queue is looked at."""

log = structlog.get_logger("taskfactory.orchestrator")


@dataclass
class Duty:
    """Something that the leader does again and again."""

    name: str
    interval: float
    """Seconds."""
    work: Callable[[], Awaitable[None]]
    due: float = 0.0
    """Monotonic time of the next turn."""


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
        self._queues = QueueWatch(client)
        self._registry = Outage("registry", masked("database_url", settings.database_url), "TASKFACTORY_DATABASE_URL")
        self._retention = timedelta(days=settings.runs_retention_days)
        self._ticks = TickStore(engine)
        self._client = client
        reconciler = Reconciler(store, publisher, client, settings)
        self._payloads = payload_retention(store, client, settings)
        schedules = ScheduleReconciler(
            ScheduleStates(engine),
            self._ticks,
            TemporalSchedules(client, settings.orchestrator_queue),
            settings.schedules_interval,
        )
        self._duties = (
            Duty("watch queues", settings.queue_check_interval, self._watch_queues),
            Duty("reconcile", settings.reconcile_interval, reconciler.reconcile),
            Duty("reconcile schedules", LOOK_SECONDS, schedules.reconcile),
            Duty("give up lost ticks", LOST_TICKS_SECONDS, self._give_up_lost_ticks),
            Duty("keep partitions", HOUSEKEEPING_SECONDS, self._keep_partitions),
            Duty("drop payloads", HOUSEKEEPING_SECONDS, self._drop_payloads),
        )

    async def run(self, shared: Shared) -> None:
        """Try to lead, and lead, until the process is asked to stop."""
        while not shared.stop.is_set():
            try:
                await self._lead(shared)
            except SQLAlchemyError as error:
                self._registry.away(_first_line(error))
            finally:
                metrics.LEADING.set(0)
                metrics.TASKS_WAITING.clear()
            await shared.pause(RETRY_SECONDS)

    async def _lead(self, shared: Shared) -> None:
        with ExitStack() as held:
            lead = await asyncio.to_thread(held.enter_context, self._store.try_lead(LEADER_LOCK))
            if lead is None:
                return
            metrics.LEADING.set(1)
            self._registry.back()
            log.info("leading")
            under_way: dict[str, asyncio.Task[None]] = {}
            try:
                while not shared.stop.is_set() and await asyncio.to_thread(lead.held):
                    for duty in self._duties:
                        if duty.name not in under_way or under_way[duty.name].done():
                            under_way[duty.name] = asyncio.create_task(self._do_if_due(duty), name=duty.name)
                    await shared.pause(LOOK_SECONDS)
            finally:
                # What is under way is finished: each step of a duty may be done by two.
                await asyncio.gather(*under_way.values())

    async def _do_if_due(self, duty: Duty) -> None:
        if time.monotonic() < duty.due:
            return
        duty.due = time.monotonic() + duty.interval
        try:
            await duty.work()
        except Exception as error:  # noqa: BLE001 -- one duty's trouble must not keep the others from being done
            metrics.DUTY_FAILURES.labels(duty.name).inc()
            log.warning("duty_failed", duty=duty.name, error=_first_line(error), retry_in=duty.interval)

    async def _drop_payloads(self) -> None:
        if self._payloads is not None and (dropped := await self._payloads.drop()):
            log.info("payloads_dropped", payloads=dropped)

    async def _watch_queues(self) -> None:
        now = datetime.now(UTC)
        queues = await asyncio.to_thread(self._store.open_queues, now - QUEUE_PATIENCE)
        checks = await self._queues.look(queues, now)
        await asyncio.to_thread(self._store.mark_queues, checks)

    async def _keep_partitions(self) -> None:
        now = datetime.now(UTC)
        await asyncio.to_thread(ensure_partitions, self._engine, now)
        dropped = await asyncio.to_thread(drop_expired, self._engine, self._retention, now)
        if dropped:
            log.info("partitions_dropped", partitions=dropped)
        while await asyncio.to_thread(self._ticks.forget, now - self._retention) == FORGOTTEN_AT_ONCE:
            pass

    async def _give_up_lost_ticks(self) -> None:
        """A tick that waits asks every few seconds; one that does not has lost its workflow, and others wait for it."""
        now = datetime.now(UTC)
        for row in await asyncio.to_thread(self._ticks.long_waiting, now - TICK_PATIENCE):
            if await execution_status(self._client, row.workflow_id) != "open":
                await asyncio.to_thread(self._ticks.give_up, row, now)
                log.warning("tick_lost", tick=row.tick, workflow_id=row.workflow_id)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0][:500]
