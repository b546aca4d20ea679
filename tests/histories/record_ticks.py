"""Record one history for each path through `ScheduledTickWorkflow`; needs the real stack.

    python -m tests.histories.record_ticks STATE_DIR

As with `record`: run it when a new path appears, never to make a failing replay pass.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from temporalio.client import Client, WorkflowHandle

from taskfactory.dev import Stack
from tests.conftest import RunningStack
from tests.e2e.platform import Platform, eventually
from tests.e2e.scheduling import Scheduling
from tests.histories.record import write

HELD = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: held
trigger: {{type: cron, every: [{{interval: 1s}}], overlap: buffer_one}}
tasks:
  - name: wait
    type: activity
    handler: wait_for_file
    queue: "{{queue}}"
    params: {{path: "{path}"}}
"""
PATHS = ("tick-starts", "tick-waits", "tick-skipped")


async def histories(scheduling: Scheduling) -> None:
    """One history of each path."""
    client = await Client.connect(scheduling.platform.stack.endpoints.temporal_address)
    rows = scheduling.platform.query("SELECT workflow_id, decision FROM schedule_ticks ORDER BY scheduled_for")
    written = set()
    for workflow_id, decision in rows:
        handle: WorkflowHandle[object, object] = client.get_workflow_handle(workflow_id)
        history = await handle.fetch_history()
        waited = any(event.HasField("activity_task_scheduled_event_attributes") for event in history.events)
        name = "tick-waits" if waited else "tick-starts" if decision == "started" else "tick-skipped"
        if name not in written:
            write(name, history.to_json())
            written.add(name)
    if written != set(PATHS):
        sys.exit(f"only {sorted(written)} were there; wanted {PATHS}")


def main() -> None:
    """Let a run be open while two ticks come, then end it."""
    stack = RunningStack(Stack(Path(sys.argv[1])).up())
    with tempfile.TemporaryDirectory() as folder:
        gate = Path(folder) / "gate"
        scheduling = Scheduling(Platform(stack, Path(folder)))
        try:
            scheduling.platform.start("orchestrator")
            scheduling.platform.worker()
            scheduling.platform.apply(HELD.format(path=gate))
            eventually(lambda: scheduling.ticks(decision="skipped"), "a tick was skipped")
            gate.touch()
            scheduling.platform.run("pause", "held")
            eventually(lambda: not scheduling.ticks(decision="waiting"), "no tick waits")
            asyncio.run(histories(scheduling))
        finally:
            scheduling.close()


if __name__ == "__main__":
    main()
