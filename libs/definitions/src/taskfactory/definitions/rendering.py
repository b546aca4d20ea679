"""From a definition and an event to the tasks of a run: context, conditions, `foreach` and templates filled in.

Pure and deterministic: the same definition, event and run give the same tasks, so that a repeated planning is harmless.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from taskfactory.definitions.cel import Bindings
from taskfactory.definitions.context_values import ContextValue, context_values
from taskfactory.definitions.durations import parse_duration
from taskfactory.definitions.filling import RenderFailed, evaluate, fill
from taskfactory.definitions.ids import task_id
from taskfactory.definitions.limits import RunLimits
from taskfactory.definitions.model import ActivityDefinition, ActivityTask, TaskTemplate
from taskfactory.definitions.paths import Path, render_path
from taskfactory.definitions.retry import Retry
from taskfactory.definitions.suggestions import found


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


@dataclass(frozen=True, slots=True)
class RenderedRun:
    """What a run will do, and the context that it was worked out from."""

    tasks: Sequence[PlannedTask]
    context: Sequence[ContextValue] = ()


def render_run(
    definition: ActivityDefinition,
    event: Mapping[str, Any],
    fetched: Mapping[str, Any] = MappingProxyType({}),
    *,
    run_id: str,
    limits: RunLimits = RunLimits(),  # noqa: B008 -- frozen
) -> RenderedRun:
    """Plan the tasks of one run, in the order of the definition and of each `foreach` list.

    Args:
        definition: In the version that matched.
        event: The envelope in CloudEvents JSON form.
        fetched: The values of context sources outside, by name.
        run_id: What the tasks' ids begin with.
        limits: How many tasks there may be.

    Raises:
        RenderFailed: An expression or template fails, a value from outside is missing, or there are too many tasks.
    """
    context, bindings = context_values(definition, event, fetched)
    planned: list[PlannedTask] = []
    for position, task in enumerate(definition.tasks):
        for index, scope in _elements(task, ("tasks", position), bindings, len(planned), limits):
            planned.append(_plan(task, ("tasks", position), scope, run_id, index))
    return RenderedRun(planned, context)


def render_tasks(
    definition: ActivityDefinition,
    event: Mapping[str, Any],
    fetched: Mapping[str, Any] = MappingProxyType({}),
    *,
    run_id: str,
    limits: RunLimits = RunLimits(),  # noqa: B008 -- frozen
) -> list[PlannedTask]:
    """The tasks of `render_run`, for those who don't keep the context."""
    return list(render_run(definition, event, fetched, run_id=run_id, limits=limits).tasks)


def _elements(
    task: TaskTemplate, path: Path, bindings: Bindings, before: int, limits: RunLimits
) -> Iterator[tuple[int | None, Bindings]]:
    """The task's instances: position within `foreach` and what its expressions see."""
    if task.foreach is None:
        count, items = 1, None
    else:
        items = evaluate(task.foreach, (*path, "foreach"), bindings)
        if not isinstance(items, list):
            message = f"`foreach` must give a list; it gave {found(items)}"
            raise RenderFailed("template_error", render_path((*path, "foreach")), task.foreach, message)
        count = len(items)
    if count > limits.elements:
        message = f"found a list of {count}; allowed are at most {limits.elements} (TASKFACTORY_MAX_FOREACH_ELEMENTS)"
        raise RenderFailed("too_many_tasks", render_path((*path, "foreach")), task.foreach, message)
    if before + count > limits.tasks:
        message = (
            f"found {before + count} tasks up to here; allowed are at most {limits.tasks} in one run "
            "(TASKFACTORY_MAX_TASKS_PER_RUN)"
        )
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
        params={} if skipped else fill(task.params, (*path, "params"), bindings),
        timeout=parse_duration(task.timeout),
        schedule_to_close=parse_duration(activity.schedule_to_close) if activity else None,
        heartbeat=parse_duration(activity.heartbeat) if activity and activity.heartbeat else None,
        retry=planned_retry(task.retry),
        skipped=skipped,
    )


def planned_retry(retry: Retry) -> PlannedRetry:
    """The author's retry with its times in seconds."""
    return PlannedRetry(
        max_attempts=retry.max_attempts,
        initial_interval=parse_duration(retry.initial_interval),
        backoff=retry.backoff,
        max_interval=parse_duration(retry.max_interval),
    )


def _condition(expression: str, path: Path, bindings: Bindings) -> bool:
    result = evaluate(expression, path, bindings)
    if not isinstance(result, bool):
        message = f"`when` must give true or false; it gave {found(result)}"
        raise RenderFailed("template_error", render_path(path), expression, message)
    return result
