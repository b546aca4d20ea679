"""Events, params and results larger than Temporal takes: they go by reference, and everything else stays as it was."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from taskfactory.orchestrator.workflow import RunActivityWorkflow
from taskfactory.runtime import TemporalSettings
from taskfactory.runtime.payload_storage import external_storage
from tests.e2e.platform import Platform, event, eventually

MB = 1_000_000
LARGE = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: large
trigger: {type: event, match: {type: [test.order]}}
tasks:
  - name: params
    type: activity
    queue: "{queue}"
    handler: measure
    params: {blob: "${event.data.blob}"}
  - name: result
    type: activity
    queue: "{queue}"
    handler: blow_up
    params: {bytes: 3000000}
  - name: child
    type: workflow
    queue: "{queue}"
    workflow: measure-in-steps
    params: {blob: "${event.data.blob}"}
"""
ROOM = {
    "TASKFACTORY_MAX_EVENT_BYTES": str(8 * MB),
    "TASKFACTORY_MAX_PARAMS_BYTES": str(8 * MB),
    "TASKFACTORY_MAX_OUTCOME_BYTES": str(8 * MB),
}


@pytest.fixture
def platform(make_platform: Callable[..., Platform]) -> Platform:
    return make_platform({"max.message.bytes": str(10 * MB)}, **ROOM)


def history(platform: Platform, run_id: str) -> WorkflowHistory:
    async def fetched() -> WorkflowHistory:
        client = await Client.connect(platform.stack.endpoints.temporal_address)
        return await client.get_workflow_handle(run_id).fetch_history()

    return asyncio.run(fetched())


def test_an_event_params_and_results_of_megabytes_come_through_whole(
    platform: Platform, record_property: Callable[[str, object], None]
) -> None:
    platform.apply(LARGE)
    platform.start("run")
    platform.start("worker", "--module", "tests.e2e.option_handlers", "--queue", platform.queue)
    platform.send([event(1, data={"blob": "ü" * (5 * MB // 2)})])
    outcomes: dict[str, Any] = eventually(lambda: _by_task(platform, 4), "three tasks and the run have ended", 120)
    assert {outcome.type for outcome in platform.outcomes()} == {
        "io.taskfactory.task.completed",
        "io.taskfactory.run.completed",
    }
    assert outcomes["params"]["task"]["result"] == {"characters": 5 * MB // 2}
    assert outcomes["child"]["task"]["result"] == {"characters": 5 * MB // 2}
    assert len(outcomes["result"]["task"]["result"]["blob"]) == 3 * MB
    run_id = platform.scalar("SELECT run_id FROM activity_runs")
    recorded = history(platform, run_id)
    assert sum(happened.ByteSize() for happened in recorded.events) < 50_000
    assert platform.scalar("SELECT max(octet_length(body)) FROM payloads") > 5 * MB
    asyncio.run(_replay(platform, recorded))
    record_property("payloads", platform.query("SELECT count(*), sum(octet_length(body)) FROM payloads"))
    record_property("on disk", platform.scalar("SELECT pg_total_relation_size('payloads')"))


async def _replay(platform: Platform, recorded: WorkflowHistory) -> None:
    settings = TemporalSettings(payload_storage=SecretStr(platform.database_url))
    replayer = Replayer(
        workflows=[RunActivityWorkflow],
        workflow_runner=UnsandboxedWorkflowRunner(),
        data_converter=replace(pydantic_data_converter, external_storage=external_storage(settings)),
    )
    await replayer.replay_workflow(recorded)


def _by_task(platform: Platform, wanted: int) -> dict[str, Any]:
    outcomes = [outcome.data for outcome in platform.outcomes()]
    found = {outcome["task"]["name"] if "task" in outcome else "run": outcome for outcome in outcomes}
    return found if len(found) == wanted else {}


def test_a_worker_without_the_storage_says_so_where_the_task_is_looked_at(platform: Platform) -> None:
    platform.apply(
        LARGE.partition("  - name: result")[0].replace(
            "params: {blob", "timeout: 5s\n    schedule_to_close: 8s\n    params: {blob"
        )
    )
    platform.start("run")
    arguments = ("worker", "--module", "tests.e2e.option_handlers", "--queue", platform.queue)
    platform.start(*arguments, env={"TASKFACTORY_PAYLOAD_STORAGE": "off"})
    platform.send([event(1, data={"blob": "x" * (3 * MB)})])
    outcomes = eventually(lambda: _by_task(platform, 2), "the task has expired")
    message = outcomes["params"]["task"]["error"]["message"]
    assert "TASKFACTORY_PAYLOAD_STORAGE is `off` here" in message


def test_an_event_over_the_cap_is_dead_lettered_and_the_next_one_runs(make_platform: Callable[..., Platform]) -> None:
    platform = make_platform(TASKFACTORY_MAX_RUN_INPUT_BYTES="400000")
    platform.apply(LARGE.partition("  - name: result")[0])
    platform.start("run")
    platform.start("worker", "--module", "tests.e2e.option_handlers", "--queue", platform.queue)
    platform.send([event(1, data={"blob": "x" * 500_000}), event(2, data={"blob": "x" * 300_000})])
    eventually(lambda: _by_task(platform, 2), "the smaller one ran")
    ((_, headers, _),) = eventually(lambda: platform.records(platform.dlq_topic), "the larger one is a dead letter")
    assert dict(headers)["taskfactory_dlq_reason"] == b"run_input_too_large"
    assert b"TASKFACTORY_MAX_RUN_INPUT_BYTES" in (dict(headers)["taskfactory_dlq_message"])
