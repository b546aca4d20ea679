"""From a definition and an event to the tasks of a run: context, conditions, `foreach` and templates filled in.

Pure and deterministic: the same definition, event and run give the same tasks, so that a repeated planning is harmless.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from taskfactory.definitions.cel import Bindings, EvaluationError
from taskfactory.definitions.checks import context_variable
from taskfactory.definitions.durations import parse_duration
from taskfactory.definitions.ids import task_id
from taskfactory.definitions.model import (
    ActivityDefinition,
    ActivityTask,
    EventContext,
    Retry,
    TaskTemplate,
)
from taskfactory.definitions.paths import Path, render_path
from taskfactory.definitions.suggestions import found
from taskfactory.definitions.templates import TemplateError, render_template

MAX_TASKS: Final = 10_000


class PlannedRetry(BaseModel):
    """How a failed attempt is repeated; times in seconds."""

    model_config = ConfigDict(frozen=True)

    max_attempts: int | None
    """None: until the task's time is over."""
    initial_interval: float
    backoff: float
    max_interval: float


class PlannedTask(BaseModel):
    """One task of a run, ready to be started; times in seconds."""

    model_config = ConfigDict(frozen=True)

    task_id: str
    name: str
    index: int | None
    """Position within `foreach`, from 0; None without it."""
    type: Literal["activity", "workflow"]
    handler: str
    """Name of the activity or of the workflow type."""
    queue: str
    params: dict[str, Any]
    """Rendered; empty when the task is skipped."""
    timeout: float
    """Start to close of one attempt; for a workflow, its execution timeout."""
    schedule_to_close: float | None
    """Always set for an activity, never for a workflow."""
    heartbeat: float | None
    retry: PlannedRetry
    skipped: bool
    """Its `when` was false."""


class RenderFailed(ValueError):  # noqa: N818  the subject, not the mechanism
    """The tasks cannot be worked out on this event."""

    def __init__(self, code: str, path: str, expression: str | None, message: str) -> None:
        """Take where and why.

        Args:
            code: `cel_error` (an expression has no value), `template_error` (it has one that does not fit) or
                `too_many_tasks`.
            path: As `tasks[0].params.sku`.
            expression: The expression or template as written.
            message: A sentence.
        """
        super().__init__(f"{path}: {message}" + (f" (in {expression})" if expression else ""))
        self.code = code
        self.path = path
        self.expression = expression
        self.message = message


def render_tasks(
    definition: ActivityDefinition, event: Mapping[str, Any], *, run_id: str, max_tasks: int = MAX_TASKS
) -> list[PlannedTask]:
    """Plan the tasks of one run, in the order of the definition and of each `foreach` list.

    Args:
        definition: In the version that matched.
        event: The envelope in CloudEvents JSON form.
        run_id: What the tasks' ids begin with.
        max_tasks: The most tasks of one run, skipped ones included.

    Raises:
        RenderFailed: An expression or template fails, or there are too many tasks.
    """
    bindings = _context(definition, Bindings({"event": dict(event)}))
    planned: list[PlannedTask] = []
    for position, task in enumerate(definition.tasks):
        for index, scope in _elements(task, ("tasks", position), bindings, max_tasks - len(planned), max_tasks):
            planned.append(_plan(task, ("tasks", position), scope, run_id, index))
    return planned


def _context(definition: ActivityDefinition, bindings: Bindings) -> Bindings:
    for position, source in enumerate(definition.context):
        if isinstance(source, EventContext):
            value = _evaluate(source.expression, ("context", position, "expression"), bindings)
        else:
            value = _render(source.value, ("context", position, "value"), bindings)
        bindings = Bindings({context_variable(source.name): value}, bindings)
    return bindings


def _elements(
    task: TaskTemplate, path: Path, bindings: Bindings, room: int, max_tasks: int
) -> Iterator[tuple[int | None, Bindings]]:
    """The task's instances: position within `foreach` and what its expressions see."""
    if task.foreach is None:
        count, items = 1, None
    else:
        items = _evaluate(task.foreach, (*path, "foreach"), bindings)
        if not isinstance(items, list):
            message = f"`foreach` must give a list; it gave {found(items)}"
            raise RenderFailed("template_error", render_path((*path, "foreach")), task.foreach, message)
        count = len(items)
    if count > room:
        message = f"found more than {max_tasks} tasks, the most that one run may have"
        raise RenderFailed("too_many_tasks", render_path(path), task.foreach, message)
    if items is None:
        yield None, bindings
    else:
        for index, item in enumerate(items):
            yield index, Bindings({"item": item, "index": index}, bindings)


def _plan(task: TaskTemplate, path: Path, bindings: Bindings, run_id: str, index: int | None) -> PlannedTask:
    skipped = task.when is not None and not _condition(task.when, (*path, "when"), bindings)
    activity = task if isinstance(task, ActivityTask) else None
    return PlannedTask(
        task_id=task_id(run_id, task.name, index),
        name=task.name,
        index=index,
        type=task.type,
        handler=task.handler if isinstance(task, ActivityTask) else task.workflow,
        queue=task.queue,
        params={} if skipped else _render(task.params, (*path, "params"), bindings),
        timeout=parse_duration(task.timeout),
        schedule_to_close=parse_duration(activity.schedule_to_close) if activity else None,
        heartbeat=parse_duration(activity.heartbeat) if activity and activity.heartbeat else None,
        retry=_retry(task.retry),
        skipped=skipped,
    )


def _retry(retry: Retry) -> PlannedRetry:
    return PlannedRetry(
        max_attempts=retry.max_attempts,
        initial_interval=parse_duration(retry.initial_interval),
        backoff=retry.backoff,
        max_interval=parse_duration(retry.max_interval),
    )


def _condition(expression: str, path: Path, bindings: Bindings) -> bool:
    result = _evaluate(expression, path, bindings)
    if not isinstance(result, bool):
        message = f"`when` must give true or false; it gave {found(result)}"
        raise RenderFailed("template_error", render_path(path), expression, message)
    return result


def _render(value: Any, path: Path, bindings: Bindings) -> Any:
    if isinstance(value, dict):
        return {key: _render(element, (*path, key), bindings) for key, element in value.items()}
    if isinstance(value, list):
        return [_render(element, (*path, position), bindings) for position, element in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        return render_template(value, bindings)
    except TemplateError as error:
        raise RenderFailed("template_error", render_path(path), value, error.message) from error
    except EvaluationError as error:
        raise RenderFailed("cel_error", render_path(path), error.expression, error.message) from error


def _evaluate(expression: str, path: Path, bindings: Bindings) -> Any:
    try:
        return bindings.evaluate(expression)
    except EvaluationError as error:
        raise RenderFailed("cel_error", render_path(path), expression, error.message) from error
