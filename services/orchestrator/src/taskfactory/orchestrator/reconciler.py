"""Nothing is claimed and forgotten: what ended badly in Temporal is settled in the registry and on Kafka.

Two looks, since neither alone sees everything:

- *Executions that ended badly* (terminated, timed out, failed, cancelled), by Temporal's visibility, from a watermark
  on: quick, and the only way to find one that ended before it claimed anything.
- *Runs that are open for long*, by the registry, a page at a time: finds executions that vanished altogether.

The verdict is about the workflow id's *current* execution, so a reset (which terminates the execution it resets) and an
earlier restart are left alone. Settling is idempotent: the first terminal state in the row wins, and outcomes are
published from the rows under deterministic ids, so that a repeat only repeats an id.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus, WorkflowHistoryEventFilterType
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.definitions import RUN_WORKFLOW, RunInput
from taskfactory.orchestrator import metrics
from taskfactory.orchestrator.failures import failure
from taskfactory.orchestrator.publisher import OutcomePublisher
from taskfactory.orchestrator.settings import OrchestratorSettings
from taskfactory.registry import RunCursor, RunEnd, RunStore

log = structlog.get_logger("taskfactory.orchestrator")

OVERLAP: Final = timedelta(minutes=2)
"""Visibility is written a little after an execution closes; each look reaches back by so much."""
FIRST_LOOK_BACK: Final = timedelta(days=7)
PAGE: Final = 50
"""Long-open runs that are looked up in one pass."""
CURSOR: Final = "closed-executions"

_BADLY: Final = {
    WorkflowExecutionStatus.TERMINATED: "was terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed out",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.CANCELED: "was cancelled",
}


@dataclass(frozen=True)
class Verdict:
    """What became of an execution that did not end by itself."""

    run_id: str
    status: WorkflowExecutionStatus | None
    """None when Temporal knows no such execution any more."""
    reason: str
    execution: WorkflowExecution | None = None

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for the end, so that starting again would be against their will."""
        return self.status == WorkflowExecutionStatus.CANCELED


