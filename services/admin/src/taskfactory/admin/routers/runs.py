"""`/v1/runs`: what definitions made of events, and what operators do about it."""

import asyncio
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from starlette.status import HTTP_200_OK, HTTP_201_CREATED, HTTP_202_ACCEPTED

from taskfactory.admin.ascii_json import ascii_json
from taskfactory.admin.interventions import Intervening, Why
from taskfactory.admin.moments import Moment
from taskfactory.admin.operating import rerunner_of
from taskfactory.admin.pages import Page, Paging
from taskfactory.admin.problems import Problem
from taskfactory.admin.roles import OPERATOR, VIEWER
from taskfactory.admin.routers.tasks import TaskSummary, tasks_page
from taskfactory.admin.routing import ApiRouter
from taskfactory.admin.run_shapes import RUN_ID, ContextModel, LineageModel, RunModel, RunSummary
from taskfactory.admin.services import Services, Using
from taskfactory.intake import Canceller, NoSuchRun, Rerun, RerunResult, RunEnded
from taskfactory.registry import RunContextStore, RunFilter, RunKind, RunPlace, RunSelection, RunState, TaskFilter

router = ApiRouter(prefix="/v1/runs", tag="runs")

NOT_FOUND: Final = "There is no run {!r}, or none any more; GET /v1/runs lists them."
SAID: Final[dict[RerunResult, Literal["started", "already_started", "would_start"]]] = {
    "started": "started",
    "already_started": "already_started",
    "would_start": "would_start",
}
"""Results of a rerun that are answers; the others are problems."""

Text = Annotated[str | None, Query(max_length=2000)]


class ToCancel(BaseModel):
    """Why a run is cancelled."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "the order was withdrawn"}]})

    reason: Why


class Cancelling(BaseModel):
    """A run that is asked to end."""

    run_id: str
    state: Literal["cancelling"] = Field(
        default="cancelling", description="It is `cancelled` once its open tasks have ended; GET the run to see."
    )


class ToRerun(BaseModel):
    """Why a run is repeated."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "the printer is mended", "dry_run": False}]}
    )

    reason: Why
    dry_run: bool = Field(default=False, description="Start nothing and write nothing.")


class Rerunning(BaseModel):
    """The run that repeats another."""

    run_id: str = Field(examples=[f"{RUN_ID}-g2"])
    version: int = Field(description="That it runs in: the definition's present one.")
    of: str = Field(description="The run that it repeats.", examples=[RUN_ID])
    result: Literal["started", "already_started", "would_start"]


@router.get("", roles=VIEWER)
def list_runs(
    services: Using,
    page: Paging,
    definition: Annotated[str | None, Query(max_length=200, description="Its name.")] = None,
    state: RunState | None = None,
    since: Annotated[Moment | None, Query(description="Started then or later.")] = None,
    until: Annotated[Moment | None, Query(description="Started before.")] = None,
    event_id: Text = None,
    event_source: Text = None,
    dedupe_key: Annotated[
        str | None,
        Query(max_length=2000, description="Its readable parts, joined by a space, as runs show them."),
    ] = None,
    kind: Annotated[RunKind | None, Query(description="`cron`: by a schedule; `event`: by anything else.")] = None,
) -> Page[RunSummary]:
    """Runs that fit every filter given, newest first."""
    place = page.after(tuple[datetime, str])
    only = RunFilter(definition, state, since, until, event_id, event_source, dedupe_key, kind)
    rows = services.run_reader.runs(only, after=None if place is None else RunPlace(*place), limit=page.fetch)
    return page.page_of(rows, RunSummary.of, lambda row: (row.started_at, row.run_id))


@router.get("/{run_id}", roles=VIEWER)
def show_run(services: Using, run_id: str) -> RunModel:
    """A run with everything that is known of it."""
    row = services.run_reader.run(run_id)
    if row is None:
        raise Problem("not-found", NOT_FOUND.format(run_id))
    return RunModel.of(row)


