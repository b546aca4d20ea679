"""A handler as the Temporal activity that a worker serves.

What it returns and what it raises carries the number of the attempt, since Temporal tells the orchestrator neither.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError

from taskfactory.tasks.context import TaskContext
from taskfactory.tasks.errors import InvalidParams, TaskFailed
from taskfactory.tasks.handler import TaskHandler
from taskfactory.tasks.metrics import ATTEMPT_SECONDS, ATTEMPTS, RUNNING
from taskfactory.tasks.result import json_result
from taskfactory.tasks.task_input import AttemptDetails, TaskInput, TaskResult

log = structlog.get_logger("taskfactory.worker")


def as_activity(handler: TaskHandler, result_max_bytes: int) -> Callable[..., Any]:
    """The activity, registered under the handler's name: one `TaskInput` in, one `TaskResult` out.

    Args:
        handler: what to call.
        result_max_bytes: limit for the UTF-8 JSON of a result.
    """
    if handler.is_async:

        async def execute_async(task: TaskInput) -> TaskResult:
            with _attempt(handler, task) as ctx:
                result = json_result(handler.name, await handler.call(task, ctx), result_max_bytes)
                return TaskResult(attempts=ctx.attempt, result=result)

        return activity.defn(name=handler.name)(execute_async)

    def execute(task: TaskInput) -> TaskResult:
        with _attempt(handler, task) as ctx:
            result = json_result(handler.name, handler.call(task, ctx), result_max_bytes)
            return TaskResult(attempts=ctx.attempt, result=result)

    return activity.defn(name=handler.name)(execute)


@contextmanager
def _attempt(handler: TaskHandler, task: TaskInput) -> Iterator[TaskContext]:
    """Counts the attempt, numbers what it raises, and puts its identity beside every line that it logs."""
    info = activity.info()
    heartbeats = info.heartbeat_details
    ctx = TaskContext(task, attempt=info.attempt, last_heartbeat=heartbeats[0] if heartbeats else None)
    started = time.monotonic()
    end = "failed"
    RUNNING.labels(handler.name).inc()
    try:
        with bound_contextvars(handler=handler.name, task_id=task.task_id, attempt=info.attempt):
            yield ctx
        end = "completed"
    except (asyncio.CancelledError, CancelledError):
        end = "cancelled"
        raise
    except Exception as error:
        if isinstance(error, TaskFailed):
            message = error.without_values if isinstance(error, InvalidParams) else error.message
            told = {"type": error.type, "message": message, "retryable": not error.non_retryable}
            log.warning("task_failed", handler=handler.name, task_id=task.task_id, attempt=info.attempt, **told)
        raise _numbered(error, info.attempt) from error
    finally:
        RUNNING.labels(handler.name).dec()
        ATTEMPTS.labels(handler.name, end).inc()
        ATTEMPT_SECONDS.labels(handler.name).observe(time.monotonic() - started)


def _numbered(error: Exception, attempt: int) -> ApplicationError:
    """The same failure for Temporal, with the attempt's number as its last detail."""
    number = AttemptDetails(attempts=attempt)
    if not isinstance(error, ApplicationError):
        return ApplicationError(str(error), number, type=type(error).__name__)
    return ApplicationError(
        error.message,
        *error.details,
        number,
        type=error.type,
        non_retryable=error.non_retryable,
        next_retry_delay=error.next_retry_delay,
        # The handler meant it: it has its line in the log, and the SDK need not add a traceback as for a mistake.
        category=ApplicationErrorCategory.BENIGN if isinstance(error, TaskFailed) else error.category,
    )
