"""The effects of a run, each a list-in, list-out step on the registry and Kafka.

`plan` and `finish` run as local activities: a worker that dies between their commit and the completion of
the workflow task runs them again. So each of them gives the same answer the second time: a claim is recognised by its
owner, a plan is read back, the first terminal state wins, and outcomes have deterministic ids.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import to_json
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.definitions import (
    ActivityDefinition,
    InvalidDefinitions,
    RegisteredDefinition,
    RemoteSource,
    RenderedRun,
    RenderFailed,
    RunInput,
    context_scrubber,
    planned_retry,
    remote_sources,
    render_run,
)
from taskfactory.definitions.durations import parse_duration
from taskfactory.envelope import Failure
from taskfactory.orchestrator import metrics
from taskfactory.orchestrator.failures import failure, failure_of
from taskfactory.orchestrator.publisher import OutcomePublisher
from taskfactory.orchestrator.settings import OrchestratorSettings
from taskfactory.registry import (
    AwaitsContext,
    DefinitionStore,
    PlannedRun,
    RunEnd,
    RunStore,
    SourceToFetch,
    TaskEnd,
    TaskPage,
    UnknownDefinition,
)
from taskfactory.runtime import failpoint

VERSIONS_CACHED: Final = 2000
LONGEST_OBSERVATION_PAUSE: Final = timedelta(seconds=10)


class RunStanding(BaseModel):
    """How a run stands after `finish`."""

    state: str
    tasks: dict[str, int]


class RunActivities:
    """What `RunActivityWorkflow` calls."""

    def __init__(
        self,
        store: RunStore,
        definitions: DefinitionStore,
        publisher: OutcomePublisher,
        client: Client,
        settings: OrchestratorSettings,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._client = client
        self._max_params_bytes = settings.max_params_bytes
        self._limits = settings.run_limits
        # A version never changes, so it never has to be read twice.
        self.version: Callable[[str, int], RegisteredDefinition] = lru_cache(VERSIONS_CACHED)(definitions.version)
        """The definition of that id in that version."""

    @activity.defn
    def plan(self, runs: list[RunInput], owner: str) -> list[PlannedRun]:
        """Claim the runs' keys and write their plans, in one transaction; the stored plan where there is one."""
        with metrics.STEP_SECONDS.labels("plan").time():
            self._load_versions(runs)
            planned = self._store.plan(runs, owner, self._render)
        for run in planned:
            metrics.RUNS_PLANNED.labels(run.state).inc()
        failpoint("orchestrator.after_claim")
        return [self._with_sources(run, each) for run, each in zip(runs, planned, strict=True)]

    @activity.defn
    def plan_from_context(self, run: RunInput, owner: str) -> PlannedRun:
        """Write the plan of a run whose context was fetched after its claim; the stored plan where there is one."""
        with metrics.STEP_SECONDS.labels("plan_from_context").time():
            self._load_versions([run])
            planned = self._store.plan_claimed(run, owner, self._render_with)
        metrics.RUNS_PLANNED.labels(planned.state).inc()
        failpoint("orchestrator.after_plan_from_context")
        return planned

    def _with_sources(self, run: RunInput, planned: PlannedRun) -> PlannedRun:
        if planned.state != "claimed":
            return planned
        sources = remote_sources(self.version(run.activity_id, run.version).definition)
        return planned.model_copy(update={"sources": [_to_fetch(source) for source in sources]})

    def _load_versions(self, runs: list[RunInput]) -> None:
        """Before the claim's transaction, which must not wait for a second connection while it holds one."""
        for run in runs:
            with suppress(UnknownDefinition, InvalidDefinitions):
                self.version(run.activity_id, run.version)

    def _render(self, run: RunInput) -> RenderedRun | AwaitsContext:
        if remote_sources(self._definition(run)):
            return AwaitsContext()
        return self._render_with(run, {})

    def _render_with(self, run: RunInput, fetched: Mapping[str, Any]) -> RenderedRun:
        definition = self._definition(run)
        try:
            rendered = render_run(definition, run.event, fetched, run_id=run.run_id, limits=self._limits)
        except RenderFailed as failed:
            message = context_scrubber(definition, run.event, fetched).text(failed.message)
            raise RenderFailed(failed.code, failed.path, failed.expression, message) from None
        for task in rendered.tasks:
            size = len(to_json(task.params))
            if size > self._max_params_bytes:
                message = (
                    f"the params of {task.task_id} have {size} bytes, allowed are {self._max_params_bytes}: let them "
                    "point at the data, or raise TASKFACTORY_MAX_PARAMS_BYTES"
                )
                raise RenderFailed("too_large", f"task {task.name}", None, message)
        return rendered

    def _definition(self, run: RunInput) -> ActivityDefinition:
        try:
            return self.version(run.activity_id, run.version).definition
        except UnknownDefinition as unknown:
            raise RenderFailed("unknown_definition", "activity", None, str(unknown)) from unknown
        except InvalidDefinitions as invalid:
            raise RenderFailed("invalid_definition", "activity", None, str(invalid)) from invalid

    @activity.defn
    def tasks_page(self, run_id: str, position: int) -> TaskPage:
        """The run's tasks from that position on."""
        return self._store.tasks_page(run_id, position)

    @activity.defn
    def finish(self, tasks: list[TaskEnd], runs: list[RunEnd]) -> list[RunStanding]:
        """Record ends, then publish what the rows say; returns the runs' states, in the order of `runs`."""
        with metrics.STEP_SECONDS.labels("finish").time():
            finished = self._store.finish(tasks, runs)
            failpoint("orchestrator.before_publish")
            self._publisher.publish(finished)
        for task in finished.tasks:
            name = finished.contexts[task.run_id].activity.name
            metrics.TASKS_ENDED.labels(name, task.name, task.status).inc()
        by_id = {run.run_id: run for run in finished.runs}
        for run in finished.runs:
            metrics.RUNS_ENDED.labels(finished.contexts[run.run_id].activity.name, run.status).inc()
        return [_standing(by_id[end.run_id].status, by_id[end.run_id].task_counts) for end in runs]

    @activity.defn
    async def observe_child(self, run_id: str, task_id: str) -> TaskEnd:
        """The end of a child workflow that this execution of the run did not start itself.

        While the child is open the attempt fails and is tried again, which holds no slot and writes no history.

        Raises:
            ApplicationError: the child is still open.
        """
        handle = self._client.get_workflow_handle(task_id)
        try:
            status = (await handle.describe()).status
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            lost = failure("ExecutionLost", "the child workflow vanished from Temporal")
            return TaskEnd(run_id=run_id, task_id=task_id, status="failed", error=lost)
        if status == WorkflowExecutionStatus.RUNNING:
            pause = min(timedelta(seconds=1) * activity.info().attempt, LONGEST_OBSERVATION_PAUSE)
            raise ApplicationError(
                "the child workflow is still open",
                type="StillOpen",
                next_retry_delay=pause,
                category=ApplicationErrorCategory.BENIGN,  # not worth a warning in the log each time
            )
        try:
            result = await handle.result()
        except WorkflowFailureError as error:
            return child_end(run_id, task_id, status, error)
        return TaskEnd(run_id=run_id, task_id=task_id, status="completed", result=result)


def child_end(
    run_id: str, task_id: str, status: WorkflowExecutionStatus | None, error: WorkflowFailureError
) -> TaskEnd:
    """The end of an observed child that did not complete."""
    ended: Failure
    if status == WorkflowExecutionStatus.CANCELED:
        ended = failure("Cancelled", "the child workflow was cancelled")
        return TaskEnd(run_id=run_id, task_id=task_id, status="cancelled", error=ended)
    if status == WorkflowExecutionStatus.TIMED_OUT:
        ended = failure("Expired", "the workflow did not end within its timeout")
        return TaskEnd(run_id=run_id, task_id=task_id, status="expired", error=ended)
    return TaskEnd(run_id=run_id, task_id=task_id, status="failed", error=failure_of(error.cause))


def _to_fetch(source: RemoteSource) -> SourceToFetch:
    return SourceToFetch(
        name=source.name,
        timeout=parse_duration(source.timeout),
        schedule_to_close=parse_duration(source.schedule_to_close),
        retry=planned_retry(source.retry),
    )


def _standing(status: str, counts: Any) -> RunStanding:
    return RunStanding(state=status, tasks={state: number for state, number in counts.items() if number})