@router.get("/{run_id}/tasks", roles=VIEWER)
def list_tasks_of_run(services: Using, page: Paging, run_id: str) -> Page[TaskSummary]:
    """A run's tasks in the order of its plan."""
    _require_run(services, run_id)
    return tasks_page(services, page, TaskFilter(run_id=run_id))


@router.get("/{run_id}/context", roles=VIEWER, response_model=ContextModel)
def show_context(services: Using, run_id: str) -> Response:
    """The values of a run's context, as its definition's tasks saw them; secrets are masked."""
    _require_run(services, run_id)
    return ascii_json({"items": RunContextStore(services.engine).snapshot(run_id)})


@router.get("/{run_id}/lineage", roles=VIEWER)
def show_lineage(services: Using, run_id: str) -> LineageModel:
    """Where a run comes from, and what came of it: the event, tasks, outcomes, and the runs that those started."""
    found = services.run_reader.lineage_of_run(run_id)
    if found is None:
        raise Problem("not-found", NOT_FOUND.format(run_id))
    return LineageModel.of(found, services.settings.outcomes_topic)


@router.post("/{run_id}/cancel", roles=OPERATOR, status_code=HTTP_202_ACCEPTED)
async def cancel_run(services: Using, intervention: Intervening, run_id: str, asked: ToCancel) -> Cancelling:
    """Let a run end as cancelled: its open tasks are cancelled first, and outcomes tell of both."""
    canceller = Canceller(services.runs, await services.temporal())
    try:
        await canceller.require_open(run_id)
        await intervention.tell("cancel", "run", {run_id: {"result": "requested"}}, asked.reason)
        await canceller.cancel(run_id, asked.reason)
    except NoSuchRun as error:
        raise Problem("not-found", NOT_FOUND.format(run_id)) from error
    except RunEnded as error:
        raise Problem("conflict", f"Found: {error}; only a run that is open can be cancelled.") from error
    await intervention.tell("cancel", "run", {run_id: {"result": "accepted"}}, asked.reason)
    return Cancelling(run_id=run_id)


@router.post(
    "/{run_id}/rerun",
    roles=OPERATOR,
    status_code=HTTP_201_CREATED,
    responses={HTTP_200_OK: {"model": Rerunning, "description": "A dry run, or the rerun had been started before."}},
)
async def rerun_run(
    services: Using, intervention: Intervening, response: Response, run_id: str, asked: ToRerun
) -> Rerunning:
    """Start an ended run's event once more, in a generation of its own and in the definition's present version."""
    found = await asyncio.to_thread(services.runs.past_runs, RunSelection([run_id]))
    if not found:
        raise Problem("not-found", NOT_FOUND.format(run_id))
    if not asked.dry_run:
        await intervention.tell("rerun", "run", {run_id: {"result": "requested"}}, asked.reason)
    async with rerunner_of(services) as rerunner:
        done = await rerunner.rerun(found[-1], intervention.by_hand(asked.reason), dry_run=asked.dry_run)
    if not asked.dry_run:
        detail = {"result": done.result, "rerun": done.run_id}
        await intervention.tell("rerun", "run", {run_id: detail}, asked.reason)
    answer = _rerunning(done)
    if answer.result != "started":
        response.status_code = HTTP_200_OK
    return answer


def _rerunning(done: Rerun) -> Rerunning:
    result = SAID.get(done.result)
    if result is None or done.run_id is None or done.version is None:
        raise Problem("conflict", f"Run {done.of.run_id} can't be run again: {_why(done)}.")
    return Rerunning(run_id=done.run_id, version=done.version, of=done.of.run_id, result=result)


def _why(done: Rerun) -> str:
    note = (done.note or done.result).rstrip(".")
    return note if done.result != "newer" else f"{note}. Rerun {done.run_id} instead"


def _require_run(services: Services, run_id: str) -> None:
    if run_id not in services.runs.claimed([run_id]):
        raise Problem("not-found", NOT_FOUND.format(run_id))
