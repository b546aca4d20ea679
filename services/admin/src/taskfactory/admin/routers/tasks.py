"""`/v1/tasks`: what runs got done, or are about to."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from taskfactory.admin.ascii_json import ascii_json
from taskfactory.admin.pages import Page, PageQuery, Paging
from taskfactory.admin.problems import Problem
from taskfactory.admin.roles import VIEWER
from taskfactory.admin.routing import ApiRouter
from taskfactory.admin.services import Services, Using
from taskfactory.envelope import Failure
from taskfactory.registry import ShownTaskState, TaskFilter, TaskPlace, TaskRow

router = ApiRouter(prefix="/v1/tasks", tag="tasks")

TASK_ID = "activity-0b7c2f0e-9a34-4b53-8c2e-2f5f1f6f7c11-mzxw6ytboi3dsmzxw6ytboi3ds/reserve/0"


class TaskSummary(BaseModel):
    """A task without its params and result."""

    task_id: str = Field(description="Also its idempotency key.", examples=[TASK_ID])
    run_id: str
    definition: str
    name: str
    index: int | None = Field(description="Place within `foreach`, from 0; null without it.")
    type: str
    handler: str
    queue: str
    state: ShownTaskState = Field(description="`waiting_for_worker`: scheduled, and nobody polls its queue.")
    attempts: int | None = Field(description="Null while it is open, and where it is not known.")
    error: Failure | None
    scheduled_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: TaskRow) -> "TaskSummary":
        """From the registry's row."""
        return cls(**_fields(row))


class TaskModel(TaskSummary):
    """A task."""

    params: dict[str, Any] | None
    result: Any = Field(description="What its handler returned.")


def tasks_page(services: Services, page: PageQuery, only: TaskFilter) -> Page[TaskSummary]:
    """A page of tasks, those of the newest runs first."""
    place = page.after(tuple[datetime, str, int])
    after = None if place is None else TaskPlace(*place)
    rows = services.run_reader.tasks(only, after=after, limit=page.fetch)
    return page.page_of(rows, lambda row: TaskSummary.of(row[1]), lambda row: tuple(row[0]))


@router.get("", roles=VIEWER)
def list_tasks(
    services: Using,
    page: Paging,
    run_id: Annotated[str | None, Query(max_length=500)] = None,
    definition: Annotated[str | None, Query(max_length=200, description="Its name.")] = None,
    state: ShownTaskState | None = None,
) -> Page[TaskSummary]:
    """Tasks that fit every filter given: those of the newest runs first, each run's in the order of its plan."""
    return tasks_page(services, page, TaskFilter(run_id, definition, state))


@router.get("/{task_id:path}", roles=VIEWER, response_model=TaskModel)
def show_task(services: Using, task_id: str) -> Response:
    """A task with its params and its result."""
    row = services.run_reader.task(task_id)
    if row is None:
        raise Problem("not-found", f"There is no task {task_id!r}, or none any more; GET /v1/tasks lists them.")
    return ascii_json({**_fields(row), "params": row.params, "result": row.result})


def _fields(row: TaskRow) -> dict[str, Any]:
    named = {name: getattr(row, name) for name in TaskSummary.model_fields if name != "definition"}
    return {**named, "definition": row.activity_name}
