"""A worker process under test, and a workflow that gives it tasks."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio
from pydantic import BaseModel
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from taskfactory.envelope import ActivityRef, Trigger
from taskfactory.tasks import TaskInput

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0


class Order(BaseModel):
    """What a test wants done."""

    handler: str
    queue: str
    task: TaskInput
    as_workflow: bool = False


@workflow.defn
class Drive:
    """Does with a task what the orchestrator does: by name, on a queue."""

    @workflow.run
    async def run(self, order: Order) -> Any:
        if order.as_workflow:
            return await workflow.execute_child_workflow(order.handler, order.task, task_queue=order.queue)
        return await workflow.execute_activity(
            order.handler,
            order.task,
            task_queue=order.queue,
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=timedelta(seconds=1) if order.handler.startswith("beat") else None,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=5),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


class Endpoints(Protocol):
    temporal_address: str

    def env(self) -> dict[str, str]: ...


class Stack(Protocol):
    """What these tests use of the session's stack."""

    endpoints: Endpoints

    def name(self, hint: str) -> str: ...


class WorkerProcess:
    """`taskfactory worker` in a process of its own; its log is read line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.seen: list[dict[str, Any]] = []

    def wait_for(self, event: str) -> dict[str, Any]:
        """The next log line with that event."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            entry = json.loads(line) if line.startswith("{") else {"event": line}
            self.seen.append(entry)
            if entry["event"] == event:
                return entry
        raise AssertionError(f"the worker ended ({self.process.wait()}) before {event!r}: {self.seen}")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ended(self) -> tuple[int, float]:
        """Exit status, and the seconds until it was there."""
        started = time.monotonic()
        _, rest = self.process.communicate(timeout=PATIENCE_SECONDS)
        self.seen.extend(json.loads(line) for line in rest.splitlines() if line.startswith("{"))
        return self.process.returncode, time.monotonic() - started

    def events(self) -> list[str]:
        return [entry["event"] for entry in self.seen]


@contextmanager
def worker_process(stack: Stack, queue: str, *, drain_timeout: float) -> Iterator[WorkerProcess]:
    command = [str(Path(sys.executable).with_name("taskfactory")), "worker"]
    arguments = ["--module", "tests.tasks.sample_handlers", "--queue", queue, "--max-concurrent", "20"]
    process = subprocess.Popen(
        [*command, *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            **os.environ,
            **stack.endpoints.env(),
            "TASKFACTORY_METRICS_PORT": "0",
            "TASKFACTORY_DRAIN_TIMEOUT": str(drain_timeout),
        },
    )
    worker = WorkerProcess(process)
    try:
        worker.wait_for("serving")
        yield worker
    finally:
        process.kill()
        process.communicate()


class Driver:
    """Gives tasks to a queue, through real workflows."""

    def __init__(self, client: Client, own_queue: str, name: Callable[[str], str]) -> None:
        self._client = client
        self._own_queue = own_queue
        self._name = name

    async def start(
        self, handler: str, queue: str, params: dict[str, Any] | None = None, *, as_workflow: bool = False
    ) -> "WorkflowHandle[Drive, Any]":
        run_id = self._name("run")
        task = TaskInput(
            task_id=f"{run_id}/task",
            name="task",
            run_id=run_id,
            activity=ActivityRef(id="a", name="test", version=1),
            trigger=Trigger(source="/test", id="1", type="test"),
            params=params or {},
        )
        order = Order(handler=handler, queue=queue, task=task, as_workflow=as_workflow)
        return await self._client.start_workflow(Drive.run, order, id=run_id, task_queue=self._own_queue)

    async def do(
        self, handler: str, queue: str, params: dict[str, Any] | None = None, *, as_workflow: bool = False
    ) -> Any:
        handle = await self.start(handler, queue, params, as_workflow=as_workflow)
        return await asyncio.wait_for(handle.result(), PATIENCE_SECONDS)


@pytest_asyncio.fixture
async def driver(stack: Stack) -> AsyncIterator[Driver]:
    async with AsyncExitStack() as open_until_end:
        client = await Client.connect(stack.endpoints.temporal_address, data_converter=pydantic_data_converter)
        queue = stack.name("driver")
        worker = Worker(
            client,
            task_queue=queue,
            workflows=[Drive],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_cached_workflows=0,
        )
        await open_until_end.enter_async_context(worker)
        yield Driver(client, queue, stack.name)


@pytest.fixture(scope="module")
def serving(stack: Stack) -> Iterator[str]:
    """The queue of a worker that serves all of a module's tests."""
    queue = stack.name("warehouse")
    with worker_process(stack, queue, drain_timeout=1):
        yield queue
