"""What one run, definition or execution can have wrong with it, without harm to the others."""

import asyncio
from collections.abc import Callable

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError

from tests.e2e.platform import QUICK_RECONCILER, Platform, event, eventually, ids, temporal

NOTE = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: note-it
trigger: {type: event, match: {type: [test.order]}}
tasks:
  - {name: note, type: activity, handler: note, queue: "{queue}"}
"""


@pytest.fixture
def platform(make_platform: Callable[..., Platform]) -> Platform:
    return make_platform(**QUICK_RECONCILER)


def run_states(platform: Platform) -> list[str]:
    return sorted(str(state) for (state,) in platform.query("SELECT state FROM activity_runs"))


def test_a_run_whose_execution_vanished_fails_and_says_so_on_kafka(platform: Platform) -> None:
    platform.apply(NOTE)
    platform.start("ingress")
    orchestrator = platform.start("orchestrator")  # and no worker: the task stays open
    platform.send([event(1)])
    eventually(lambda: run_states(platform) == ["running"], "the run is claimed")
    run_id = platform.scalar("SELECT run_id FROM activity_runs")
    orchestrator.kill()

    async def delete() -> None:
        client = await temporal(platform)
        await client.get_workflow_handle(run_id).terminate()
        await client.workflow_service.delete_workflow_execution(_deletion(client, run_id))

    asyncio.run(delete())
    eventually(lambda: asyncio.run(_is_gone(platform, run_id)), "Temporal has forgotten the execution")
    # Kafka is away while the run is settled: its outcome must be published later all the same.
    away = platform.start(
        "orchestrator",
        env={
            "TASKFACTORY_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "TASKFACTORY_KAFKA_CONFIG__DELIVERY_TIMEOUT_MS": "1500",
        },
    )
    eventually(lambda: run_states(platform) == ["failed"], "the run is settled")
    away.kill()
    assert platform.outcomes() == []

    platform.start("orchestrator")
    eventually(
        lambda: ids(platform.outcomes()) == {f"{run_id}/note/failed", f"{run_id}/failed"}, "its ends are published"
    )
    eventually(lambda: platform.scalar("SELECT count(*) FROM settling_runs") == 0, "nothing is left to settle")


def _deletion(client: Client, run_id: str) -> DeleteWorkflowExecutionRequest:
    return DeleteWorkflowExecutionRequest(
        namespace=client.namespace, workflow_execution=WorkflowExecution(workflow_id=run_id)
    )


async def _is_gone(platform: Platform, run_id: str) -> bool:
    try:
        await (await temporal(platform)).get_workflow_handle(run_id).describe()
    except RPCError:
        return True
    return False


def test_a_foreign_execution_on_the_queue_harms_no_run(platform: Platform) -> None:
    platform.apply(NOTE)

    async def start_foreign() -> None:
        client = await temporal(platform)
        handle = await client.start_workflow(
            "RunActivityWorkflow",
            {"oops": 1},
            id=platform.stack.name("foreign"),
            task_queue=platform.orchestrator_queue,
        )
        await handle.terminate()

    asyncio.run(start_foreign())
    platform.start("ingress")
    orchestrator = platform.start("orchestrator")
    eventually(lambda: orchestrator.metric("taskfactory_reconciled_total") > 0, "the reconciler has stumbled over it")
    platform.send([event(1)])
    eventually(lambda: run_states(platform) == ["running"], "a run goes its way")

    async def terminate() -> None:
        run_id = platform.scalar("SELECT run_id FROM activity_runs")
        await (await temporal(platform)).get_workflow_handle(run_id).terminate()

    asyncio.run(terminate())
    eventually(lambda: run_states(platform) == ["failed"], "another terminated run is settled all the same")
    assert orchestrator.process.poll() is None


def test_an_outcomes_topic_that_does_not_exist_is_replaced_by_the_installations(platform: Platform) -> None:
    platform.apply(NOTE.replace("tasks:", "outcomes: {topic: nowhere-to-be-found}\ntasks:"))
    service = platform.start("run")
    platform.worker()
    platform.send([event(1)])
    eventually(lambda: len(ids(platform.outcomes())) == 2, "both outcomes are on the installation's topic")
    assert "outcomes_topic_unusable" in service.log.read_text()


def test_a_child_workflow_is_started_again_as_its_template_says(platform: Platform) -> None:
    platform.apply(
        NOTE.replace("type: activity, handler: note", "type: workflow, workflow: fails-once").replace(
            'queue: "{queue}"}', 'queue: "{queue}", retry: {max_attempts: 3, initial_interval: 100ms}}'
        )
    )
    platform.start("run")
    platform.worker()
    platform.send([event(1)])
    eventually(lambda: run_states(platform) == ["completed"], "the second attempt completes")


@pytest.mark.timeout(120)
def test_a_fan_out_of_large_params_stays_within_temporals_limits(platform: Platform) -> None:
    platform.apply(
        NOTE.replace(
            'queue: "{queue}"}',
            'queue: "{queue}", foreach: event.data.parts, params: {blob: "${event.data.blob}"}}',
        )
    )
    platform.start("run")
    platform.worker()
    parts = 120
    platform.send([event(1, data={"parts": list(range(parts)), "blob": "x" * 60_000})])
    eventually(lambda: len(set(platform.effects())) == parts, "7 MB of params reach the handlers", timeout=90)
    eventually(lambda: run_states(platform) == ["completed"], "and the run completes")


def test_params_are_measured_in_bytes_and_refused_before_temporal_does(platform: Platform) -> None:
    twice = 'params: {a: "${event.data.t}", b: "${event.data.t}"}'
    platform.apply(NOTE.replace('queue: "{queue}"}', f'queue: "{{queue}}", {twice}}}'))
    platform.start("run", env={"TASKFACTORY_MAX_PARAMS_BYTES": "1000000"})  # of two bytes each
    platform.send([event(1, data={"t": "я" * 400_000})])
    eventually(lambda: run_states(platform) == ["failed"], "the run fails")
    (outcome,) = eventually(platform.outcomes, "and says why")
    assert outcome.data["run"]["error"]["type"] == "too_large"
    assert "bytes" in outcome.data["run"]["error"]["message"]


def test_the_orchestrator_ends_orderly_while_kafka_is_away(platform: Platform) -> None:
    platform.apply(NOTE)
    platform.start("ingress")
    platform.worker()
    away = platform.start("orchestrator", env={"TASKFACTORY_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    platform.send([event(n) for n in range(5)])
    eventually(lambda: len(platform.effects()) == 5, "outcomes wait for Kafka")
    assert away.stop(timeout=40) == 0

    platform.start("orchestrator")
    eventually(lambda: len(ids(platform.outcomes())) == 10, "they are published when Kafka is there", timeout=90)


def test_a_second_orchestrator_takes_over_what_only_one_may_do(platform: Platform) -> None:
    first = platform.start("orchestrator")
    eventually(lambda: first.metric("taskfactory_leading") == 1, "the first one leads")
    second = platform.start("orchestrator")
    assert second.metric("taskfactory_leading") == 0
    first.kill()
    eventually(lambda: second.metric("taskfactory_leading") == 1, "the second one leads after the first one's death")
