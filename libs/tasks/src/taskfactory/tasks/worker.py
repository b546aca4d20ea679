"""The worker process: polls one task queue and serves the handlers it was given.

At SIGTERM it stops polling at once; attempts under way have `drain_timeout` seconds to end, are then cancelled, and
`CANCEL_SECONDS` later the worker leaves without those that ignore even that: Temporal hands them to another worker
when their heartbeat or start-to-close timeout is over.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final

import structlog
from pydantic import Field
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from taskfactory.runtime.payload_storage import storage_missing
from taskfactory.runtime.service import Shared
from taskfactory.runtime.settings import ProcessSettings, TemporalSettings
from taskfactory.tasks.activities import as_activity
from taskfactory.tasks.discovery import HandlerSet
from taskfactory.tasks.result import INLINE_RESULT_MAX_BYTES, RESULT_MAX_BYTES

CANCEL_SECONDS: Final = 5.0
"""What attempts may take to clean up once they were cancelled; less than the grace of `runtime.service`."""

log = structlog.get_logger("taskfactory.worker")


class WorkerSettings(ProcessSettings, TemporalSettings):
    """Settings of `taskfactory worker`."""

    worker_max_concurrent: int = Field(100, ge=1, le=10_000)
    """Attempts under way at once, and threads for sync handlers."""
    task_result_max_bytes: int = Field(RESULT_MAX_BYTES, ge=1024, le=256 * 1024 * 1024)
    """UTF-8 JSON bytes that a handler's result may have; without a payload storage never more than Temporal takes."""

    @property
    def result_limit(self) -> int:
        """Bytes that a result may have in this process."""
        if storage_missing(self) is None:
            return self.task_result_max_bytes
        return min(self.task_result_max_bytes, INLINE_RESULT_MAX_BYTES)


class TaskWorker:
    """Serves one task queue; a `Service` of `taskfactory.runtime`."""

    name = "worker"

    def __init__(
        self,
        settings: WorkerSettings,
        handlers: HandlerSet,
        queue: str,
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        """Wire the worker; `run` makes it work.

        Args:
            settings: where Temporal is, and the bounds.
            handlers: what to serve.
            queue: the task queue.
            announce: called once Temporal is connected, for the person who started the worker.
        """
        self.settings = settings
        self.handlers = handlers
        self.queue = queue
        self._announce = announce

    async def run(self, shared: Shared) -> None:
        """Serve until asked to stop, then drain within the bound described above.

        Raises:
            RuntimeError: Temporal refuses the worker, for instance because the namespace does not exist.
        """
        client = await shared.temporal(self.settings)
        if client is None:
            return
        if (missing := storage_missing(self.settings)) is not None:
            log.info("no_payload_storage", reason=missing, effect="large params and results are refused")
        executor = ThreadPoolExecutor(self.settings.worker_max_concurrent, thread_name_prefix="task")
        worker = self._worker(client, executor)
        serving = asyncio.create_task(worker.run(), name="worker")
        stopping = asyncio.create_task(shared.stop.wait())
        self._announce()
        log.info("serving", queue=self.queue, handlers=[item.name for item in self.handlers.served])
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                await self._drain(worker, serving)
            if serving.done():
                serving.result()
        finally:
            stopping.cancel()
            # Not waiting: a thread that ignores its cancellation must not keep the process.
            executor.shutdown(wait=False, cancel_futures=True)

    async def _drain(self, worker: Worker, serving: asyncio.Task[None]) -> None:
        shutdown = asyncio.create_task(worker.shutdown())
        bound = self.settings.drain_timeout + CANCEL_SECONDS
        await asyncio.wait({serving}, timeout=bound)
        shutdown.cancel()
        if not serving.done():
            log.warning("attempts_left_behind", queue=self.queue, seconds=bound)

    def _worker(self, client: Client, executor: ThreadPoolExecutor) -> Worker:
        handlers = self.handlers
        result_limit = self.settings.result_limit
        return Worker(
            client,
            task_queue=self.queue,
            activities=[
                *(as_activity(handler, result_limit) for handler in handlers.handlers),
                *handlers.activities,
            ],
            workflows=handlers.workflows,
            workflow_runner=SandboxedWorkflowRunner(restrictions=sandbox_restrictions(handlers.workflows)),
            activity_executor=executor,
            max_concurrent_activities=self.settings.worker_max_concurrent,
            graceful_shutdown_timeout=timedelta(seconds=self.settings.drain_timeout),
        )


def sandbox_restrictions(workflows: Sequence[type]) -> SandboxRestrictions:
    """Temporal's defaults, without loading anew what the handler modules have imported already.

    A module that holds a workflow beside handlers may import any library: only the workflows' own packages are loaded
    into the sandbox, and what Temporal forbids in a workflow (clock, randomness, files) stays forbidden there.
    """
    own = {_package(workflow.__module__) for workflow in workflows}
    loaded = {_package(module) for module in sys.modules}
    return SandboxRestrictions.default.with_passthrough_modules(*(loaded - own))


def _package(module: str) -> str:
    return module.partition(".")[0]
