"""How a run ends, given how its tasks did. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from taskfactory.envelope import Failure, RunStatus
from taskfactory.registry.run_model import TaskState

FAILING: Final[tuple[TaskState, ...]] = ("failed", "expired", "cancelled")
"""A task in one of these states means that the run did not do what it was to do."""


class OpenTasks(Exception):  # noqa: N818 -- it names what is in the way
    """A run was to end as its tasks say while some of them are still open.

    Attributes:
        run_id: the run.
        count: how many of its tasks are open.
    """

    def __init__(self, run_id: str, count: int) -> None:
        """Say what to do."""
        self.run_id = run_id
        self.count = count
        super().__init__(
            f"run {run_id} has {count} open tasks: end them first, or give the run's end a status of its own"
        )


@dataclass(frozen=True, slots=True)
class TaskTally:
    """A run's tasks by state."""

    counts: Mapping[TaskState, int]
    """States without a task are left out."""
    first_failed: int | None = None
    """Lowest position of a task in a failing state."""


def derive_status(run_id: str, tally: TaskTally) -> RunStatus:
    """The status that the tasks give the run.

    Raises:
        OpenTasks: some are not ended.
    """
    if open_count := tally.counts.get("scheduled", 0):
        raise OpenTasks(run_id, open_count)
    if any(tally.counts.get(state) for state in FAILING):
        return "failed"
    return "completed" if tally.counts.get("completed") else "skipped"


def failure_of_closed(status: Literal["failed", "cancelled"]) -> Failure:
    """What a task says that its run's end closed, where that end has no error of its own."""
    how = "was cancelled" if status == "cancelled" else "failed"
    return Failure(type=f"run_{status}", message=f"the run {how} before this task had ended")


def failure_of_task(name: str, index: int | None, state: str, error: Failure | None) -> Failure:
    """What a run that failed by a task says: which task, and why."""
    task = name if index is None else f"{name}/{index}"
    reason = f": {error.message}" if error else ""
    return Failure(type=f"task_{state}", message=f"task {task} {state}{reason}")
