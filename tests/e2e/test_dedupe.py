"""One run for each occasion, past Temporal's retention, by every strategy with and without a window; and releases."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.envelope import EventEnvelope
from tests.e2e.platform import Platform, Service, as_json, event, eventually, temporal

KEYS = {"event-id": "event_id", "subject": "subject", "expression": "{expression: event.data.order}"}
DEFINITION = """
---
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: {name}
trigger: {{type: event, match: {{type: [test.order]}}}}
dedupe: {{key: {key}, window: {window}}}
tasks:
  - {{name: never, type: activity, handler: note, queue: nobody, when: "false"}}
"""
ALL = "".join(
    DEFINITION.format(name=f"{name}-{window}", key=key, window=window)
    for name, key in KEYS.items()
    for window in ("forever", "7d")
)
RUNS = {
    "event-id-forever": 3,
    "event-id-7d": 4,
    "subject-forever": 1,
    "subject-7d": 2,
    "expression-forever": 1,
    "expression-7d": 2,
}
ASKED = 3 + 1 + 1 + 3 * 4
"""Workflow ids that the events of `HISTORY` ask for: one per key, and with a window one per event and time."""


def on(day: int, event_id: str) -> EventEnvelope:
    """An event of one order that happened on that day."""
    made = event(event_id, subject="order-1", data={"order": 1})
    return made.model_copy(update={"time": f"2026-01-{day + 1:02d}T00:00:00Z"})


HISTORY = [on(0, "a"), on(3, "b"), on(8, "c"), on(9, "a")]
"""In windows of a week: day 0 opens one, 3 falls into it, 8 opens the next; an id comes again after its window."""


def runs(platform: Platform) -> dict[str, int]:
    return dict(Counter(name for (name,) in platform.query("SELECT activity_name FROM activity_runs")))


def send_one_by_one(platform: Platform, ingress: Service, events: Sequence[EventEnvelope]) -> None:
    """So that what each event finds is known: ingress works on many at once."""
    for one in events:
        platform.send([one])
        eventually(lambda: platform.committed() == platform.end_offsets(), "the event is disposed of")
        settled(platform)
    assert ingress.is_ready()


def settled(platform: Platform) -> None:
    """Until no run's execution is open."""

    async def open_executions() -> int:
        client = await temporal(platform)
        mine = f"TaskQueue = '{platform.orchestrator_queue}' AND ExecutionStatus = 'Running'"
        return (await client.count_workflows(mine)).count

    eventually(lambda: asyncio.run(open_executions()) == 0, "every execution has ended")


def forget(platform: Platform, expected: int) -> None:
    """Delete every execution, as Temporal does after its retention."""

    async def delete_all() -> int:
        client = await temporal(platform)
        found = [item async for item in client.list_workflows(f"TaskQueue = '{platform.orchestrator_queue}'")]
        for item in found:
            await client.workflow_service.delete_workflow_execution(
                DeleteWorkflowExecutionRequest(
                    namespace=client.namespace,
                    workflow_execution=WorkflowExecution(workflow_id=item.id, run_id=item.run_id),
                )
            )
        for item in found:
            while await exists(client, item.id):  # noqa: ASYNC110 -- Temporal deletes in its own time and tells nobody
                await asyncio.sleep(0.05)
        return len(found)

    eventually(lambda: seen(platform) >= expected, "Temporal lists every execution")
    assert asyncio.run(delete_all()) == expected


def seen(platform: Platform) -> int:
    async def count() -> int:
        client = await temporal(platform)
        return (await client.count_workflows(f"TaskQueue = '{platform.orchestrator_queue}'")).count

    return asyncio.run(count())


async def exists(client: Client, workflow_id: str) -> bool:
    try:
        await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True


def publish_again(platform: Platform, ingress: Service) -> Service:
    """The producer sends everything once more."""
    platform.send(HISTORY)
    return ingress


def replay_from_the_start(platform: Platform, ingress: Service) -> Service:
    """Another consumer group begins at offset 0."""
    ingress.stop()
    platform.group = platform.stack.name("group")
    return platform.start("ingress", env={"TASKFACTORY_KAFKA_GROUP_ID": platform.group})


def recreate_the_topic(platform: Platform, ingress: Service) -> Service:
    """The topic is deleted and made anew, and the producer fills it again: the same events at other offsets."""
    ingress.stop()
    admin = AdminClient({"bootstrap.servers": platform.stack.endpoints.kafka_bootstrap_servers})
    for future in admin.delete_topics([platform.topic]).values():
        future.result(30)
    eventually(lambda: platform.topic not in admin.list_topics(timeout=10).topics, "the topic is gone")
    for future in admin.create_topics([NewTopic(platform.topic, platform.partitions, 1)]).values():
        future.result(30)
    platform.send(list(reversed(HISTORY)))
    return platform.start("ingress")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("again", [publish_again, replay_from_the_start, recreate_the_topic])
