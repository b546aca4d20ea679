"""From what Temporal gives back to what a task's row and outcome say. Pure, used inside the workflow."""

from typing import Any, Final

from pydantic import ValidationError
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    RetryState,
    TemporalError,
    TimeoutError,  # noqa: A004 -- Temporal's own
    TimeoutType,
)

from taskfactory.envelope import Failure
from taskfactory.registry import StoredTask, TaskEnd
from taskfactory.tasks import TaskResult

MAX_MESSAGE: Final = 4000
"""Characters of a failure's message that are kept; handlers were seen to raise whole documents."""

_OUT_OF_TIME: Final = {
    TimeoutType.SCHEDULE_TO_CLOSE: "the task did not end within its schedule_to_close time",
    TimeoutType.SCHEDULE_TO_START: "no worker took the task in time",
}
_NO_ANSWER: Final = {
    TimeoutType.START_TO_CLOSE: "the handler did not end within the task's timeout",
    TimeoutType.HEARTBEAT: "the handler stopped sending heartbeats",
}


def failure(kind: str, message: str) -> Failure:
    """A `Failure` whose message has a bounded length."""
    shown = message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]}… ({len(message)} characters)"
    return Failure(type=kind, message=shown)


def end_from_answer(run_id: str, task: StoredTask, answer: Any) -> TaskEnd:
    """The end of a task whose activity answered; an answer that is no `TaskResult` is a failure of the handler."""
    try:
        result = TaskResult.model_validate(answer)
    except ValidationError:
        message = f'the activity must answer {{"attempts": …, "result": …}}; found {type(answer).__name__}'
        return TaskEnd(run_id=run_id, task_id=task.task_id, status="failed", error=failure("InvalidResult", message))
    return TaskEnd(
        run_id=run_id, task_id=task.task_id, status="completed", attempts=result.attempts, result=result.result
    )


def cancelled_end(run_id: str, task_id: str) -> TaskEnd:
    """The end of a task that was open when its run was cancelled."""
    return TaskEnd(
        run_id=run_id,
        task_id=task_id,
        status="cancelled",
        error=failure("Cancelled", "the run was cancelled while the task was open"),
    )


def end_from_error(run_id: str, task: StoredTask, error: ActivityError | ChildWorkflowError) -> TaskEnd:
    """The end that an activity's or a child workflow's error stands for.

    A task that ran out of its whole time (`schedule_to_close`, for a workflow its `timeout`) is `expired`; one whose
    handler failed for good, or whose last attempt did not answer, is `failed`.
    """
    cause = error.cause
    attempts = _attempts(task, error)
    if isinstance(cause, CancelledError):
        return cancelled_end(run_id, task.task_id)
    if (message := _out_of_time(error)) is not None:
        ended = failure("Expired", message)
        return TaskEnd(run_id=run_id, task_id=task.task_id, status="expired", attempts=attempts, error=ended)
    ended = failure_of(cause if isinstance(cause, TemporalError) else error)
    return TaskEnd(run_id=run_id, task_id=task.task_id, status="failed", attempts=attempts, error=ended)


def context_failure(name: str, error: ActivityError) -> Failure:
    """Why a context source gave no value, after its last attempt."""
    cause = error.cause
    if isinstance(cause, TimeoutError):
        in_all = cause.type in _OUT_OF_TIME
        what = "no value within its schedule_to_close time" if in_all else "an attempt did not end in time"
        return failure("Timeout", _with_last_failure(f"context {name}: {what}", cause))
    return failure_of(cause if isinstance(cause, TemporalError) else error)


def _out_of_time(error: ActivityError | ChildWorkflowError) -> str | None:
    """What there is to say when the task ran out of its whole time; None when it ended otherwise."""
    cause = error.cause
    is_child = isinstance(error, ChildWorkflowError)
    whole = "the workflow did not end within its timeout" if is_child else _OUT_OF_TIME[TimeoutType.SCHEDULE_TO_CLOSE]
    if isinstance(cause, TimeoutError) and (is_child or cause.type in _OUT_OF_TIME):
        return _with_last_failure(_OUT_OF_TIME.get(cause.type, whole) if cause.type else whole, cause)
    if error.retry_state == RetryState.TIMEOUT:
        # Temporal gives up at once when the pause before the next attempt would outlast that time.
        last = failure_of(cause if isinstance(cause, TemporalError) else error)
        return f"{whole}; the last attempt failed with {last.type}: {last.message}"
    return None


def failure_of(cause: BaseException | None) -> Failure:
    """What a task's row and outcome say about the exception that ended it."""
    if isinstance(cause, TimeoutError):
        message = _NO_ANSWER.get(cause.type, cause.message) if cause.type else cause.message
        return failure("Timeout", _with_last_failure(message, cause))
    if isinstance(cause, ApplicationError):
        if cause.type is None and isinstance(cause.cause, ApplicationError):
            # The SDK's own, such as "Failed decoding arguments": the reason is behind it.
            return failure(cause.cause.type or "ApplicationError", f"{cause.message}: {cause.cause.message}")
        return failure(cause.type or "ApplicationError", cause.message)
    return failure(type(cause).__name__, str(cause))


def _with_last_failure(message: str, timeout: TimeoutError) -> str:
    if isinstance(timeout.cause, ApplicationError):
        last = failure_of(timeout.cause)
        return f"{message}; the last attempt failed with {last.type}: {last.message}"
    return message


def child_attempts(task: StoredTask) -> int | None:
    """How often a child workflow was tried; its parent is not told, so it is known only when there is no retry."""
    return 1 if task.retry.max_attempts == 1 else None


def _attempts(task: StoredTask, error: ActivityError | ChildWorkflowError) -> int | None:
    """How often the handler was tried, where that can be known.

    Our own handlers send the number along with what they raise; otherwise it is known only when the maximum was
    reached.
    """
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.details and isinstance(cause.details[-1], dict):
        attempts = cause.details[-1].get("attempts")
        if isinstance(attempts, int):
            return attempts
    if error.retry_state == RetryState.MAXIMUM_ATTEMPTS_REACHED:
        return task.retry.max_attempts
    return child_attempts(task) if isinstance(error, ChildWorkflowError) else None
