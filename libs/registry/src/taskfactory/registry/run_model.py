"""What goes into the run store and what comes out. Everything here is frozen JSON, so it may cross Temporal.

    run:   running ──► completed | failed | cancelled | skipped
    task:  scheduled ──► completed | failed | cancelled | expired        (skipped from the start: its `when` was false)

The first terminal state wins; whoever comes later is given what is stored.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from taskfactory.definitions import PlannedRetry, PlannedTask
from taskfactory.envelope import ActivityRef, Failure, RunStatus, TaskStatus, Trigger

RunState = Literal["running", "completed", "failed", "cancelled", "skipped"]
TaskState = Literal["scheduled", "completed", "failed", "cancelled", "expired", "skipped"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class StoredTask(PlannedTask):
    """A task as its row has it."""

    position: int
    """Place in the run's plan, from 0."""
    state: TaskState


class TaskPage(_Frozen):
    """Consecutive tasks of one run."""

    tasks: list[StoredTask]
    next_position: int | None
    """Where the next page starts; None when this one holds the last task."""


class AwaitsContext(_Frozen):
    """Stands for a run's tasks while the context that they are worked out from has still to be fetched."""


class SourceToFetch(_Frozen):
    """A context source that waits for its turn; times in seconds."""

    name: str
    timeout: float
    """Of one attempt."""
    schedule_to_close: float
    retry: PlannedRetry


class PlannedRun(_Frozen):
    """What became of a claim: the run's plan, or whose run it is a duplicate of."""

    run_id: str
    state: Literal["running", "claimed", "duplicate", "completed", "failed", "cancelled", "skipped"]
    """`claimed`: the run is open, and its tasks are planned once `sources` are fetched."""
    sources: list[SourceToFetch] = []
    """In the order in which they are fetched."""
    duplicate_of: str | None = None
    """The run that has the key, where its row still exists."""
    error: Failure | None = None
    task_count: int = 0
    """All tasks of the run, skipped ones too; `tasks` holds the first page of them."""
    tasks: list[StoredTask] = []
    next_position: int | None = None


class TaskEnd(_Frozen):
    """A task reached an end. `result` belongs to `completed`, `error` to the others."""

    run_id: str
    task_id: str
    status: TaskStatus
    attempts: int | None = None
    """None where it is not known how often the task was tried."""
    result: Any = None
    error: Failure | None = None


class RunEnd(_Frozen):
    """A run is to end: as its tasks say, or, with `status`, whatever they say.

    With `status`, tasks that are still open get the same status and error; without an error, one that names the run's
    end.
    """

    run_id: str
    status: Literal["failed", "cancelled"] | None = None
    error: Failure | None = None


class EventAttributes(_Frozen):
    """What an outcome takes over from the event besides its trigger coordinates."""

    partitionkey: str | None = None
    correlationid: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    hops: int | None = None
    chain: Annotated[str | None, BeforeValidator(lambda value: value if isinstance(value, str) else None)] = None
    """Names of the definitions that led to the event, oldest first, separated by spaces; of our own outcomes only."""
    key: str | None = None
    """The record's Kafka key, base64."""


class OutcomesConfig(_Frozen):
    """The definition's `outcomes`, in the version that ran."""

    topic: str | None = None
    """None: the installation's outcomes topic."""
    of: tuple[Literal["task", "run"], ...] = ("task", "run")


class RunContext(_Frozen):
    """What every outcome of one run repeats."""

    activity: ActivityRef
    generation: int
    trigger: Trigger
    event_attributes: EventAttributes
    outcomes: OutcomesConfig


class EndedTask(_Frozen):
    """A task's terminal row."""

    run_id: str
    task_id: str
    name: str
    index: int | None
    position: int
    type: Literal["activity", "workflow"]
    status: TaskStatus
    attempts: int | None
    result: Any
    error: Failure | None
    ended_at: datetime


class EndedRun(_Frozen):
    """A run's terminal row."""

    run_id: str
    status: RunStatus
    error: Failure | None
    task_counts: Mapping[TaskState, int]
    """Number of tasks by state; states without a task are left out."""
    started_at: datetime
    ended_at: datetime


class Finished(_Frozen):
    """Terminal rows, as stored, in the order of their run ids and positions: what outcomes are published from."""

    tasks: list[EndedTask] = []
    runs: list[EndedRun] = []
    contexts: dict[str, RunContext] = {}
    """By run id, for every run that `tasks` or `runs` mention."""

    def merge(self, later: "Finished") -> "Finished":
        """Both together; a row that is in both appears once."""
        tasks = {task.task_id: task for task in (*self.tasks, *later.tasks)}
        runs = {run.run_id: run for run in (*self.runs, *later.runs)}
        return Finished(
            tasks=sorted(tasks.values(), key=lambda task: (task.run_id, task.position)),
            runs=sorted(runs.values(), key=lambda run: run.run_id),
            contexts={**self.contexts, **later.contexts},
        )
