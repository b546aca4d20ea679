"""The wiring of the orchestrator: what is made of what, in which order it starts and ends."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cached_property
from typing import Final

import structlog
from sqlalchemy import Engine
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from taskfactory.envelope.kafka import EnvelopeProducer
from taskfactory.intake import TemporalStarter
from taskfactory.orchestrator.activities import RunActivities
from taskfactory.orchestrator.context.wiring import ContextSources
from taskfactory.orchestrator.leader import Leader
from taskfactory.orchestrator.publisher import OutcomePublisher
from taskfactory.orchestrator.registry_watch import RegistryWatch
from taskfactory.orchestrator.schedules.activities import TickActivities
from taskfactory.orchestrator.schedules.workflow import ScheduledTickWorkflow
from taskfactory.orchestrator.settings import OrchestratorSettings
from taskfactory.orchestrator.workflow import RunActivityWorkflow
from taskfactory.registry import DefinitionStore, RunStore, TickStore, open_engine
from taskfactory.runtime import Shared

LEADER_CONNECTIONS: Final = 6
"""For the lock, and for duties, which run side by side."""
TICK_INPUT_BYTES: Final = 100_000
"""A tick's run input holds no one's data; it can't come near this."""
CONTEXT_THREADS: Final = 4
"""Threads, and database connections, for the registry's part in fetching context; sources themselves hold none."""

log = structlog.get_logger("taskfactory.orchestrator")


class Orchestrator:
    """Executes runs; one process leads and also reconciles."""

    name = "orchestrator"

    @cached_property
    def settings(self) -> OrchestratorSettings:
        """Read from the environment, once."""
        return OrchestratorSettings()

    async def run(self, shared: Shared) -> None:
        """Work until asked to stop; then let the steps under way end, and close what was opened, last first."""
        settings = self.settings
        client = await shared.temporal(settings)
        if client is None:
            return
        engine = open_engine(
            settings.database_url.get_secret_value(),
            pool_size=settings.max_concurrent_steps + LEADER_CONNECTIONS + CONTEXT_THREADS,
        )
        publisher = OutcomePublisher(lambda: EnvelopeProducer(settings.producer_config()), settings)
        executor = ThreadPoolExecutor(settings.max_concurrent_steps, thread_name_prefix="step")
        sources = ContextSources(engine, settings, CONTEXT_THREADS)
        try:
            await self._work(shared, client, engine, publisher, executor=executor, sources=sources)
        finally:
            await sources.close()
            executor.shutdown(wait=False, cancel_futures=True)
            await asyncio.to_thread(publisher.close, 0)
            engine.dispose()

    async def _work(  # noqa: PLR0913 -- what `run` opens and closes
        self,
        shared: Shared,
        client: Client,
        engine: Engine,
        publisher: OutcomePublisher,
        *,
        executor: ThreadPoolExecutor,
        sources: ContextSources,
    ) -> None:
        settings = self.settings
        store = RunStore(engine)
        activities = RunActivities(store, DefinitionStore(engine), publisher, client, settings)
        context = sources.activities(activities.version)
        starter = TemporalStarter(client, settings.orchestrator_queue, eager=False, max_input_bytes=TICK_INPUT_BYTES)
        ticks = TickActivities(TickStore(engine), starter, client, executor)
        worker = Worker(
            client,
            task_queue=settings.orchestrator_queue,
            workflows=[RunActivityWorkflow, ScheduledTickWorkflow],
            activities=[
                activities.plan,
                activities.plan_from_context,
                activities.tasks_page,
                activities.finish,
                activities.observe_child,
                context.fetch_context,
                context.give_up_context,
                ticks.decide_tick,
                ticks.await_turn,
            ],
            activity_executor=executor,
            # The workflows are ours, read neither clock nor environment, and their histories are replayed by the
            # tests; the sandbox would import them anew for every run (docs/adr/0005).
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_concurrent_workflow_tasks=settings.max_concurrent_runs,
            max_concurrent_local_activities=settings.max_concurrent_steps,
            max_cached_workflows=2000,
            graceful_shutdown_timeout=timedelta(seconds=settings.drain_timeout / 4),
        )
        shared.health.add_check("outcomes", publisher.problem)
        registry = RegistryWatch(engine)
        shared.health.add_check("registry", registry.problem)
        leader = Leader(engine, store, publisher, client, settings)
        leading = asyncio.create_task(leader.run(shared), name="leader")
        watching = asyncio.create_task(registry.run(shared), name="registry")
        working = asyncio.create_task(worker.run(), name="worker")
        stopping = asyncio.create_task(shared.stop.wait(), name="stop")
        await asyncio.wait({leading, working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        watching.cancel()
        if not shared.stop.is_set():
            for ended in (leading, working):
                if ended.done():
                    ended.result()  # raises what ended it: the process must not go on without it
        draining = {leading, asyncio.create_task(worker.shutdown())}
        _, undone = await asyncio.wait(draining, timeout=settings.drain_timeout / 2)
        if undone:
            # What still waits for Kafka fails now; Temporal has it done again elsewhere.
            await asyncio.to_thread(publisher.close, 0)
            _, undone = await asyncio.wait(undone, timeout=settings.drain_timeout / 2)
        if undone or not working.done():
            log.warning("drain_incomplete", hint="Temporal hands the work in flight to another orchestrator")
