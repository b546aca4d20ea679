"""Handlers that the worker under test serves; also an example of every shape a handler may have."""

import asyncio
import threading
from datetime import timedelta
from pathlib import Path

import structlog
from pydantic import BaseModel, Field
from temporalio import activity, workflow

from taskfactory.tasks import TaskContext, TaskFailed, TaskInput, TaskResult, task

log = structlog.get_logger("tests.handlers")


class Reserve(BaseModel):
    sku: str
    quantity: int = Field(1, ge=1)


class Reserved(BaseModel):
    sku: str
    under: str
    attempt: int


@task("reserve_stock")
def reserve(params: Reserve, ctx: TaskContext) -> Reserved:
    return Reserved(sku=params.sku, under=ctx.task_id, attempt=ctx.attempt)


@task
async def greet(params: dict[str, str]) -> dict[str, str]:
    return {"greeting": f"Hello, {params['name']}"}


@task
def refuse(params: dict[str, str]) -> None:
    raise TaskFailed("no stock left", type="OutOfStock")


@task
def third_time_lucky(params: dict[str, str], ctx: TaskContext) -> dict[str, object]:
    done = (ctx.last_heartbeat or {"done": 0})["done"]
    if ctx.attempt < 3:
        ctx.heartbeat({"done": done + 1})
        raise ConnectionError("the other side is away")
    return {"attempt": ctx.attempt, "done_before": done}


@task
async def wait_for_ever_async(params: dict[str, str], ctx: TaskContext) -> None:
    ctx.heartbeat("waiting")
    log.info("handler_waits")
    try:
        await asyncio.Event().wait()
    finally:
        log.info("handler_cleans_up")


@task
def wait_for_ever_sync(params: dict[str, str]) -> None:
    log.info("handler_waits")
    # Blocked inside one call into C, where no exception reaches a thread: the worst that a handler can do.
    threading.Event().wait()


@task
def wait_for_a_letter(params: dict[str, str]) -> dict[str, str]:
    log.info("handler_waits")
    return {"letter": Path(params["pipe"]).read_text(encoding="utf-8")}


@task
async def beat_until_cancelled_async(params: dict[str, str], ctx: TaskContext) -> None:
    log.info("handler_waits")
    try:
        while True:
            ctx.heartbeat()
            await asyncio.sleep(0.05)
    finally:
        log.info("handler_cleans_up")


@task
def beat_until_cancelled_sync(params: dict[str, str], ctx: TaskContext) -> None:
    log.info("handler_waits")
    pause = threading.Event()
    try:
        while True:
            ctx.heartbeat()
            pause.wait(0.05)
    finally:
        log.info("handler_cleans_up")


@activity.defn(name="wrap_up")
def wrap_up(parcel: str) -> str:
    return f"{parcel} wrapped"


@workflow.defn
class PackParcel:
    """Two steps; shares its module with handlers and whatever they import."""

    @workflow.run
    async def run(self, task_input: TaskInput) -> dict[str, object]:
        params = task_input.params_as(Reserve)
        reserved = await workflow.execute_activity(
            "reserve_stock",
            task_input.step("reserve", params.model_dump()),
            start_to_close_timeout=timedelta(seconds=10),
            result_type=TaskResult,
        )
        wrapped = await workflow.execute_activity(wrap_up, params.sku, start_to_close_timeout=timedelta(seconds=10))
        return {"reserved": reserved.result, "wrapped": wrapped}
