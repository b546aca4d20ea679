"""The workflow on a real Temporal with steps of the test's own: what can't be timed from outside."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from taskfactory.definitions import RUN_WORKFLOW, RunInput
from taskfactory.envelope import Trigger
from taskfactory.orchestrator.workflow import RunActivityWorkflow
from taskfactory.registry import PlannedRun, RunEnd, StoredTask, TaskEnd, TaskPage
from tests.conftest import RunningStack
from tests.orchestrator.samples import stored_task


@workflow.defn(name="held-child")
class HeldChild:
    """Stays open until it is told to end."""

    def __init__(self) -> None:
        self._told = False

    @workflow.run
    async def run(self, task: dict[str, Any]) -> dict[str, Any]:
        await workflow.wait_condition(lambda: self._told)
        return {"task": task["task_id"]}

    @workflow.signal
    def end(self) -> None:
        self._told = True


class Steps:
    """Stands in for the registry and Kafka; the flush that has the task `a` is held back until `release`."""

    def __init__(self, run_id: str, queue: str) -> None:
        self.ends: dict[str, str] = {}
        self.flushing = threading.Event()
        self.release = threading.Event()
        self._run_id = run_id
        self._queue = queue

    def task(self, position: int, name: str, **changes: Any) -> StoredTask:
        task_id = f"{self._run_id}/{name}"
        return stored_task(
            task_id=task_id, name=name, queue=self._queue, handler="act", position=position, timeout=60, **changes
        )

    @activity.defn
    def plan(self, _runs: list[RunInput], _owner: str) -> list[PlannedRun]:
        held = self.task(0, "held", type="workflow", schedule_to_close=None)
        tasks = [held.model_copy(update={"handler": "held-child"}), self.task(1, "a")]
        return [PlannedRun(run_id=self._run_id, state="running", task_count=3, tasks=tasks, next_position=2)]

    @activity.defn
    def tasks_page(self, _run_id: str, _position: int) -> TaskPage:
        return TaskPage(tasks=[self.task(2, "b")], next_position=None)

    @activity.defn
    def finish(self, tasks: list[TaskEnd], runs: list[RunEnd]) -> list[dict[str, Any]]:
        if any(task.task_id.endswith("/a") for task in tasks):
            self.flushing.set()
            self.release.wait(60)
        for task in tasks:
            self.ends[task.task_id.rpartition("/")[2]] = task.status
        return [{"state": end.status or "completed", "tasks": {}} for end in runs]

    @activity.defn
    async def observe_child(self, run_id: str, task_id: str) -> TaskEnd:
        return TaskEnd(run_id=run_id, task_id=task_id, status="completed")

    @activity.defn
    def act(self, _task: dict[str, Any]) -> dict[str, Any]:
        return {"attempts": 1, "result": None}


@asynccontextmanager
async def running(stack: RunningStack) -> AsyncIterator[tuple[Client, Steps, WorkflowHandle[Any, Any]]]:
    client = await Client.connect(stack.endpoints.temporal_address, data_converter=pydantic_data_converter)
    run_id, queue = stack.name("run"), stack.name("queue")
    steps = Steps(run_id, queue)
    trigger = Trigger(source="/tests", id="1", type="test")
    run = RunInput(
        run_id=run_id,
        activity_id="a",
        activity_name="held",
        version=1,
        dedupe_strategy="event_id",
        dedupe_parts=["1"],
        trigger=trigger,
        event={"id": "1"},
    )
    with ThreadPoolExecutor(8) as executor:
        async with Worker(
            client,
            task_queue=queue,
            workflows=[RunActivityWorkflow, HeldChild],
            activities=[steps.plan, steps.tasks_page, steps.finish, steps.observe_child, steps.act],
            activity_executor=executor,
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            # A short workflow task: a local activity that outlasts it lets other events in meanwhile.
            handle = await client.start_workflow(
                RUN_WORKFLOW, run, id=run_id, task_queue=queue, task_timeout=timedelta(seconds=1)
            )
            yield client, steps, handle


async def child_end_is_in_history(handle: WorkflowHandle[Any, Any]) -> bool:
    history = await handle.fetch_history()
    return any(event.event_type == EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED for event in history.events)


async def test_a_childs_end_during_the_flush_before_continuing_as_new_is_not_lost(
    stack: RunningStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draining(run: RunActivityWorkflow) -> bool:
        more = not run._pending and run._next_position is not None
        return run._run.progress is None and bool(run._open) and more

    monkeypatch.setattr(RunActivityWorkflow, "_draining", draining)  # the server's suggestion, at once
    async with running(stack) as (client, steps, handle):
        assert await asyncio.to_thread(steps.flushing.wait, 30)
        await client.get_workflow_handle(f"{handle.id}/held").signal("end")
        while not await child_end_is_in_history(handle):  # noqa: ASYNC110 -- looks at another process
            await asyncio.sleep(0.1)
        steps.release.set()
        await asyncio.wait_for(client.get_workflow_handle(handle.id).result(), 30)
    assert steps.ends == {"held": "completed", "a": "completed", "b": "completed"}
