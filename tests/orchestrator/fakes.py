"""Stand-ins for what the orchestrator talks to. Each keeps the promises of the real one that the tests rely on."""

import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import TypedSearchAttributes, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.definitions import PlannedTask, RunInput
from taskfactory.envelope import EventEnvelope
from taskfactory.envelope.kafka import DeliveryFailed, EnvelopeProducer, FailedDelivery
from taskfactory.envelope.record import Format
from taskfactory.registry import EndedTask, Finished, PlannedRun, RunCursor, RunEnd, RunStore, TaskEnd
from taskfactory.registry.reconciling import ClaimedRun, Lead, OpenRun
from taskfactory.registry.run_model import RunState
from taskfactory.registry.run_store import Plan
from tests.orchestrator.samples import ended_run, ended_task, finished

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class FakeProducer(EnvelopeProducer):
    """Kafka as far as sending goes: remembers what it acknowledged, refuses what it was told to refuse."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, EventEnvelope]] = []
        self.keys: list[bytes | None] = []
        self.formats: set[str] = set()
        self.closed = False
        self._refuses: Callable[[str, EventEnvelope], str | None] = lambda _topic, _envelope: None
        self._fatal = False

    def refuse(self, rule: Callable[[str, EventEnvelope], str | None], *, fatal: bool = False) -> None:
        """Fail what the rule gives an error code for, from now on."""
        self._refuses, self._fatal = rule, fatal

    def accept(self) -> None:
        """Acknowledge everything again."""
        self.refuse(lambda _topic, _envelope: None)

    @property
    def ids(self) -> list[str]:
        """Ids in the order in which they were acknowledged."""
        return [envelope.id for _, envelope in self.sent]

    def send(
        self,
        topic: str,
        envelopes: Sequence[EventEnvelope],
        *,
        fmt: Format = "structured",
        keys: Sequence[bytes | None] | None = None,
        schema_id: int | None = None,  # noqa: ARG002 -- as the real one
    ) -> None:
        failures = []
        self.formats.add(fmt)
        for index, envelope in enumerate(envelopes):
            if (code := self._refuses(topic, envelope)) is not None:
                failures.append(FailedDelivery(index, envelope.identity, code, f"{code}: refused", self._fatal))
            else:
                self.sent.append((topic, envelope))
                self.keys.append(keys[index] if keys else None)
        if failures:
            raise DeliveryFailed(topic, tuple(failures))

    def close(self, timeout: float = 10.0) -> None:  # noqa: ARG002 -- as the real one
        self.closed = True


@dataclass
class Row:
    """A run's row, with those of its tasks."""

    state: RunState = "running"
    error: Any = None
    tasks: list[EndedTask] = field(default_factory=list)
    open_tasks: list[EndedTask] = field(default_factory=list)
    """As they would end; their status is the run's."""
    started_at: datetime = LONG_AGO


