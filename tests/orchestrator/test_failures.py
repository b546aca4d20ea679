"""How a task's end reads, whatever way it failed."""

from typing import Any

import pytest
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    RetryState,
    TimeoutError,  # noqa: A004 -- Temporal's own
    TimeoutType,
)

from taskfactory.orchestrator.failures import MAX_MESSAGE, end_from_answer, end_from_error
from taskfactory.registry import StoredTask
from tests.orchestrator.samples import stored_task


def activity_error(
    cause: BaseException | None, retry_state: RetryState = RetryState.NON_RETRYABLE_FAILURE
) -> ActivityError:
    error = ActivityError(
        "activity failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="",
        activity_type="t",
        activity_id="1",
        retry_state=retry_state,
    )
    error.__cause__ = cause
    return error


def child_error(cause: BaseException, retry_state: RetryState = RetryState.RETRY_POLICY_NOT_SET) -> ChildWorkflowError:
    error = ChildWorkflowError(
        "child failed",
        namespace="",
        workflow_id="w",
        run_id="r",
        workflow_type="t",
        initiated_event_id=1,
        started_event_id=2,
        retry_state=retry_state,
    )
    error.__cause__ = cause
    return error


def timeout(type_: TimeoutType, last: BaseException | None = None) -> TimeoutError:
    error = TimeoutError("timeout", type=type_, last_heartbeat_details=[])
    error.__cause__ = last
    return error


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (activity_error(ApplicationError("no stock", type="OutOfStock")), "failed", "OutOfStock"),
        (activity_error(timeout(TimeoutType.START_TO_CLOSE)), "failed", "Timeout"),
        (activity_error(timeout(TimeoutType.HEARTBEAT)), "failed", "Timeout"),
        (activity_error(timeout(TimeoutType.SCHEDULE_TO_CLOSE)), "expired", "Expired"),
        (activity_error(timeout(TimeoutType.SCHEDULE_TO_START)), "expired", "Expired"),
        (activity_error(ApplicationError("no", type="Away"), RetryState.TIMEOUT), "expired", "Expired"),
        (activity_error(timeout(TimeoutType.START_TO_CLOSE), RetryState.TIMEOUT), "expired", "Expired"),
        (activity_error(CancelledError()), "cancelled", "Cancelled"),
        (child_error(ApplicationError("no", type="Away"), RetryState.TIMEOUT), "expired", "Expired"),
        (child_error(ApplicationError("no", type="Refused")), "failed", "Refused"),
        (child_error(timeout(TimeoutType.START_TO_CLOSE)), "expired", "Expired"),
        (child_error(CancelledError()), "cancelled", "Cancelled"),
        (activity_error(None), "failed", "ActivityError"),
    ],
)
def test_an_error_becomes_an_end_with_status_and_type(
    error: ActivityError | ChildWorkflowError, status: str, kind: str
) -> None:
    end = end_from_error("run", stored_task(), error)
    assert (end.status, end.error and end.error.type) == (status, kind)


def test_attempts_are_what_the_handler_sent_along() -> None:
    error = activity_error(ApplicationError("no", {"attempts": 3}, type="X"))
    assert end_from_error("run", stored_task(), error).attempts == 3


def test_attempts_are_the_maximum_when_that_was_reached() -> None:
    error = activity_error(timeout(TimeoutType.START_TO_CLOSE), RetryState.MAXIMUM_ATTEMPTS_REACHED)
    assert end_from_error("run", stored_task(max_attempts=4), error).attempts == 4


def test_attempts_are_unknown_otherwise() -> None:
    assert end_from_error("run", stored_task(), activity_error(timeout(TimeoutType.SCHEDULE_TO_CLOSE))).attempts is None


def test_a_timeout_says_what_the_last_attempt_failed_with() -> None:
    error = activity_error(timeout(TimeoutType.SCHEDULE_TO_CLOSE, ApplicationError("disk full", type="OSError")))
    end = end_from_error("run", stored_task(), error)
    assert end.error is not None
    assert "OSError: disk full" in end.error.message


def test_a_task_whose_next_attempt_would_come_too_late_says_what_the_last_one_failed_with() -> None:
    error = activity_error(ApplicationError("disk full", {"attempts": 3}, type="OSError"), RetryState.TIMEOUT)
    end = end_from_error("run", stored_task(), error)
    assert end.error is not None
    assert (end.attempts, "OSError: disk full" in end.error.message) == (3, True)


@pytest.mark.parametrize("expired", [False, True])
def test_what_the_sdk_could_not_decode_is_told_with_the_reason(expired: bool) -> None:  # noqa: FBT001 -- a parameter
    error = ApplicationError("Failed decoding arguments")
    error.__cause__ = ApplicationError("the payload is lost", type="PayloadLost")
    cause = timeout(TimeoutType.SCHEDULE_TO_CLOSE, error) if expired else error
    end = end_from_error("run", stored_task(), activity_error(cause))
    assert end.error is not None
    assert end.error.message.endswith("Failed decoding arguments: the payload is lost")
    assert (end.error.type, "PayloadLost: " in end.error.message) == (
        ("Expired", True) if expired else ("PayloadLost", False)
    )


def test_a_long_message_is_cut_and_says_so() -> None:
    end = end_from_error("run", stored_task(), activity_error(ApplicationError("x" * 10_000, type="X")))
    assert end.error is not None
    assert len(end.error.message) < MAX_MESSAGE + 30
    assert "10000 characters" in end.error.message


@pytest.mark.parametrize("answer", [None, "text", 7, [], {"attempts": "many"}])
def test_an_answer_that_is_no_task_result_fails_the_task(answer: Any) -> None:
    end = end_from_answer("run", stored_task(), answer)
    assert (end.status, end.error and end.error.type) == ("failed", "InvalidResult")


def test_an_answer_completes_the_task_with_its_result() -> None:
    task: StoredTask = stored_task()
    end = end_from_answer("run", task, {"attempts": 2, "result": {"a": 1}})
    assert (end.task_id, end.status, end.attempts, end.result) == (task.task_id, "completed", 2, {"a": 1})
