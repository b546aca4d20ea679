"""Handlers for what a task's options promise, run in a worker of its own."""

import asyncio
from typing import Any

from taskfactory.tasks import TaskContext, task


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
