"""Record one history for each path through `RunActivityWorkflow`; needs the real stack.

    python -m tests.histories.record STATE_DIR [NAME …]

Run it with the name of a new path through the workflow when one appears, and commit what it writes. Never record anew
to make a failing replay pass: runs that are under way would fail the same way. Give such a change a patch
(`workflow.patched`) instead.
"""

import asyncio
import gzip
import re
import socket
import sys
import tempfile
from pathlib import Path

from temporalio.client import Client

from taskfactory.dev import Stack
from taskfactory.runtime.search_attributes import ACTIVITY
from tests.conftest import RunningStack
from tests.e2e.platform import Platform, event, eventually, reset

FOLDER = Path(__file__).parent
TASKS = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: {name}
trigger: {{type: event, match: {{type: [{name}]}}}}
dedupe: {{key: {{expression: event.data.key}}}}
{context}
tasks:
"""
CONTEXT = {
    "context-fetched": "{name: last, type: runs}, {name: size, type: event, expression: context.last.size()}",
    "context-fails": "{name: customer, type: http, connection: nobody-named-it, path: /}",
    "context-falls-back": "{name: last, type: runs}, {name: none, type: plugin, plugin: none, on_error: null, "
    "retry: {max_attempts: 2, initial_interval: 10ms}}",
    "context-cancelled": "{name: none, type: plugin, plugin: none, retry: {initial_interval: 1m}}",
    "context-plan-fails": '{name: last, type: runs}, {name: first, type: event, expression: "context.last[0]"}',
}
NOTE = '  - {name: note, type: activity, handler: note, queue: "{queue}", params: {part: "${event.data.key}"}}\n'
PARTS = '  - {name: note, type: activity, handler: note, queue: "{queue}", foreach: event.data.parts}\n'
HELD = '  - {name: held, type: workflow, workflow: wait-for-signal, queue: "{queue}"}\n'
STEPS = '  - {name: steps, type: workflow, workflow: two-steps, queue: "{queue}"}\n'
SKIPPED = '  - {name: never, type: activity, handler: note, queue: "{queue}", when: "false"}\n'
FAILS = '  - {name: fails, type: activity, handler: refuse, queue: "{queue}", retry: {max_attempts: 1}}\n'
BROKEN = '  - {name: note, type: activity, handler: note, queue: "{queue}", params: {part: "${event.data.missing}"}}\n'

DEFINITIONS = {
    "one-activity": NOTE,
    "every-kind": PARTS + STEPS + SKIPPED + FAILS,
    "all-skipped": SKIPPED,
    "plan-fails": BROKEN,
    "cancelled": NOTE + HELD,
    "reset": NOTE + HELD,
    "continues-as-new": HELD + PARTS,
    **dict.fromkeys(CONTEXT, NOTE),
}


def write(name: str, history: str) -> None:
    """One history; names of this machine are taken out, long ones are compressed."""
    scrubbed = re.sub(r'"(identity|stackTrace)": *"(?:[^"\\]|\\.)*"', r'"\1": ""', history)
    scrubbed = scrubbed.replace(f"@{socket.gethostname()}", "@host")
    if len(scrubbed) > 200_000:  # about where a diff stops being readable
        (FOLDER / f"{name}.json.gz").write_bytes(gzip.compress(scrubbed.encode(), mtime=0))
    else:
        (FOLDER / f"{name}.json").write_text(f"{scrubbed}\n")


async def histories(platform: Platform) -> None:
    """Fetch every execution of every run; later executions of one run get a number."""
    client = await Client.connect(platform.stack.endpoints.temporal_address)
    query = f"WorkflowType = 'RunActivityWorkflow' AND TaskQueue = '{platform.orchestrator_queue}'"
    seen: dict[str, int] = {}
    executions = [execution async for execution in client.list_workflows(query)]
    for execution in sorted(executions, key=lambda found: found.start_time):
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        history = await handle.fetch_history()
        name = execution.typed_search_attributes[ACTIVITY]
        seen[name] = seen.get(name, 0) + 1
        write(name if seen[name] == 1 else f"{name}-{seen[name]}", history.to_json())


async def interfere(platform: Platform, run_ids: dict[str, str]) -> None:
    """Cancel the run that is to be cancelled, reset the one that is to be reset, and end the other children."""
    client = await Client.connect(platform.stack.endpoints.temporal_address)
    for name in {"cancelled", "context-cancelled"} & run_ids.keys():
        await client.get_workflow_handle(run_ids[name]).cancel()
    if "reset" in run_ids:
        await reset(client, run_ids["reset"])
    for name in {"reset", "continues-as-new"} & run_ids.keys():
        await client.get_workflow_handle(f"{run_ids[name]}/held").signal("end")


def main() -> None:
    """Run every path, or those that are named, once and write what Temporal recorded."""
    wanted = set(sys.argv[2:]) or DEFINITIONS.keys()
    chosen = {name: tasks for name, tasks in DEFINITIONS.items() if name in wanted}
    stack = RunningStack(Stack(Path(sys.argv[1])).up())
    platform = Platform(stack, Path(tempfile.mkdtemp()))
    try:
        for name, tasks in chosen.items():
            platform.apply(document(name) + tasks)
        platform.start("orchestrator")
        platform.start("ingress")
        platform.worker()
        events = {
            name: event(name, kind=name, data={"key": name, "parts": list(range(1800 if "new" in name else 2))})
            for name in chosen
        }
        platform.send(list(events.values()))
        if "continues-as-new" in chosen:
            eventually(lambda: len(set(platform.effects())) >= 1805, "the many small tasks are done", timeout=180)
        else:
            eventually(
                lambda: platform.scalar("SELECT count(*) FROM activity_runs") == len(chosen), "every run is claimed"
            )
        rows = platform.query("SELECT activity_name, run_id FROM activity_runs")
        asyncio.run(interfere(platform, {str(name): str(run_id) for name, run_id in rows}))
        eventually(
            lambda: platform.scalar("SELECT count(*) FROM activity_runs WHERE state = 'running'") == 0,
            "all runs end",
            timeout=180,
        )
        if "one-activity" in chosen:
            # With another strategy the workflow id is new, but the ledger knows the event.
            platform.apply((document("one-activity") + NOTE).replace("{expression: event.data.key}", "event_id"))
            platform.send([events["one-activity"]])
        twice = {"one-activity", "reset", "continues-as-new"} & chosen.keys()
        eventually(lambda: asyncio.run(count(platform)) == len(chosen) + len(twice), "all executions are closed")
        asyncio.run(histories(platform))
    finally:
        platform.close()


def document(name: str) -> str:
    """A definition as far as its tasks."""
    return TASKS.format(name=name, context=f"context: [{CONTEXT[name]}]" if name in CONTEXT else "")


async def count(platform: Platform) -> int:
    """Closed executions; the run that continued as new and the one that was reset count twice."""
    client = await Client.connect(platform.stack.endpoints.temporal_address)
    query = f"WorkflowType = 'RunActivityWorkflow' AND TaskQueue = '{platform.orchestrator_queue}'"
    return (await client.count_workflows(f"{query} AND ExecutionStatus != 'Running'")).count


if __name__ == "__main__":
    main()
