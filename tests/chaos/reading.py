"""Reads the books from the real parts: PostgreSQL, Temporal, Kafka, and the handlers' journal."""

import math

from temporalio.client import WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError

from tests.chaos.books import Books, Letter, Run, Task
from tests.chaos.watcher import Watcher
from tests.e2e.platform import Platform, headers_of, temporal

RUNS = """
SELECT run_id, activity_name, generation, trigger->>'partition', trigger->>'offset', state, owner::text
FROM activity_runs
"""


async def read_books(platform: Platform, watcher: Watcher) -> Books:
    """Everything that came out, once the platform has come to rest and the watcher has ended."""
    executions = await _executions(platform)
    runs = []
    for run_id, definition, generation, partition, offset, state, owner in platform.query(RUNS):
        found = executions.get(run_id, [])
        began = min((execution.start_time.timestamp() for execution in found), default=math.inf)
        still_open = any(execution.status is WorkflowExecutionStatus.RUNNING for execution in found)
        place = (int(partition), int(offset))
        runs.append(Run(run_id, definition, generation, place, state, owner, began, still_open))
    return Books(
        runs=runs,
        tasks=[Task(*row) for row in platform.query("SELECT task_id, run_id, state FROM tasks")],
        claim_owners={owner for (owner,) in platform.query("SELECT owner::text FROM dedupe_ledger")},
        letters=_letters(platform),
        outcomes=watcher.outcomes,
        premature=watcher.premature,
        effects=platform.effects(),
        committed=platform.committed(),
        ends=platform.end_offsets(),
        samples=watcher.samples,
        peak_memory=watcher.peak_memory,
    )


async def _executions(platform: Platform) -> dict[str, list[WorkflowExecution]]:
    """Executions by run id: what visibility lists, and what it does not list (yet), asked for one by one."""
    client = await temporal(platform)
    query = f"WorkflowType = 'RunActivityWorkflow' AND TaskQueue = '{platform.orchestrator_queue}'"
    found: dict[str, list[WorkflowExecution]] = {}
    async for execution in client.list_workflows(query):
        found.setdefault(execution.id, []).append(execution)
    for (run_id,) in platform.query("SELECT run_id FROM activity_runs"):
        listed = found.get(run_id, [])
        if not listed or any(execution.status is WorkflowExecutionStatus.RUNNING for execution in listed):
            try:
                found[run_id] = [await client.get_workflow_handle(run_id).describe()]
            except RPCError:
                found[run_id] = []
    return found


def _letters(platform: Platform) -> list[Letter]:
    letters = []
    for message in platform.messages(platform.dlq_topic):
        headers = {name.removeprefix("taskfactory_dlq_"): value.decode() for name, value in headers_of(message)}
        place = (int(headers["partition"]), int(headers["offset"]))
        appended = message.timestamp()[1] / 1000
        letters.append(Letter(place, headers.get("activity_name"), headers["reason"], appended))
    return letters
