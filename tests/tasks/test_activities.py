"""A handler as an activity: what reaches the function, and how its ends look from outside."""

import asyncio
import dataclasses
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from taskfactory.envelope import ActivityRef, Trigger
from taskfactory.tasks import TaskContext, TaskFailed, TaskInput
from taskfactory.tasks.activities import as_activity
from taskfactory.tasks.handler import describe
from tests.tasks.sample_handlers import greet, refuse, reserve, wait_for_ever_async

TASK = TaskInput(
    task_id="run/reserve/0",
    name="reserve",
    index=0,
    run_id="run",
    activity=ActivityRef(id="a", name="shop", version=4),
    trigger=Trigger(source="/shop", id="7", type="order.placed"),
    params={"sku": "A-1"},
)


async def run(function: Any, task: TaskInput = TASK, environment: ActivityEnvironment | None = None) -> Any:
    served = as_activity(describe(function, None), 2_000_000)
    result = (environment or ActivityEnvironment()).run(served, task)
    answer = await result if asyncio.iscoroutine(result) or isinstance(result, asyncio.Future) else result
    assert answer.attempts == (environment.info.attempt if environment else 1)
    return answer.result


def ends(handler: str, end: str) -> float:
    return REGISTRY.get_sample_value("taskfactory_worker_attempts_total", {"handler": handler, "end": end}) or 0.0


async def test_a_handler_gets_its_params_as_a_model_and_the_task_as_context() -> None:
    assert await run(reserve) == {"sku": "A-1", "under": "run/reserve/0", "attempt": 1}


async def test_an_async_handler_is_awaited() -> None:
    assert await run(greet, TASK.model_copy(update={"params": {"name": "Ada"}})) == {"greeting": "Hello, Ada"}


async def test_the_context_tells_all_about_the_task() -> None:
    def tell(params: dict[str, Any], ctx: TaskContext) -> list[Any]:
        return [ctx.name, ctx.index, ctx.run_id, ctx.activity.version, ctx.trigger.id, ctx.last_heartbeat]

    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, attempt=2, heartbeat_details=[{"done": 5}])
    assert await run(tell, environment=environment) == ["reserve", 0, "run", 4, "7", {"done": 5}]


async def test_heartbeats_reach_temporal_with_their_details() -> None:
    def beat(params: dict[str, Any], ctx: TaskContext) -> None:
        ctx.heartbeat()
        ctx.heartbeat({"done": 1})

    beats: list[tuple[Any, ...]] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: beats.append(details)
    await run(beat, environment=environment)
    assert beats == [(), ({"done": 1},)]


async def test_a_task_that_fails_as_meant_is_one_line_in_the_log() -> None:
    with capture_logs() as lines, pytest.raises(ApplicationError) as failed:
        await run(refuse)
    assert [(line["event"], line["task_id"], line["type"]) for line in lines] == [
        ("task_failed", "run/reserve/0", "OutOfStock")
    ]
    assert failed.value.category is ApplicationErrorCategory.BENIGN  # the SDK logs these at level debug


async def test_a_handler_that_gives_up_is_not_retried() -> None:
    before = ends("refuse", "failed")
    with pytest.raises(ApplicationError) as failed:
        await run(refuse)
    assert (failed.value.type, failed.value.message, failed.value.non_retryable) == (
        "OutOfStock",
        "no stock left",
        True,
    )
    assert ends("refuse", "failed") == before + 1


async def test_any_other_exception_is_left_to_the_retry_policy() -> None:
    def broken(params: dict[str, Any]) -> None:
        raise ConnectionError("away")

    def busy(params: dict[str, Any]) -> None:
        raise TaskFailed("later", type="Busy", retryable=True)

    with pytest.raises(ApplicationError, match="away") as failed:
        await run(broken)
    assert (failed.value.type, failed.value.non_retryable) == ("ConnectionError", False)
    with pytest.raises(ApplicationError, match="later") as failed:
        await run(busy)
    assert (failed.value.type, failed.value.non_retryable) == ("Busy", False)


async def test_a_failed_attempt_says_which_one_it_was() -> None:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, attempt=3)
    with pytest.raises(ApplicationError) as failed:
        await run(refuse, environment=environment)
    assert failed.value.details[-1].attempts == 3


async def test_wrong_params_never_reach_the_function() -> None:
    with pytest.raises(ApplicationError, match=r"sku: .* \(found nothing\)") as failed:
        await run(reserve, TASK.model_copy(update={"params": {}}))
    assert (failed.value.type, failed.value.non_retryable) == ("InvalidParams", True)


async def test_the_log_names_refused_params_without_their_values() -> None:
    with capture_logs() as lines, pytest.raises(ApplicationError, match="hunter2"):
        await run(reserve, TASK.model_copy(update={"params": {"sku": ["hunter2"]}}))
    (line,) = [line for line in lines if line["event"] == "task_failed"]
    assert "sku: Input should be a valid string" in line["message"]
    assert "hunter2" not in str(line)


async def test_a_cancelled_async_handler_gets_cancelled_error_and_counts_as_cancelled() -> None:
    before = ends("wait_for_ever_async", "cancelled")
    environment = ActivityEnvironment()
    waiting = asyncio.Event()
    environment.on_heartbeat = lambda *_: waiting.set()
    running = asyncio.create_task(run(wait_for_ever_async, environment=environment))
    await waiting.wait()
    environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ends("wait_for_ever_async", "cancelled") == before + 1


async def test_a_sync_handler_can_ask_whether_it_was_cancelled() -> None:
    def ask(params: dict[str, Any], ctx: TaskContext) -> bool:
        return ctx.is_cancelled()

    assert await run(ask) is False
