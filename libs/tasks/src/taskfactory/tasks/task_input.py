"""The contract between the orchestrator and a task handler.

Every task activity and child workflow takes one `TaskInput`. An activity answers with a `TaskResult`; a child workflow
with its result alone. A handler in another language speaks the same JSON.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from taskfactory.envelope import ActivityRef, Trigger
from taskfactory.tasks.params import parse_params

Model = TypeVar("Model", bound=BaseModel)

_STEP_NAME = re.compile(r"[a-z][a-z0-9-]*")


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

    def params_as(self, model: type[Model]) -> Model:
        """The params as a model, for child workflows; `@task` handlers get theirs validated.

        Raises:
            InvalidParams: a field is missing or wrong. It fails the workflow; it does not retry.
        """
        return parse_params(model, self.params)

    def step(self, name: str, params: Mapping[str, Any]) -> "TaskInput":
        """The input for one step of a child workflow that calls a `@task` handler as its activity.

        The step's id is `{task_id}/{name}`, so that every step has an idempotency key of its own.

        Args:
            name: unique among the workflow's steps. A letter comes first, so that no step has the id of a task
                within `foreach`.
            params: what the handler gets.

        Raises:
            ValueError: `name` is not a letter followed by letters, digits or hyphens, all lowercase.
        """
        if not _STEP_NAME.fullmatch(name):
            raise ValueError(f"step name {name!r} must match {_STEP_NAME.pattern}")
        return self.model_copy(update={"task_id": f"{self.task_id}/{name}", "params": dict(params)})


class TaskResult(BaseModel):
    """What a task activity returns to the orchestrator. `@task` makes it from what the handler returned."""

    model_config = ConfigDict(frozen=True)

    attempts: int = 1
    """Which attempt this was, from 1."""
    result: Any = None
    """What the handler returned, as JSON."""


class AttemptDetails(BaseModel):
    """Sent as the last detail of the `ApplicationError` that a failed attempt raises, so that outcomes can count."""

    model_config = ConfigDict(frozen=True)

    attempts: int
