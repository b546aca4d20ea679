"""A real worker process on a real Temporal: tasks in, results out; and how it ends."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError

from taskfactory.tasks.worker import sandbox_restrictions
from tests.tasks.conftest import Driver, Stack, worker_process
from tests.tasks.sample_handlers import PackParcel


def cause(failed: WorkflowFailureError) -> ApplicationError:
    """What the handler raised, below the workflow's and the activity's own errors."""
    error: BaseException | None = failed
    while error is not None and not isinstance(error, ApplicationError):
        error = error.__cause__
    assert error is not None
    return error


async def test_a_task_goes_to_the_handler_of_its_name(driver: Driver, serving: str) -> None:
    answer = await driver.do("reserve_stock", serving, {"sku": "A-1"})
    assert (answer["attempts"], answer["result"]["sku"]) == (1, "A-1")
    assert answer["result"]["under"].endswith("/task")
    greeted = await driver.do("greet", serving, {"name": "Ada"})
    assert greeted["result"] == {"greeting": "Hello, Ada"}


async def test_a_failing_attempt_is_retried_and_finds_the_last_heartbeat(driver: Driver, serving: str) -> None:
    assert await driver.do("third_time_lucky", serving) == {"attempts": 3, "result": {"attempt": 3, "done_before": 2}}


@pytest.mark.parametrize(("handler", "type_"), [("refuse", "OutOfStock"), ("reserve_stock", "InvalidParams")])
async def test_what_cannot_be_done_fails_at_the_first_attempt(
    driver: Driver, serving: str, handler: str, type_: str
) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await driver.do(handler, serving)
    assert cause(failed.value).type == type_


async def test_a_task_may_be_a_workflow_whose_steps_are_handlers_and_activities(driver: Driver, serving: str) -> None:
    result = await driver.do("PackParcel", serving, {"sku": "A-1"}, as_workflow=True)
    assert result["wrapped"] == "A-1 wrapped"
    assert result["reserved"]["under"].endswith("/task/reserve")


async def test_wrong_params_fail_a_workflow_instead_of_blocking_it(driver: Driver, serving: str) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await driver.do("PackParcel", serving, {"quantity": 0}, as_workflow=True)
    assert cause(failed.value).type == "InvalidParams"


@pytest.mark.parametrize("handler", ["beat_until_cancelled_async", "beat_until_cancelled_sync"])
async def test_a_cancelled_handler_gets_to_clean_up(driver: Driver, stack: Stack, handler: str) -> None:
    queue = stack.name("cancel")
    with worker_process(stack, queue, drain_timeout=1) as worker:
        handle = await driver.start(handler, queue)
        line = await asyncio.to_thread(worker.wait_for, "handler_waits")
        assert (line["task_id"], line["handler"]) == (f"{handle.id}/task", handler)
        await handle.cancel()
        await asyncio.to_thread(worker.wait_for, "handler_cleans_up")
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert isinstance(failed.value.cause, CancelledError)


async def test_an_idle_worker_leaves_at_once(stack: Stack) -> None:
    with worker_process(stack, stack.name("idle"), drain_timeout=30) as worker:
        worker.stop()
        status, seconds = await asyncio.to_thread(worker.ended)
    assert status == 0
    assert seconds < 20


async def test_at_sigterm_a_task_under_way_may_end(driver: Driver, stack: Stack, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    queue = stack.name("drain")
    with worker_process(stack, queue, drain_timeout=30) as worker:
        handle = await driver.start("wait_for_a_letter", queue, {"pipe": str(pipe)})
        await asyncio.to_thread(worker.wait_for, "handler_waits")
        worker.stop()
        await asyncio.to_thread(worker.wait_for, "stopping")
        await asyncio.to_thread(pipe.write_text, "arrived", encoding="utf-8")
        status, seconds = await asyncio.to_thread(worker.ended)
        result: Any = await handle.result()
    assert (status, result) == (0, {"attempts": 1, "result": {"letter": "arrived"}})
    assert seconds < 30


async def test_a_task_that_outlasts_the_drain_is_cancelled_and_may_clean_up(driver: Driver, stack: Stack) -> None:
    queue = stack.name("overtime")
    with worker_process(stack, queue, drain_timeout=1) as worker:
        await driver.start("wait_for_ever_async", queue)
        await asyncio.to_thread(worker.wait_for, "handler_waits")
        worker.stop()
        status, _ = await asyncio.to_thread(worker.ended)
    assert status == 0
    assert "handler_cleans_up" in worker.events()
    assert "attempts_left_behind" not in worker.events()


async def test_a_task_that_ignores_everything_does_not_keep_the_worker(driver: Driver, stack: Stack) -> None:
    queue = stack.name("stuck")
    with worker_process(stack, queue, drain_timeout=1) as worker:
        await driver.start("wait_for_ever_sync", queue)
        await asyncio.to_thread(worker.wait_for, "handler_waits")
        worker.stop()
        status, _ = await asyncio.to_thread(worker.ended)
    # A worker that had not left by itself would be ended from within, with status 1.
    assert status == 0
    assert "attempts_left_behind" in worker.events()


def test_only_the_workflows_own_packages_are_loaded_into_the_sandbox() -> None:
    passed = sandbox_restrictions([PackParcel]).passthrough_modules
    assert {"structlog", "pydantic", "taskfactory"} <= passed
    assert "tests" not in passed