class Reconciler:
    """Settles runs whose execution is gone. One process at a time runs it (see `leader.py`)."""

    def __init__(
        self, store: RunStore, publisher: OutcomePublisher, client: Client, settings: OrchestratorSettings
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._client = client
        self._queue = settings.orchestrator_queue
        self._grace = timedelta(seconds=settings.reconcile_grace)
        self._handled: set[tuple[str, str]] = set()
        self._swept_to: RunCursor | None = None

    async def reconcile(self, now: datetime) -> None:
        """One pass of both looks.

        Raises:
            RPCError: Temporal did not answer; the pass is repeated as a whole.
            SQLAlchemyError: the same for the registry.
        """
        await self._look_at_closed(now)
        await self._look_at_long_open(now)

    async def _look_at_closed(self, now: datetime) -> None:
        since = await asyncio.to_thread(self._store.watermark, CURSOR) or now - FIRST_LOOK_BACK
        seen: set[tuple[str, str]] = set()
        suspects: list[str] = []
        async for execution in self._client.list_workflows(closed_badly_query(self._queue, since - OVERLAP)):
            seen.add((execution.id, execution.run_id))
            if (execution.id, execution.run_id) not in self._handled:
                suspects.append(execution.id)
        await self._settle(suspects)
        self._handled = seen
        await asyncio.to_thread(self._store.set_watermark, CURSOR, now)

    async def _look_at_long_open(self, now: datetime) -> None:
        page = await asyncio.to_thread(
            self._store.open_runs, started_before=now - self._grace, after=self._swept_to, limit=PAGE
        )
        self._swept_to = page[-1].cursor if len(page) == PAGE else None
        await self._settle([run.run_id for run in page])

    async def _settle(self, run_ids: Sequence[str]) -> None:
        verdicts = [verdict for run_id in dict.fromkeys(run_ids) if (verdict := await self._judge(run_id)) is not None]
        if not verdicts:
            return
        claimed = await asyncio.to_thread(self._store.claimed, [verdict.run_id for verdict in verdicts])
        for verdict in verdicts:
            if verdict.run_id not in claimed and verdict.execution is not None:
                await self._start_again(verdict, verdict.execution)
        lost = [verdict for verdict in verdicts if verdict.run_id in claimed]
        # A run that carried out its own cancellation has recorded and published it.
        await self._end(
            [verdict for verdict in lost if not verdict.cancelled or claimed[verdict.run_id].state == "running"]
        )

    async def _judge(self, run_id: str) -> Verdict | None:
        """None when the workflow id's current execution is running or ended by itself."""
        handle = self._client.get_workflow_handle(run_id)
        try:
            execution = await handle.describe()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return Verdict(run_id, None, "its execution vanished from Temporal")
        if execution.status not in _BADLY:
            return None
        reason = f"its execution {_BADLY[execution.status]} before the run had ended"
        detail = await self._close_detail(run_id, execution.run_id)
        return Verdict(run_id, execution.status, f"{reason}{f': {detail}' if detail else ''}", execution)

    async def _close_detail(self, run_id: str, execution_run_id: str) -> str:
        handle = self._client.get_workflow_handle(run_id, run_id=execution_run_id)
        detail = ""
        async for event in handle.fetch_history_events(
            event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT, skip_archival=True
        ):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
                detail = event.workflow_execution_terminated_event_attributes.reason
            elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
                detail = event.workflow_execution_failed_event_attributes.failure.message
        return detail

    async def _start_again(self, verdict: Verdict, execution: WorkflowExecution) -> None:
        """Nothing was claimed: the event has had no effect yet, so its run starts from the beginning."""
        run = await self._input_of(execution)
        if verdict.cancelled:
            # Cancelled before its first step: record it as what it is, without doing anything.
            (planned,) = await asyncio.to_thread(self._store.plan, [run], lambda _: execution.run_id, lambda _: [])
            if planned.state != "duplicate":
                await self._end([verdict])
            return
        try:
            await self._client.start_workflow(
                RUN_WORKFLOW,
                run,
                id=run.run_id,
                task_queue=self._queue,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                search_attributes=execution.typed_search_attributes,
            )
        except WorkflowAlreadyStartedError:
            return  # another start came first and has ended by itself
        metrics.RECONCILED.labels("restarted").inc()
        log.warning("run_started_again", run_id=run.run_id, reason=verdict.reason)

    async def _input_of(self, execution: WorkflowExecution) -> RunInput:
        handle = self._client.get_workflow_handle(execution.id, run_id=execution.run_id)
        async for event in handle.fetch_history_events(page_size=1):
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            (run,) = await self._client.data_converter.decode(payloads[:1], [RunInput])
            return RunInput.model_validate(run)
        message = f"{execution.id}: its history has no first event"
        raise LookupError(message)

    async def _end(self, verdicts: Sequence[Verdict]) -> None:
        if not verdicts:
            return
        ends = [
            RunEnd(
                run_id=verdict.run_id,
                status="cancelled" if verdict.cancelled else "failed",
                error=failure("Cancelled" if verdict.cancelled else "ExecutionLost", verdict.reason),
            )
            for verdict in verdicts
        ]
        await asyncio.to_thread(self._store.finish, [], ends)
        # Not only what changed now: an execution may have died between writing an end and publishing it.
        ended = await asyncio.to_thread(self._store.ended, [verdict.run_id for verdict in verdicts])
        await asyncio.to_thread(self._publisher.publish, ended)
        for task in ended.tasks:
            if task.type == "workflow" and task.status in {"failed", "cancelled"}:
                await self._cancel_child(task.task_id)
        for verdict in verdicts:
            metrics.RECONCILED.labels("settled").inc()
            log.warning("run_settled", run_id=verdict.run_id, reason=verdict.reason)

    async def _cancel_child(self, workflow_id: str) -> None:
        try:
            await self._client.get_workflow_handle(workflow_id).cancel()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:  # not found: never started, or already closed
                raise


def closed_badly_query(queue: str, since: datetime) -> str:
    """The visibility query for runs' executions that closed without ending by themselves."""
    statuses = ", ".join(f"'{name}'" for name in ("Terminated", "TimedOut", "Failed", "Canceled"))
    return (
        f"WorkflowType = '{RUN_WORKFLOW}' AND TaskQueue = '{queue}' AND ExecutionStatus IN ({statuses}) "
        f"AND CloseTime >= '{since.isoformat()}'"
    )
