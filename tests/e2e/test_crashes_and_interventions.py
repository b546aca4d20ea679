"""What an operator or a power cut does to single runs: nothing vanishes, and the reconciler settles it."""

import asyncio
from collections.abc import Callable

import pytest
from temporalio.client import WorkflowExecutionStatus

from tests.e2e.platform import QUICK_RECONCILER, Platform, event, eventually, ids, reset, temporal

NOTE = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: note-it
trigger: {type: event, match: {type: [test.order]}}
tasks:
  - {name: note, type: activity, handler: note, queue: "{queue}", params: {number: "${event.data.number}"}}
"""
WAIT = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: wait-for-it
trigger: {type: event, match: {type: [test.order]}}
tasks:
  - {name: quick, type: activity, handler: note, queue: "{queue}"}
  - {name: held, type: workflow, workflow: wait-for-signal, queue: "{queue}"}
"""


@pytest.fixture
def platform(make_platform: Callable[..., Platform]) -> Platform:
    return make_platform(**QUICK_RECONCILER)


def the_run(platform: Platform) -> str:
    """The id of the only run, as soon as its execution exists."""

    async def find() -> list[str]:
        client = await temporal(platform)
        query = f"WorkflowType = 'RunActivityWorkflow' AND TaskQueue = '{platform.orchestrator_queue}'"
        return [execution.id async for execution in client.list_workflows(query)]

    found: list[str] = eventually(lambda: asyncio.run(find()), "the run's execution exists")
    return found[0]


def terminate(platform: Platform, workflow_id: str) -> None:
    async def do() -> None:
        await (await temporal(platform)).get_workflow_handle(workflow_id).terminate(reason="operator's test")

    asyncio.run(do())


def outcome_types(platform: Platform) -> dict[str, str]:
    return {outcome.id: outcome.type.removeprefix("io.taskfactory.") for outcome in platform.outcomes()}


def run_state(platform: Platform) -> str | None:
    rows = platform.query("SELECT state FROM activity_runs")
    return str(rows[0][0]) if rows else None


def test_a_crash_between_the_claims_commit_and_its_acknowledgement_does_not_lose_the_run(platform: Platform) -> None:
    platform.apply(NOTE)
    platform.start("ingress")
    platform.worker()
    dying = platform.start("orchestrator", env={"TASKFACTORY_FAILPOINTS": "orchestrator.after_claim"})
    platform.send([event(1)])
    assert dying.process.wait(60) == -9
    assert platform.scalar("SELECT count(*) FROM dedupe_ledger") == 1

    platform.start("orchestrator")
    eventually(lambda: run_state(platform) == "completed", "the run ends after the restart")
    assert len(set(platform.effects())) == 1
    assert platform.scalar("SELECT count(*) FROM dedupe_ledger") == 1


def test_a_crash_between_the_rows_commit_and_the_outcome_still_publishes_it(platform: Platform) -> None:
    platform.apply(NOTE)
    platform.start("ingress")
    platform.worker()
    dying = platform.start("orchestrator", env={"TASKFACTORY_FAILPOINTS": "orchestrator.before_publish"})
    platform.send([event(1)])
    assert dying.process.wait(60) == -9
    assert run_state(platform) == "completed"
    assert platform.outcomes() == []

    platform.start("orchestrator")
    eventually(lambda: len(ids(platform.outcomes())) == 2, "task and run outcomes are published")


def test_a_run_terminated_before_its_claim_is_started_again(platform: Platform) -> None:
    platform.apply(NOTE)
    platform.start("ingress")
    platform.send([event(1)])
    run_id = the_run(platform)
    terminate(platform, run_id)  # no orchestrator has seen it yet

    platform.worker()
    orchestrator = platform.start("orchestrator")
    eventually(lambda: run_state(platform) == "completed", "the run was started again and ended")
    assert orchestrator.metric("taskfactory_reconciled_total") == 1
    assert ids(platform.outcomes()) == {f"{run_id}/note/completed", f"{run_id}/completed"}


