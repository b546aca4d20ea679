"""Handlers that the end-to-end tests run in a worker of its own. Each effect is one line in the journal."""

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import workflow

from taskfactory.tasks import TaskContext, TaskFailed, TaskInput, task


def write_down(key: str) -> None:
    """One appended line; O_APPEND makes small writes atomic between processes."""
    with Path(os.environ["TEST_JOURNAL"]).open("a") as journal:
        journal.write(f"{key}\n")


@task
def note(params: dict[str, Any], ctx: TaskContext) -> dict[str, Any]:
    write_down(ctx.task_id)
    return {"noted": params}


@task
async def note_slowly(params: dict[str, Any], ctx: TaskContext) -> dict[str, Any]:
    await asyncio.sleep(float(params.get("seconds", 1)))
    write_down(ctx.task_id)
    return {"noted": params}


@task
def refuse(params: dict[str, Any], ctx: TaskContext) -> None:
    raise ValueError(f"refused {params}")


@task
def wait_for_file(params: dict[str, Any], ctx: TaskContext) -> dict[str, Any]:
    """Ends when the file appears; shows that it lives by heartbeats."""
    while not Path(params["path"]).exists():
        ctx.heartbeat("waiting")
        time.sleep(0.05)
    write_down(ctx.task_id)
    return {}


@workflow.defn(name="wait-for-signal")
class WaitForSignal:
    """A child workflow that stays open until it is told to end."""

    def __init__(self) -> None:
        self._told = False

    @workflow.run
    async def run(self, task_input: TaskInput) -> dict[str, Any]:
        await workflow.wait_condition(lambda: self._told, timeout=timedelta(minutes=5))
        return {"told": True, "task": task_input.task_id}

    @workflow.signal
    def end(self) -> None:
        self._told = True


@workflow.defn(name="two-steps")
class TwoSteps:
    """A child workflow of two steps."""

    @workflow.run
    async def run(self, task_input: TaskInput) -> dict[str, Any]:
        await workflow.sleep(timedelta(milliseconds=10))
        await workflow.sleep(timedelta(milliseconds=10))
        return {"steps": 2, "params": task_input.params}


@workflow.defn(name="fails-once")
class FailsOnce:
    """A child workflow whose first attempt fails."""

    @workflow.run
    async def run(self, task_input: TaskInput) -> dict[str, Any]:
        if workflow.info().attempt == 1:
            raise TaskFailed("not at first", type="TooEarly", retryable=True)
        return {"attempt": workflow.info().attempt, "task": task_input.task_id}
