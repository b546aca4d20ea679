"""How runs go when nothing goes wrong: order, size, visibility, both ways to deploy."""

import asyncio
from collections.abc import Callable

import pytest
from temporalio.client import Client

from taskfactory.envelope import decode
from tests.e2e.platform import Platform, as_json, event, eventually, ids

MIXED = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: mixed
trigger: {type: event, match: {type: [test.order]}, when: event.data.number >= 0}
context:
  - {name: large, type: event, expression: event.data.number > 100}
tasks:
  - {name: note, type: activity, handler: note, queue: "{queue}", foreach: event.data.parts, params: {part: "${item}"}}
  - {name: steps, type: workflow, workflow: two-steps, queue: "{queue}", params: {number: "${event.data.number}"}}
  - {name: only-large, type: activity, handler: note, queue: "{queue}", when: context.large}
  - name: fails
    type: activity
    handler: refuse
    queue: "{queue}"
    when: "!context.large"
    retry: {max_attempts: 2, initial_interval: 10ms}
"""
HUGE = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: huge
trigger: {type: event, match: {type: [test.order]}}
tasks:
  - {name: held, type: workflow, workflow: wait-for-signal, queue: "{queue}"}
  - {name: note, type: activity, handler: note, queue: "{queue}", foreach: event.data.parts, params: {part: "${item}"}}
"""
NOTE = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: note-it
trigger: {type: event, match: {type: [test.order]}}
tasks:
  - {name: note, type: activity, handler: note, queue: "{queue}"}
"""


def test_tasks_of_every_kind_end_in_outcomes_that_say_what_happened(platform: Platform) -> None:
    platform.apply(MIXED)
    platform.start("run")
    platform.worker()
    platform.send([event(1, data={"number": 1, "parts": ["a", "b"]}, correlationid="c1", traceparent="00-x")])
    platform.send([event(1, data={"number": 1, "parts": ["a", "b"]})])  # the same event once more
    platform.send([event(-1, data={"number": -1, "parts": []})])  # filtered by `when`
    platform.send([event(200, data={"number": 200, "parts": []})])

    eventually(lambda: len(ids(platform.outcomes())) == 8, "both runs' outcomes")
    by_kind: dict[str, list[str]] = {}
    for outcome in platform.outcomes():
        name = outcome.data["task"]["name"] if "task" in outcome.data else "run"
        by_kind.setdefault(f"{outcome.subject} {name}", []).append(outcome.type.rpartition(".")[2])
    assert by_kind == {
        "subject-1 note": ["completed", "completed"],
        "subject-1 steps": ["completed"],
        "subject-1 fails": ["failed"],
        "subject-1 run": ["failed"],
        "subject-200 steps": ["completed"],
        "subject-200 only-large": ["completed"],
        "subject-200 run": ["completed"],
    }
    failed = next(outcome for outcome in platform.outcomes() if outcome.type == "io.taskfactory.task.failed")
    assert failed.data["task"]["attempts"] == 2
    assert failed.data["task"]["error"]["type"] == "ValueError"
    assert failed.data["activity"]["name"] == "mixed"
    assert failed.data["activity"]["version"] == 1
    trigger = failed.data["trigger"]
    assert (trigger["source"], trigger["id"], trigger["type"]) == ("/tests", "event-1", "test.order")
    assert (trigger["topic"], trigger["offset"]) == (platform.topic, 0)
    assert failed.causationid == "event-1"
    keys = {(key, decode(value, headers).subject) for value, headers, key in platform.records(platform.outcomes_topic)}
    assert keys == {(b"subject-1", "subject-1"), (b"subject-200", "subject-200")}, "keyed as the triggering record"
    states = {run["state"] for run in as_json(platform.run("get", "runs", "-o", "json"))}
    assert states == {"failed", "completed"}
    skipped = platform.scalar("SELECT count(*) FROM tasks WHERE state = 'skipped'")
    assert skipped == 2


@pytest.mark.timeout(180)
def test_an_open_child_survives_its_runs_continuing_as_new(platform: Platform) -> None:
    platform.apply(HUGE)
    platform.start("run")
    platform.worker()
    parts = 1800
    platform.send([event(1, data={"parts": list(range(parts))})])
    eventually(lambda: len(set(platform.effects())) == parts, "every small task is done", timeout=120)
    run_id = platform.scalar("SELECT run_id FROM activity_runs")

    async def executions_and_end_child() -> tuple[str, str]:
        client = await Client.connect(platform.stack.endpoints.temporal_address)
        current = await client.get_workflow_handle(run_id).describe()
        first = str(platform.scalar("SELECT owner FROM activity_runs"))
        await client.get_workflow_handle(f"{run_id}/held").signal("end")
        return first, current.run_id

    first, current = asyncio.run(executions_and_end_child())
    assert first != current, "the run continued as new while its child was open"
    eventually(lambda: f"{run_id}/completed" in ids(platform.outcomes()), "the run ends with its child", timeout=60)
    outcomes = platform.outcomes()
    assert len(ids(outcomes)) == parts + 2
    held = next(outcome for outcome in outcomes if outcome.id == f"{run_id}/held/completed")
    assert held.data["task"]["result"]["told"] is True


def test_a_task_that_nobody_can_take_is_seen_and_goes_on_when_a_worker_comes(
    make_platform: Callable[..., Platform],
) -> None:
    platform = make_platform(TASKFACTORY_QUEUE_CHECK_INTERVAL="0.5")
    platform.apply(NOTE)
    service = platform.start("run")
    platform.send([event(1)])

    def shown_state() -> str:
        tasks = as_json(platform.run("get", "tasks", "-o", "json"))
        return str(tasks[0]["state"]) if tasks else ""

    eventually(lambda: shown_state() == "waiting_for_worker", "`get tasks` shows it")
    assert service.metric("taskfactory_tasks_waiting_for_worker") == 1
    assert "waiting_for_worker" in service.log.read_text()
    platform.worker()
    eventually(lambda: shown_state() == "completed", "the worker takes it")
    eventually(lambda: service.metric("taskfactory_tasks_waiting_for_worker") == 0, "the metric goes back")


def test_every_service_ends_orderly_under_load_and_loses_nothing(platform: Platform) -> None:
    # What Temporal was just handing to a worker that left is tried again after the attempt's timeout.
    platform.apply(NOTE.replace('queue: "{queue}"}', 'queue: "{queue}", timeout: 5s}'))
    services = [platform.start("ingress"), platform.start("orchestrator"), platform.worker()]
    platform.send([event(n) for n in range(600)])
    eventually(lambda: len(platform.effects()) > 50, "work is going on")
    assert [service.stop(timeout=40) for service in services] == [0, 0, 0]
    assert len(set(platform.effects())) < 600, "it was stopped in the middle"

    platform.start("ingress")
    platform.start("orchestrator")
    platform.worker()
    eventually(lambda: len(set(platform.effects())) == 600, "the rest is done after the restart", timeout=90)
    eventually(lambda: len(ids(platform.outcomes())) == 1200, "and published", timeout=60)


def test_outcomes_can_be_avro(make_platform: Callable[..., Platform]) -> None:
    platform = make_platform(TASKFACTORY_OUTCOMES_FORMAT="avro")
    platform.apply(NOTE)
    platform.start("run")
    platform.worker()
    platform.send([event(1)])
    eventually(lambda: len(ids(platform.outcomes())) == 2, "outcomes are there")
    values = [value for value, _, _ in platform.records(platform.outcomes_topic)]
    assert all(value[:2] == b"\xc3\x01" for value in values)
