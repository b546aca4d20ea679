"""One run, from claim to outcome: plan (with its context fetched first, where that is outside), tasks, finalise.

Reads top to bottom. Effects are in `activities.py`; everything here is deterministic and its recorded histories are
replayed by the tests. Invariants:

- Nothing runs before `plan` has claimed the run's dedupe keys and committed its task rows.
- Context from outside is fetched after the claim, one source after the other, since each sees those above it. Its
  values are in PostgreSQL; here are only their names. A run without such sources is planned with its claim.
- At most `WINDOW` tasks are open at a time: Temporal refuses more than 2,000 pending, and a history over 50 MiB.
- One page of tasks is started per workflow task, since gRPC takes no message over 4 MiB: `tasks_page` is an ordinary
  activity, whose completion is a workflow task of its own.
- An ended task is written and published while others are still open; what ends meanwhile goes together in the next
  write.
- Before continuing as new, activities are drained; open child workflows stay open and are observed from then on.
- A cancelled run cancels its open tasks, then records and publishes that like any other end.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from pydantic import BaseModel
from temporalio import workflow
from temporalio.common import RetryPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ChildWorkflowError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from taskfactory.definitions import RUN_WORKFLOW, OpenChild, PlannedRetry, RunInput, RunProgress
    from taskfactory.envelope import ActivityRef, Failure
    from taskfactory.intake.visibility import task_details_of, task_search_attributes
    from taskfactory.orchestrator.activities import RunActivities
    from taskfactory.orchestrator.context.activities import ContextActivities
    from taskfactory.orchestrator.failures import (
        cancelled_end,
        child_attempts,
        context_failure,
        end_from_answer,
        end_from_error,
    )
    from taskfactory.registry import PlannedRun, RunEnd, SourceToFetch, StoredTask, TaskEnd
    from taskfactory.tasks import TaskInput

WINDOW: Final = 100
"""Tasks of one run that are open at the same time."""

_STEP_TIMEOUT: Final = timedelta(seconds=60)  # longer than a producer waits for Kafka
_STEP_RETRY: Final = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=15))
_STORE_TIME: Final = timedelta(seconds=10)  # besides a source's own time, which the step itself keeps
_OBSERVE_TIMEOUT: Final = timedelta(seconds=30)


class RunSummary(BaseModel):
    """The workflow's result, for people who look at it in Temporal's UI."""

    state: str
    tasks: dict[str, int] = {}
    duplicate_of: str | None = None


@workflow.defn(name=RUN_WORKFLOW)
class RunActivityWorkflow:
    """Carries one run of an activity definition."""

    @workflow.init
    def __init__(self, run: RunInput) -> None:
        self._run = run
        self._pending: deque[StoredTask] = deque()
        self._next_position = run.progress.next_position if run.progress else None
        self._open: dict[str, asyncio.Task[TaskEnd]] = {}
        self._open_children: dict[str, OpenChild] = {}  # those that are known to have started
        self._ended: list[TaskEnd] = []
        self._ends: Counter[str] = Counter()  # by status, since this execution began
        self._cancelling = False
        self._fetch: asyncio.Task[Failure | None] | None = None  # of the source whose turn it is
        self._defect: BaseException | None = None

    @workflow.run
    async def run(self, run: RunInput) -> RunSummary:
        """Claim, plan, do the tasks, finalise."""
        work = asyncio.create_task(self._work(run.progress))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self._cancel_open_tasks()
            summary = await work
            if summary.state == "cancelled":
                raise
            return summary  # it had ended before the request came

    async def _work(self, progress: RunProgress | None) -> RunSummary:
        if progress is None:
            plan = await self._plan()
            if plan.state == "duplicate":
                return RunSummary(state="duplicate", duplicate_of=plan.duplicate_of)
            if plan.state == "claimed":
                failed = await self._fetch_context(plan.sources)
                if failed is not None or self._cancelling:
                    return await self._finalise(failed)
                plan = await self._plan_from_context()
            if plan.state != "running":
                return await self._finalise()
            self._pending.extend(plan.tasks)
            self._next_position = plan.next_position
        else:
            for child in progress.open_children:
                self._watch(child.task_id, self._observe(child))
        await self._do_tasks()
        return await self._finalise()

    async def _plan(self) -> PlannedRun:
        owner = workflow.info().first_execution_run_id
        plans = await workflow.execute_local_activity_method(
            RunActivities.plan,
            args=[[self._run], owner],
            start_to_close_timeout=_STEP_TIMEOUT,
            retry_policy=_STEP_RETRY,
        )
        return plans[0]

    async def _fetch_context(self, sources: list[SourceToFetch]) -> Failure | None:
        """Fetch one source after the other; the failure of the one that the run can't do without."""
        for source in sources:
            if self._cancelling:
                return None
            self._fetch = asyncio.create_task(self._fetch_source(source))
            try:
                failed = await self._fetch
            except (ActivityError, asyncio.CancelledError) as error:
                if is_cancelled_exception(error):
                    return None
                raise
            if failed is not None:
                return failed
        return None

    async def _fetch_source(self, source: SourceToFetch) -> Failure | None:
        try:
            await workflow.execute_activity_method(
                ContextActivities.fetch_context,
                args=[self._run, source.name],
                start_to_close_timeout=timedelta(seconds=source.timeout) + _STORE_TIME,
                schedule_to_close_timeout=timedelta(seconds=source.schedule_to_close) + _STORE_TIME,
                retry_policy=_retry_policy(source.retry),
                summary=f"context {source.name}",
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            failed = context_failure(source.name, error)
            kept = await workflow.execute_local_activity_method(
                ContextActivities.give_up_context,
                args=[self._run, source.name, failed],
                start_to_close_timeout=_STEP_TIMEOUT,
                retry_policy=_STEP_RETRY,
            )
            return failed if kept.state == "failed" else None
        return None

    async def _plan_from_context(self) -> PlannedRun:
        return await workflow.execute_local_activity_method(
            RunActivities.plan_from_context,
            args=[self._run, workflow.info().first_execution_run_id],
            start_to_close_timeout=_STEP_TIMEOUT,
            retry_policy=_STEP_RETRY,
        )

    async def _do_tasks(self) -> None:
        while True:
            await self._fill_window()
            if not self._open and (self._cancelling or not self._has_more()):
                return
            workflow.set_current_details(self._progress())
            await workflow.wait_condition(
                lambda: bool(self._ended) or self._defect is not None or self._may_continue_as_new()
            )
            if self._defect is not None:
                raise self._defect  # fails the workflow task: Temporal tries it again until the code is mended
            if self._ended and (self._open or self._has_more()):
                await self._flush()
            elif self._may_continue_as_new():
                # Nothing is awaited between the look at what ended and this: an end that came between would be lost.
                self._continue_as_new()

    def _progress(self) -> str:
        """What Temporal's UI shows of a run that waits; asked for by a query, it leaves nothing in the history."""
        ends = ", ".join(f"{number} {status}" for status, number in sorted(self._ends.items()))
        more = ", more to start" if self._has_more() else ""
        return f"Tasks open: {len(self._open)}{more}. Ended so far: {ends or 'none'}."

    def _has_more(self) -> bool:
        return bool(self._pending) or self._next_position is not None

    async def _fill_window(self) -> None:
        while self._has_more() and len(self._open) < WINDOW and not self._cancelling and not self._draining():
            if not self._pending:
                page = await workflow.execute_activity_method(
                    RunActivities.tasks_page,
                    args=[self._run.run_id, self._next_position],
                    start_to_close_timeout=_STEP_TIMEOUT,
                    retry_policy=_STEP_RETRY,
                    summary=f"tasks from {self._next_position}",
                )
                self._pending.extend(page.tasks)
                self._next_position = page.next_position
                continue
            task = self._pending.popleft()
            if task.state == "scheduled":
                self._watch(task.task_id, self._execute(task))

    def _watch(self, task_id: str, work: Coroutine[Any, Any, TaskEnd]) -> None:
        execution = asyncio.create_task(work)
        self._open[task_id] = execution
        # A callback, not the end of `work`: an execution that is cancelled before its first step never enters it.
        execution.add_done_callback(lambda done: self._collect(task_id, done))

    def _collect(self, task_id: str, execution: asyncio.Task[TaskEnd]) -> None:
        del self._open[task_id]
        self._open_children.pop(task_id, None)
        if execution.cancelled():
            self._ended.append(cancelled_end(self._run.run_id, task_id))
        elif (error := execution.exception()) is not None:
            self._defect = error
        else:
            self._ended.append(execution.result())
        if execution.cancelled() or execution.exception() is None:
            self._ends[self._ended[-1].status] += 1

    async def _execute(self, task: StoredTask) -> TaskEnd:
        try:
            return await (self._activity(task) if task.type == "activity" else self._child(task))
        except (ActivityError, ChildWorkflowError) as error:
            return end_from_error(self._run.run_id, task, error)

    async def _activity(self, task: StoredTask) -> TaskEnd:
        answer = await workflow.execute_activity(
            task.handler,
            self._task_input(task),
            task_queue=task.queue,
            activity_id=task.task_id,
            summary=_label(task),
            start_to_close_timeout=timedelta(seconds=task.timeout),
            schedule_to_close_timeout=_duration(task.schedule_to_close),
            heartbeat_timeout=_duration(task.heartbeat),
            retry_policy=_retry_policy(task.retry),
        )
        return end_from_answer(self._run.run_id, task, answer)

    async def _child(self, task: StoredTask) -> TaskEnd:
        child = OpenChild(task_id=task.task_id, name=task.name)
        try:
            handle = await workflow.start_child_workflow(
                task.handler,
                self._task_input(task),
                id=task.task_id,
                task_queue=task.queue,
                static_summary=f"{self._run.activity_name} / {_label(task)}",
                static_details=task_details_of(self._run, task.task_id),
                search_attributes=task_search_attributes(self._run, task.name),
                execution_timeout=timedelta(seconds=task.timeout),
                retry_policy=_retry_policy(task.retry),
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                # The default would terminate an open task together with a run that continues as new.
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_REQUESTED,
            )
        except WorkflowAlreadyStartedError:
            # A reset brought this run back to before the child's start; the child itself is untouched.
            return await self._observe(child)
        self._open_children[task.task_id] = child
        result = await handle
        return TaskEnd(
            run_id=self._run.run_id,
            task_id=task.task_id,
            status="completed",
            attempts=child_attempts(task),
            result=result,
        )

    async def _observe(self, child: OpenChild) -> TaskEnd:
        self._open_children[child.task_id] = child
        try:
            return await workflow.execute_activity_method(
                RunActivities.observe_child,
                args=[self._run.run_id, child.task_id],
                start_to_close_timeout=_OBSERVE_TIMEOUT,
                summary=f"observe {child.name}",
            )
        except (ActivityError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                return await self._cancel_observed(child)
            raise

    async def _cancel_observed(self, child: OpenChild) -> TaskEnd:
        with suppress(FailureError):  # it is closed already
            await workflow.get_external_workflow_handle(child.task_id).cancel()
        try:
            # It may have ended since the last look; then that is its end.
            return await workflow.execute_activity_method(
                RunActivities.observe_child,
                args=[self._run.run_id, child.task_id],
                start_to_close_timeout=_OBSERVE_TIMEOUT,
                retry_policy=RetryPolicy(maximum_attempts=1),
                summary=f"last look at {child.name}",
            )
        except ActivityError:
            return cancelled_end(self._run.run_id, child.task_id)

    def _task_input(self, task: StoredTask) -> TaskInput:
        run = self._run
        return TaskInput(
            task_id=task.task_id,
            name=task.name,
            index=task.index,
            run_id=run.run_id,
            activity=ActivityRef(id=run.activity_id, name=run.activity_name, version=run.version),
            trigger=run.trigger,
            params=task.params,
        )

    async def _flush(self) -> None:
        ended, self._ended = self._ended, []
        await workflow.execute_local_activity_method(
            RunActivities.finish,
            args=[ended, []],
            start_to_close_timeout=_STEP_TIMEOUT,
            retry_policy=_STEP_RETRY,
        )

    async def _finalise(self, failed: Failure | None = None) -> RunSummary:
        ended, self._ended = self._ended, []
        end = RunEnd(run_id=self._run.run_id, status="cancelled" if self._cancelling else None)
        if failed is not None:
            end = RunEnd(run_id=self._run.run_id, status="failed", error=failed)
        states = await workflow.execute_local_activity_method(
            RunActivities.finish,
            args=[ended, [end]],
            start_to_close_timeout=_STEP_TIMEOUT,
            retry_policy=_STEP_RETRY,
        )
        return RunSummary(state=states[0].state, tasks=states[0].tasks)

    def _draining(self) -> bool:
        return workflow.info().is_continue_as_new_suggested() and self._has_more()

    def _may_continue_as_new(self) -> bool:
        return self._draining() and not self._cancelling and self._open.keys() <= self._open_children.keys()

    def _continue_as_new(self) -> None:
        position = self._pending[0].position if self._pending else self._next_position
        progress = RunProgress(next_position=position, open_children=list(self._open_children.values()))
        workflow.continue_as_new(self._run.model_copy(update={"progress": progress}))

    def _cancel_open_tasks(self) -> None:
        self._cancelling = True
        if self._fetch is not None:
            self._fetch.cancel()
        for execution in self._open.values():
            execution.cancel()


def _label(task: StoredTask) -> str:
    """`reserve[1]` for an element of `foreach`, as the commands show it."""
    return task.name if task.index is None else f"{task.name}[{task.index}]"


def _retry_policy(retry: PlannedRetry) -> RetryPolicy:
    return RetryPolicy(
        initial_interval=timedelta(seconds=retry.initial_interval),
        backoff_coefficient=retry.backoff,
        maximum_interval=timedelta(seconds=retry.max_interval),
        maximum_attempts=retry.max_attempts or 0,
    )


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
