"""Runs and their child workflows are found in Temporal by what they are about, and read well in its UI."""

import asyncio
from typing import Any

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client

from tests.e2e.platform import Platform, event, eventually

WAITING = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: waiting-{name}
trigger: {type: event, match: {type: [test.order]}}
tasks:
  - {name: note, type: activity, queue: "{queue}", handler: note}
  - {name: wait, type: workflow, queue: "{queue}", workflow: wait-for-signal, foreach: "[1]"}
"""


@pytest.fixture
def waiting(platform: Platform) -> str:
    """A run whose child workflow waits; the run's id."""
    platform.apply(WAITING.replace("{name}", platform.queue))
    platform.start("run")
    platform.worker()
    platform.send([event(platform.queue)])
    eventually(platform.effects, "the first task is done")
    return str(platform.scalar("SELECT run_id FROM activity_runs"))


async def _found(platform: Platform, query: str) -> set[str]:
    client = await Client.connect(platform.stack.endpoints.temporal_address)
    return {execution.id async for execution in client.list_workflows(query)}


def test_a_run_and_its_child_workflow_are_found_by_each_attribute(platform: Platform, waiting: str) -> None:
    child = f"{waiting}/wait/0"
    definition_id = platform.scalar("SELECT id::text FROM activity_definitions")
    own = f"TaskfactoryActivity = 'waiting-{platform.queue}'"
    for query, expected in {
        own: {waiting, child},
        f"TaskfactoryActivityId = '{definition_id}'": {waiting, child},
        f"{own} AND TaskfactoryVersion = 1": {waiting, child},
        f"{own} AND TaskfactoryVersion > 1": set(),
        f"{own} AND TaskfactoryKind = 'event'": {waiting, child},
        f"TaskfactoryEventId = 'event-{platform.queue}'": {waiting, child},
        f"{own} AND TaskfactoryEventType = 'test.order'": {waiting, child},
        f"TaskfactoryDedupeKey = '/tests/event-{platform.queue}'": {waiting, child},
        f"{own} AND TaskfactoryTask = 'wait'": {child},
        f"{own} AND TaskfactoryTask IS NULL": {waiting},
    }.items():
        look: Any = lambda query=query, expected=expected: asyncio.run(_found(platform, query)) == expected  # noqa: E731
        eventually(look, f"{query} finds {expected}")


def test_a_run_that_waits_says_what_it_is_and_what_it_waits_for(platform: Platform, waiting: str) -> None:
    async def read(workflow_id: str) -> tuple[str | None, str | None, int]:
        client = await Client.connect(platform.stack.endpoints.temporal_address)
        described = await client.get_workflow_handle(workflow_id).describe()
        return await described.static_summary(), await described.static_details(), described.history_length

    async def current() -> str:
        client = await Client.connect(platform.stack.endpoints.temporal_address)
        handle = client.get_workflow_handle(waiting)
        metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        return str(metadata.current_details)

    one_open = "Tasks open: 1. Ended so far: 1 completed."
    eventually(lambda: asyncio.run(current()) == one_open, "the run says that one task is open")
    summary, details, length = asyncio.run(read(waiting))
    assert summary == f"waiting-{platform.queue} v1: test.order subject-{platform.queue}"
    assert f"- **Event:** `test.order` id `event-{platform.queue}` from `/tests`" in (details or "")
    assert f"- **Record:** topic `{platform.topic}`, partition" in (details or "")
    asyncio.run(current())
    assert asyncio.run(read(waiting))[2] == length  # to ask leaves no trace
    summary, details, _ = asyncio.run(read(f"{waiting}/wait/0"))
    assert summary == f"waiting-{platform.queue} / wait[0]"
    assert (details or "").startswith(f"- **Task:** `{waiting}/wait/0`\n- **Activity:**")