def test_a_run_terminated_after_its_claim_fails_with_the_reason(platform: Platform) -> None:
    platform.apply(NOTE)
    platform.start("ingress")
    platform.start("orchestrator")  # and no worker: the task stays open
    platform.send([event(1)])
    eventually(lambda: run_state(platform) == "running", "the run is claimed")
    run_id = the_run(platform)
    terminate(platform, run_id)

    eventually(lambda: run_state(platform) == "failed", "the reconciler settles the run")
    assert "operator's test" in platform.scalar("SELECT error->>'message' FROM activity_runs")
    eventually(lambda: len(platform.outcomes()) >= 2, "both ends are published")
    assert outcome_types(platform) == {f"{run_id}/note/failed": "task.failed", f"{run_id}/failed": "run.failed"}


def test_a_run_terminated_midway_keeps_what_was_done_and_cancels_what_was_open(platform: Platform) -> None:
    platform.apply(WAIT)
    platform.start("ingress")
    platform.start("orchestrator")
    platform.worker()
    platform.send([event(1)])
    eventually(platform.outcomes, "the quick task's outcome leaves before the run ends")
    run_id = the_run(platform)
    terminate(platform, run_id)

    eventually(lambda: len(ids(platform.outcomes())) == 3, "the other ends are published")
    assert outcome_types(platform) == {
        f"{run_id}/quick/completed": "task.completed",
        f"{run_id}/held/failed": "task.failed",
        f"{run_id}/failed": "run.failed",
    }

    async def child_status() -> WorkflowExecutionStatus | None:
        handle = (await temporal(platform)).get_workflow_handle(f"{run_id}/held")
        return (await handle.describe()).status

    eventually(lambda: asyncio.run(child_status()) == WorkflowExecutionStatus.CANCELED, "the open child is cancelled")


def test_a_cancelled_run_cancels_its_tasks_and_says_so(platform: Platform) -> None:
    platform.apply(WAIT)
    platform.start("ingress")
    platform.start("orchestrator")
    platform.worker()
    platform.send([event(1)])
    eventually(platform.outcomes, "the quick task's outcome leaves before the run ends")
    run_id = the_run(platform)

    async def cancel() -> None:
        await (await temporal(platform)).get_workflow_handle(run_id).cancel()

    asyncio.run(cancel())
    eventually(lambda: run_state(platform) == "cancelled", "the run is cancelled")
    eventually(lambda: len(ids(platform.outcomes())) == 3, "the ends are published")
    assert outcome_types(platform) == {
        f"{run_id}/quick/completed": "task.completed",
        f"{run_id}/held/cancelled": "task.cancelled",
        f"{run_id}/cancelled": "run.cancelled",
    }


def test_a_run_cancelled_before_its_claim_is_recorded_as_cancelled(platform: Platform) -> None:
    platform.apply(NOTE)
    platform.start("ingress")
    platform.send([event(1)])
    run_id = the_run(platform)

    async def cancel() -> None:
        await (await temporal(platform)).get_workflow_handle(run_id).cancel()

    asyncio.run(cancel())
    platform.worker()
    platform.start("orchestrator")
    eventually(lambda: run_state(platform) == "cancelled", "the run is recorded as cancelled")
    eventually(lambda: f"{run_id}/cancelled" in ids(platform.outcomes()), "and published as such")
    assert platform.effects() == []


def test_a_reset_run_does_nothing_twice_under_another_key(platform: Platform) -> None:
    platform.apply(WAIT)
    platform.start("ingress")
    platform.start("orchestrator")
    platform.worker()
    platform.send([event(1)])
    eventually(platform.outcomes, "the quick task is done, the child is open")
    run_id = the_run(platform)

    async def reset_to_the_beginning() -> None:
        await reset(await temporal(platform), run_id)

    async def end_child() -> None:
        await (await temporal(platform)).get_workflow_handle(f"{run_id}/held").signal("end")

    asyncio.run(reset_to_the_beginning())
    asyncio.run(end_child())
    eventually(lambda: run_state(platform) == "completed", "the run ends after the reset")
    eventually(lambda: len(ids(platform.outcomes())) == 3, "each end has one id")
    assert set(outcome_types(platform).values()) == {"task.completed", "run.completed"}
    assert set(platform.effects()) == {f"{run_id}/quick"}
    assert platform.scalar("SELECT count(*) FROM dedupe_ledger") == 1
