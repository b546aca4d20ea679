"""What a task's options and an installation's limits promise, asked of the real parts."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import ActivityTaskScheduledEventAttributes
from temporalio.client import Client

from tests.e2e.platform import Platform, as_json, event, eventually

ONE_TASK = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: one-task
trigger: {{type: event, match: {{type: [test.order]}}}}
tasks:
  - {{name: only, type: activity, queue: "{{queue}}", {options}}}
"""


@pytest.fixture
def platform(make_platform: Callable[..., Platform]) -> Platform:
    return make_platform()


def carry_out(platform: Platform, options: str, *, data: Any = None, worker: bool = True) -> None:
    """Start everything and send one event to a definition of one task."""
    platform.apply(ONE_TASK.format(options=options))
    platform.start("run")
    if worker:
        platform.start("worker", "--module", "tests.e2e.option_handlers", "--queue", platform.queue)
    platform.send([event(1, data=data)])


def outcomes_by_type(platform: Platform) -> dict[str, Any]:
    """Data of the outcomes, once the task's and the run's are there."""
    found = {outcome.type.removeprefix("io.taskfactory."): outcome.data for outcome in platform.outcomes()}
    return found if len(found) == 2 else {}


def test_a_task_that_keeps_failing_expires_at_its_schedule_to_close_time(platform: Platform) -> None:
    retry = "retry: {initial_interval: 100ms, backoff: 1, max_interval: 100ms}"
    carry_out(platform, f"handler: refuse_always, timeout: 1s, schedule_to_close: 2s, {retry}")
    ends = eventually(lambda: outcomes_by_type(platform), "task and run have ended")
    assert set(ends) == {"task.expired", "run.failed"}
    error = ends["task.expired"]["task"]["error"]
    assert error["type"] == "Expired"
    assert "the warehouse does not answer" in error["message"]


def test_a_pause_that_would_outlast_schedule_to_close_expires_the_task_too(platform: Platform) -> None:
    retry = "retry: {initial_interval: 1m, max_interval: 1m}"
    carry_out(platform, f"handler: refuse_always, timeout: 1s, schedule_to_close: 2s, {retry}")
    ends = eventually(lambda: outcomes_by_type(platform), "task and run have ended")
    assert set(ends) == {"task.expired", "run.failed"}
    assert "the warehouse does not answer" in ends["task.expired"]["task"]["error"]["message"]


def test_a_handler_that_stops_sending_heartbeats_is_tried_again(platform: Platform) -> None:
    carry_out(platform, "handler: silent_at_first, timeout: 1m, heartbeat: 1s, retry: {initial_interval: 100ms}")
    ends = eventually(lambda: outcomes_by_type(platform), "task and run have ended")
    assert set(ends) == {"task.completed", "run.completed"}
    assert ends["task.completed"]["task"]["attempts"] == 2
    assert ends["task.completed"]["task"]["result"] == {"attempt": 2}


def test_temporal_is_asked_for_exactly_what_the_template_says(platform: Platform) -> None:
    retry = "retry: {max_attempts: 7, initial_interval: 1500ms, backoff: 2.5, max_interval: 40s}"
    options = f"handler: refuse_always, timeout: 45s, schedule_to_close: 10m, heartbeat: 20s, {retry}"
    carry_out(platform, options, worker=False)
    scheduled = eventually(lambda: asyncio.run(_scheduled(platform)), "the task is scheduled")
    run_id = platform.scalar("SELECT run_id FROM activity_runs")
    assert (scheduled.activity_type.name, scheduled.task_queue.name) == ("refuse_always", platform.queue)
    assert scheduled.activity_id == f"{run_id}/only"
    assert scheduled.start_to_close_timeout.ToTimedelta() == timedelta(seconds=45)
    assert scheduled.schedule_to_close_timeout.ToTimedelta() == timedelta(minutes=10)
    assert scheduled.heartbeat_timeout.ToTimedelta() == timedelta(seconds=20)
    assert scheduled.retry_policy.initial_interval.ToTimedelta() == timedelta(milliseconds=1500)
    assert scheduled.retry_policy.backoff_coefficient == 2.5
    assert scheduled.retry_policy.maximum_interval.ToTimedelta() == timedelta(seconds=40)
    assert scheduled.retry_policy.maximum_attempts == 7
    assert not scheduled.retry_policy.non_retryable_error_types


async def _scheduled(platform: Platform) -> ActivityTaskScheduledEventAttributes | None:
    rows = platform.query("SELECT run_id FROM activity_runs")
    if not rows:
        return None
    client = await Client.connect(platform.stack.endpoints.temporal_address)
    history = await client.get_workflow_handle(rows[0][0]).fetch_history()
    found = [
        happened.activity_task_scheduled_event_attributes
        for happened in history.events
        if happened.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    return found[0] if found else None


def test_params_over_the_installations_limit_fail_the_run_before_anything_is_done(
    make_platform: Callable[..., Platform],
) -> None:
    platform = make_platform(TASKFACTORY_MAX_PARAMS_BYTES="10000")
    options = 'handler: blow_up, params: {bytes: 1, blob: "${event.data.blob}"}'
    carry_out(platform, options, data={"blob": "x" * 10_000}, worker=False)
    (outcome,) = eventually(platform.outcomes, "the run has ended")
    assert outcome.type == "io.taskfactory.run.failed"
    assert outcome.data["run"]["error"]["type"] == "too_large"
    assert "allowed are 10000" in outcome.data["run"]["error"]["message"]
    assert platform.scalar("SELECT count(*) FROM tasks") == 0


def test_a_result_over_the_installations_limit_is_left_out_of_the_outcome_and_kept(
    make_platform: Callable[..., Platform],
) -> None:
    platform = make_platform(TASKFACTORY_MAX_OUTCOME_BYTES="10000")
    carry_out(platform, 'handler: blow_up, foreach: "[10, 20000, 30]", params: {bytes: "${item}"}')
    outcomes = eventually(lambda: found if len(found := platform.outcomes()) == 4 else None, "all ends are published")
    by_index = {data["task"]["index"]: data["task"] for data in (o.data for o in outcomes) if "task" in data}
    assert by_index[0]["result"] == {"blob": "x" * 10}
    assert by_index[2]["result"] == {"blob": "x" * 30}
    assert "result" not in by_index[1]
    assert "taskfactory get tasks" in by_index[1]["result_omitted"]

    run_id = platform.scalar("SELECT run_id FROM activity_runs")
    shown = as_json(platform.run("get", "tasks", "--run", run_id, "-o", "json"))
    assert {task["index"]: len(task["result"]["blob"]) for task in shown} == {0: 10, 1: 20000, 2: 30}