def test_events_that_come_again_after_temporals_retention_start_nothing(
    platform: Platform, again: Callable[[Platform, Service], Service]
) -> None:
    platform.apply(ALL)
    orchestrator, ingress = platform.start("orchestrator"), platform.start("ingress")
    send_one_by_one(platform, ingress, HISTORY)
    assert runs(platform) == RUNS
    forget(platform, ASKED)

    ingress = again(platform, ingress)
    eventually(lambda: platform.committed() == platform.end_offsets(), "everything was read again")
    eventually(lambda: seen(platform) == ASKED, "every event has asked again")
    settled(platform)
    assert runs(platform) == RUNS
    assert orchestrator.metric("taskfactory_runs_planned_total") == 2 * ASKED
    again_published = len(HISTORY) if again is publish_again else 0
    assert sum(platform.end_offsets().values()) == len(HISTORY) + again_published


def test_a_released_key_fires_once_more_whatever_its_strategy(platform: Platform) -> None:
    platform.apply(ALL)
    platform.start("orchestrator")
    ingress = platform.start("ingress")
    send_one_by_one(platform, ingress, [on(0, "a")])
    before = dict.fromkeys(RUNS, 1)
    assert runs(platform) == before

    order = {"event-id": ["--key", "/tests", "--key", "event-a"], "subject": ["--key", "order-1"]}
    for name in RUNS:
        key = order.get(name.rpartition("-")[0], ["--key-json", "1"])
        released = platform.run("dedupe", "release", "--definition", name, *key, "--because", "the flood")
        assert released.stdout.endswith(f"of {name}; generation 2\n")
        repeated = platform.run("dedupe", "release", "--definition", name, *key)
        assert "is released already, and no event with it has come since; generation 2" in repeated.stdout
        told = json.loads(platform.run("dedupe", "release", "--definition", name, *key, "-o", "json").stdout)
        assert (told["definition"], told["generation"], told["already"]) == (name, 2, True)
    revision = platform.scalar("SELECT revision FROM definitions_revision")
    eventually(lambda: ingress.metric("taskfactory_ingress_definitions_revision") == revision, "ingress knows", 5)

    # The same event again for its own id; another of the same order, within the window, for the rest.
    send_one_by_one(platform, ingress, [on(0, "a"), on(1, "b")])
    expected = {name: number + 1 for name, number in before.items()}
    expected["event-id-forever"] += 1  # another id is another key
    expected["event-id-7d"] += 1
    assert runs(platform) == expected
    generations = dict(
        platform.query("SELECT activity_name, max(generation) FROM activity_runs GROUP BY activity_name")
    )
    assert generations == dict.fromkeys(RUNS, 2)
    shown = as_json(platform.run("dedupe", "show", "-D", "subject-7d", "-k", "order-1", "-o", "json"))
    assert [(row["generation"], row["windows"], row["reason"]) for row in shown] == [(1, 1, None), (2, 1, "the flood")]
    assert shown[1]["run_id"].endswith("-g2")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["-D", "nobody", "-k", "x"], 1, "There is no definition named 'nobody'."),
        (["-D", "event-id-7d", "-k", "x"], 2, "found a key of 1 part; keys by event_id have 2: --key SOURCE --key ID"),
        (["-D", "subject-7d"], 2, "found a key of 0 parts; keys by subject have 1: --key SUBJECT"),
        (["-D", "subject-7d", "--key-json", "1"], 2, "keys are made of subject; use --key SUBJECT"),
        (["-D", "expression-7d", "--key-json", "{"], 2, "--key-json {: "),
        (["-D", "subject-7d", "-k", "order-9"], 1, "subject-7d has never had an event with the key order-9."),
        (["-D", "expression-7d", "-k", "42"], 1, "If the expression gives no text, use --key-json '42'"),
    ],
)
def test_a_key_that_can_not_be_released_is_told_why(
    known: Platform, arguments: list[str], status: int, said: str
) -> None:
    ended = known.run("dedupe", "release", *arguments, check=False)
    assert (ended.returncode, said in ended.stderr) == (status, True), ended.stderr


@pytest.fixture(scope="module")
def known(stack: object, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """Definitions, and nothing that runs."""
    platform = Platform(stack, tmp_path_factory.mktemp("known"))  # type: ignore[arg-type]
    platform.apply(ALL)
    return platform
