"""Handlers for what a task's options promise, run in a worker of its own."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow

from taskfactory.tasks import TaskContext, TaskInput, task


@task
def refuse_always(params: dict[str, Any], ctx: TaskContext) -> None:
    raise ConnectionError("the warehouse does not answer")


@task
async def silent_at_first(params: dict[str, Any], ctx: TaskContext) -> dict[str, Any]:
    """Its first attempt gives no sign of life; what ends it is the heartbeat timeout."""
    if ctx.attempt == 1:
        await asyncio.Event().wait()
    return {"attempt": ctx.attempt}


@task
def blow_up(params: dict[str, Any], ctx: TaskContext) -> dict[str, Any]:
    """Answers so many bytes."""
    return {"blob": "x" * int(params["bytes"])}


@task
def measure(params: dict[str, Any], ctx: TaskContext) -> dict[str, int]:
    """Answers how much it was given."""
    return {"characters": len(params["blob"])}


@workflow.defn(name="measure-in-steps")
class MeasureInSteps:
    """Hands on what it was given."""

    @workflow.run
    async def run(self, task_input: TaskInput) -> dict[str, int]:
        answer: dict[str, Any] = await workflow.execute_activity(
            "measure",
            task_input.step("first", task_input.params),
            start_to_close_timeout=timedelta(minutes=1),
        )
        return dict(answer["result"])
