"""What a handler knows about the task that it does, beside its params."""

from typing import Any

from temporalio import activity

from taskfactory.envelope import ActivityRef, Trigger
from taskfactory.tasks.task_input import TaskInput


class TaskContext:
    """One attempt of one task.

    A task may be attempted more than once: hand `task_id` to whatever the handler calls, so that it can tell a repeat
    from something new.

    Cancellation and long work: a task whose template sets `heartbeat` learns through `heartbeat()` that it was
    cancelled; without heartbeats a cancelled task simply runs to its end. An async handler gets
    `asyncio.CancelledError` at an `await`; a sync one gets `temporalio.exceptions.CancelledError` between two lines of
    Python, in its thread, so that `finally` blocks clean up. Let either pass through. Call `is_cancelled()` in
    work that catches everything. The same happens to tasks that still run when their worker's drain time is over.

    For unit tests there is `taskfactory.tasks.testing.FakeTaskContext`.
    """

    def __init__(self, task: TaskInput, *, attempt: int, last_heartbeat: Any = None) -> None:
        self._task = task
        self.attempt = attempt
        """1 at first, one more with every retry."""
        self.last_heartbeat = last_heartbeat
        """Details of the last heartbeat of the earlier attempts: where to resume; None if there was none."""

    @property
    def task_id(self) -> str:
        """The idempotency key: the same for every attempt of this task, and for no other task."""
        return self._task.task_id

    @property
    def name(self) -> str:
        """Name of the task within its activity definition."""
        return self._task.name

    @property
    def index(self) -> int | None:
        """Position within `foreach`, from 0; None for a task without it."""
        return self._task.index

    @property
    def run_id(self) -> str:
        """Id of the run that the task belongs to."""
        return self._task.run_id

    @property
    def activity(self) -> ActivityRef:
        """The activity definition, in the version that runs."""
        return self._task.activity

    @property
    def trigger(self) -> Trigger:
        """The event that started the run."""
        return self._task.trigger

    def heartbeat(self, details: Any = None) -> None:
        """Say that the task is alive, and how far it came; works in sync and async handlers.

        Cheap enough for every item of a loop: the SDK sends at most what the heartbeat timeout needs.

        Args:
            details: a JSON value; the next attempt finds it in `last_heartbeat`.
        """
        activity.heartbeat(*(() if details is None else (details,)))

    def is_cancelled(self) -> bool:
        """Whether the task was asked to stop."""
        return activity.is_cancelled()