class FakeRunStore(RunStore):
    """The registry in memory, as far as the reconciler and the leader ask it."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.duplicates: set[str] = set()
        self.rendered: list[PlannedTask] = []
        self.marks: dict[str, datetime] = {}
        self.begun: list[str] = []
        self.leads: deque[Lead | None] = deque()

    def plan(self, runs: Sequence[RunInput], owner: str, render: Callable[[RunInput], Plan]) -> list[PlannedRun]:
        assert owner
        plans = []
        for run in runs:
            if run.run_id in self.duplicates:
                plans.append(PlannedRun(run_id=run.run_id, state="duplicate"))
                continue
            rendered = render(run)
            assert isinstance(rendered, Sequence)
            self.rendered.extend(rendered)
            self.rows[run.run_id] = Row()
            plans.append(PlannedRun(run_id=run.run_id, state="running"))
        return plans

    def finish(self, ends: Sequence[TaskEnd], run_ends: Sequence[RunEnd] = ()) -> Finished:
        assert not ends
        for end in run_ends:
            row = self.rows[end.run_id]
            if row.state != "running" or end.status is None:
                continue
            assert end.run_id in self.begun, "settling was not begun before the end was written"
            row.state, row.error = end.status, end.error
            row.tasks += [task.model_copy(update={"status": end.status}) for task in row.open_tasks]
            row.open_tasks = []
        return self.ended([end.run_id for end in run_ends])

    def ended(self, run_ids: Collection[str]) -> Finished:
        result = Finished()
        for run_id in run_ids:
            row = self.rows[run_id]
            assert row.state != "running"
            run = ended_run(status=row.state).model_copy(update={"run_id": run_id, "error": row.error})
            context = finished().contexts["run-1"]
            result = result.merge(Finished(tasks=row.tasks, runs=[run], contexts={run_id: context}))
        return result

    def claimed(self, run_ids: Collection[str]) -> dict[str, ClaimedRun]:
        return {run_id: ClaimedRun(self.rows[run_id].state) for run_id in run_ids if run_id in self.rows}

    def open_runs(self, *, started_before: datetime, after: RunCursor | None = None, limit: int = 500) -> list[OpenRun]:
        found = sorted(
            RunCursor(row.started_at, run_id)
            for run_id, row in self.rows.items()
            if row.state == "running" and row.started_at < started_before
        )
        later = [cursor for cursor in found if after is None or cursor > after]
        return [OpenRun(cursor.run_id, cursor.started_at) for cursor in later[:limit]]

    def begin_settling(self, run_ids: Collection[str]) -> None:
        self.begun += [run_id for run_id in run_ids if run_id not in self.begun]

    def settling(self, limit: int) -> list[str]:
        return self.begun[:limit]

    def settled(self, run_ids: Collection[str]) -> None:
        self.begun = [run_id for run_id in self.begun if run_id not in run_ids]

    def watermark(self, name: str) -> datetime | None:
        return self.marks.get(name)

    def set_watermark(self, name: str, value: datetime) -> None:
        self.marks[name] = value

    @contextmanager
    def try_lead(self, name: str) -> Iterator[Lead | None]:  # noqa: ARG002 -- as the real one
        yield self.leads.popleft() if self.leads else None


def open_task(run_id: str, name: str, **changes: Any) -> EndedTask:
    """A task that is open, as it would end."""
    return ended_task().model_copy(
        update={"run_id": run_id, "task_id": f"{run_id}/{name}", "name": name, "attempts": None, **changes}
    )


@dataclass
class FakeExecution:
    """What Temporal says about an execution."""

    id: str
    status: WorkflowExecutionStatus
    close_time: datetime | None = None
    run_id: str = "execution-1"
    reason: str = ""
    input: Any = None
    visible: bool = True
    """Visibility is written some time after the execution closed."""
    typed_search_attributes: TypedSearchAttributes = TypedSearchAttributes.empty
    metadata: tuple[str, str] | None = None
    """Summary and details."""


class FakeTemporal:
    """Executions: the current one of each workflow id, and earlier ones."""

    def __init__(self) -> None:
        self.data_converter = pydantic_data_converter
        self.executions: dict[str, FakeExecution] = {}
        self.earlier: list[FakeExecution] = []
        self.started: list[tuple[RunInput, str]] = []
        self.cancelled: list[str] = []
        self.described: list[str] = []
        self.unanswered: set[str] = set()
        """Workflow ids about which Temporal gives no answer."""
        self.refuses_starts = False

    @property
    def client(self) -> Client:
        """This, under the type that the product asks for."""
        return cast("Client", self)

    def has(self, execution: FakeExecution) -> None:
        self.executions[execution.id] = execution

    async def list_workflows(self, query: str) -> AsyncIterator[FakeExecution]:
        since = datetime.fromisoformat(re.findall(r"CloseTime >= '([^']+)'", query)[0])
        statuses = {name.upper() for name in re.findall(r"'(\w+)'", query.partition("ExecutionStatus IN")[2])}
        for execution in [*self.earlier, *self.executions.values()]:
            asked_for = execution.status.name.replace("_", "") in statuses
            if execution.visible and asked_for and execution.close_time and execution.close_time >= since:
                yield execution

    def get_workflow_handle(self, workflow_id: str, *, run_id: str | None = None) -> "FakeHandle":
        return FakeHandle(self, workflow_id, run_id)

    async def start_workflow(  # noqa: PLR0913 -- as the real one
        self,
        workflow: str,
        run: RunInput,
        *,
        id: str,  # noqa: A002 -- Temporal's name
        task_queue: str,
        id_reuse_policy: WorkflowIDReusePolicy,
        id_conflict_policy: WorkflowIDConflictPolicy,
        search_attributes: TypedSearchAttributes,
        static_summary: str,
        static_details: str,
    ) -> None:
        assert (id_reuse_policy, id_conflict_policy) == (
            WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            WorkflowIDConflictPolicy.USE_EXISTING,
        )
        if self.refuses_starts:
            raise WorkflowAlreadyStartedError(id, workflow)
        self.started.append((run, task_queue))
        self.has(
            FakeExecution(
                id,
                WorkflowExecutionStatus.RUNNING,
                run_id="execution-2",
                input=run,
                typed_search_attributes=search_attributes,
                metadata=(static_summary, static_details),
            )
        )


@dataclass
class FakeHandle:
    """One workflow id at the fake."""

    temporal: FakeTemporal
    workflow_id: str
    run_id: str | None

    async def describe(self) -> FakeExecution:
        self.temporal.described.append(self.workflow_id)
        return self._execution()

    async def cancel(self) -> None:
        self._execution()
        self.temporal.cancelled.append(self.workflow_id)

    async def fetch_history_events(self, **wanted: Any) -> AsyncIterator[HistoryEvent]:
        execution = self._execution()
        assert self.run_id == execution.run_id
        if "event_filter_type" in wanted:
            yield _closing_event(execution)
            return
        started = HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED)
        payloads = await self.temporal.data_converter.encode([execution.input])
        started.workflow_execution_started_event_attributes.input.payloads.extend(payloads)
        yield started

    def _execution(self) -> FakeExecution:
        if self.workflow_id in self.temporal.unanswered:
            raise RPCError("no answer", RPCStatusCode.UNAVAILABLE, b"")
        if self.workflow_id not in self.temporal.executions:
            raise RPCError("no such execution", RPCStatusCode.NOT_FOUND, b"")
        return self.temporal.executions[self.workflow_id]


def _closing_event(execution: FakeExecution) -> HistoryEvent:
    if execution.status == WorkflowExecutionStatus.TERMINATED:
        event = HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED)
        event.workflow_execution_terminated_event_attributes.reason = execution.reason
    elif execution.status == WorkflowExecutionStatus.FAILED:
        event = HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED)
        event.workflow_execution_failed_event_attributes.failure.message = execution.reason
    else:
        event = HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED)
    return event
