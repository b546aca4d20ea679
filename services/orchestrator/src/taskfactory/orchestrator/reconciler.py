"""Nothing is claimed and forgotten: what ended badly in Temporal is settled in the registry and on Kafka.

Three looks, since none alone sees everything:

- *Executions that ended badly* (terminated, timed out, failed, cancelled), by Temporal's visibility, from a watermark
  on: quick, and the only way to find one that ended before it claimed anything.
- *Runs that are open for long*, by the registry, a page at a time: finds executions that vanished altogether, and those
  that ended without recording it.
- *Runs whose settling was begun*, by the registry: rows are committed before their outcomes are published, and a crash
  in between must be found again even if Temporal knows the execution no more.

The verdict is about the workflow id's *current* execution, so a reset (which terminates the execution it resets) and an
earlier restart are left alone. Settling is idempotent: the first terminal state in the row wins, and outcomes are
published from the rows under deterministic ids, so that a repeat only repeats an id. Each run is settled on its own,
and one that can't be settled holds up no other: it is tried again in the next pass.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus, WorkflowHistoryEventFilterType
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.definitions import RUN_WORKFLOW, RunInput
from taskfactory.intake.visibility import details_of, search_attributes, summary_of
from taskfactory.orchestrator import metrics
from taskfactory.orchestrator.failures import failure
from taskfactory.orchestrator.publisher import OutcomePublisher
from taskfactory.orchestrator.settings import OrchestratorSettings
from taskfactory.registry import RunCursor, RunEnd, RunStore

OVERLAP: Final = timedelta(hours=1)
"""Visibility is written some time after an execution closes; each look reaches back by so much."""
FIRST_LOOK_BACK: Final = timedelta(days=7)
PAGE: Final = 50
"""Runs that are looked up in one go."""
BEGUN: Final = 1000
"""Runs that were begun earlier and are gone on with in one pass; so many would have to be stuck to hold up others."""
AT_ONCE: Final = 10
"""Runs that are settled at the same time."""
CURSOR: Final = "closed-executions"

_BADLY: Final = {
    WorkflowExecutionStatus.TERMINATED: "was terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed out",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.CANCELED: "was cancelled",
    WorkflowExecutionStatus.COMPLETED: "completed",
}

log = structlog.get_logger("taskfactory.orchestrator")


@dataclass(frozen=True)
class Verdict:
    """What became of a run's current execution, which is closed or gone."""

    run_id: str
    status: WorkflowExecutionStatus | None
    """None when Temporal knows no such execution any more."""
    reason: str
    execution: WorkflowExecution | None = None

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for the end, so that starting again would be against their will."""
        return self.status == WorkflowExecutionStatus.CANCELED

    @property
    def orderly(self) -> bool:
        """Whether the execution itself says that it did everything, a run's end and its outcomes included."""
        return self.status in {WorkflowExecutionStatus.CANCELED, WorkflowExecutionStatus.COMPLETED}


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

    async def reconcile(self) -> None:
        """One pass of all three looks.

        Raises:
            RPCError: Temporal did not answer; the pass is repeated as a whole.
            SQLAlchemyError: the same for the registry.
        """
        await self._go_on_with_begun()
        await self._look_at_closed()
        await self._look_at_long_open()

    async def _go_on_with_begun(self) -> None:
        begun = await asyncio.to_thread(self._store.settling, BEGUN)
        failed = await self._settle_all(begun, begun=True)
        await asyncio.to_thread(self._store.settled, [run_id for run_id in begun if run_id not in failed])

    async def _look_at_closed(self) -> None:
        # Close times and the watermark are Temporal's, never this machine's clock: the two may differ.
        watermark = await asyncio.to_thread(self._store.watermark, CURSOR)
        since = (watermark or datetime.now(UTC) - FIRST_LOOK_BACK) - OVERLAP
        seen: dict[tuple[str, str], datetime | None] = {}
        async for execution in self._client.list_workflows(closed_badly_query(self._queue, since)):
            seen[execution.id, execution.run_id] = execution.close_time
        suspects = [key for key in seen if key not in self._handled]
        failed = await self._settle_all([run_id for run_id, _ in suspects])
        self._handled = {key for key in seen if key[0] not in failed}
        closed = [at for key, at in seen.items() if at is not None]
        unsettled = [at for key, at in seen.items() if at is not None and key[0] in failed]
        if closed:
            await asyncio.to_thread(self._store.set_watermark, CURSOR, min([max(closed), *unsettled]))

    async def _look_at_long_open(self) -> None:
        page = await asyncio.to_thread(
            self._store.open_runs,
            started_before=datetime.now(UTC) - self._grace,
            after=self._swept_to,
            limit=PAGE,
        )
        self._swept_to = page[-1].cursor if len(page) == PAGE else None
        await self._settle_all([run.run_id for run in page])

    async def _settle_all(self, run_ids: Sequence[str], *, begun: bool = False) -> set[str]:
        """Settle what needs it; returns the runs for which that failed.

        Args:
            run_ids: runs that may need it.
            begun: whether their settling was begun before, so that their rows say nothing about what was published.
        """
        slots = asyncio.Semaphore(AT_ONCE)
        failed: set[str] = set()

        async def settle(run_id: str) -> None:
            async with slots:
                try:
                    await self._settle(run_id, begun=begun)
                except Exception as error:  # noqa: BLE001 -- whatever is wrong with one run, the others are settled
                    failed.add(run_id)
                    metrics.RECONCILED.labels("failed").inc()
                    log.warning("run_not_settled", run_id=run_id, error=f"{type(error).__name__}: {error}"[:500])

        async with asyncio.TaskGroup() as group:
            for run_id in dict.fromkeys(run_ids):
                group.create_task(settle(run_id))
        return failed

    async def _settle(self, run_id: str, *, begun: bool) -> None:
        verdict = await self._judge(run_id)
        if verdict is None:
            return
        # Read after the verdict: a run that ended meanwhile is seen as ended.
        claimed = (await asyncio.to_thread(self._store.claimed, [run_id])).get(run_id)
        if claimed is not None:
            if begun or claimed.state == "running" or not verdict.orderly:
                await self._end(verdict)
        elif verdict.execution is not None and verdict.status != WorkflowExecutionStatus.COMPLETED:
            await self._start_again(verdict, verdict.execution)

    async def _judge(self, run_id: str) -> Verdict | None:
        """None when the workflow id's current execution is running."""
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
            (planned,) = await asyncio.to_thread(self._store.plan, [run], execution.run_id, lambda _: [])
            if planned.state != "duplicate":
                await self._end(verdict)
            return
        try:
            await self._client.start_workflow(
                RUN_WORKFLOW,
                run,
                id=run.run_id,
                task_queue=self._queue,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                search_attributes=search_attributes(run),
                static_summary=summary_of(run),
                static_details=details_of(run),
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

    async def _end(self, verdict: Verdict) -> None:
        kind = "Cancelled" if verdict.cancelled else "ExecutionLost"
        end = RunEnd(
            run_id=verdict.run_id,
            status="cancelled" if verdict.cancelled else "failed",
            error=failure(kind, verdict.reason),
        )
        await asyncio.to_thread(self._store.begin_settling, [verdict.run_id])
        await asyncio.to_thread(self._store.finish, [], [end])
        # Not only what changed now: an execution may have died between writing an end and publishing it.
        ended = await asyncio.to_thread(self._store.ended, [verdict.run_id])
        await asyncio.to_thread(self._publisher.publish, ended)
        for task in ended.tasks:
            if task.type == "workflow" and task.status in {"failed", "cancelled"}:
                await self._cancel_child(task.task_id)
        await asyncio.to_thread(self._store.settled, [verdict.run_id])
        metrics.RECONCILED.labels("settled").inc()
        log.warning("run_settled", run_id=verdict.run_id, reason=verdict.reason)

    async def _cancel_child(self, workflow_id: str) -> None:
        try:
            await self._client.get_workflow_handle(workflow_id).cancel()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:  # not found: never started, or already closed
                raise


def closed_badly_query(queue: str, since: datetime) -> str:
    """The visibility query for runs' executions that did not end by themselves."""
    statuses = ", ".join(f"'{name}'" for name in ("Terminated", "TimedOut", "Failed", "Canceled"))
    return (
        f"WorkflowType = '{RUN_WORKFLOW}' AND TaskQueue = '{queue}' AND ExecutionStatus IN ({statuses}) "
        f"AND CloseTime >= '{since.isoformat()}'"
    )
