"""What the orchestrator hands to a task handler: the one argument of every task activity and child workflow."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from taskfactory.envelope import ActivityRef, Trigger


class TaskInput(BaseModel):
    """One task. `task_id` is the idempotency key for every effect that the handler has outside."""

    model_config = ConfigDict(frozen=True)

    task_id: str
    """`{run id}/{task name}` or `{run id}/{task name}/{index}`."""
    name: str
    index: int | None = None
    run_id: str
    activity: ActivityRef
    trigger: Trigger
    params: dict[str, Any]
    """The task template's `params`, rendered."""
