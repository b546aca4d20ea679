"""`/v1/schedules`: definitions that fire by schedule, their ticks, and what operators do about them."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, cast
from uuid import uuid4

from fastapi import Body, Header, Query, Response
from pydantic import AwareDatetime

from taskfactory.admin.calling import Caller, RequestId
from taskfactory.admin.definition_shapes import Because
from taskfactory.admin.etags import IfMatch, quoted
from taskfactory.admin.interventions import Intervening
from taskfactory.admin.pages import Page, Paging
from taskfactory.admin.problems import InputError, Problem
from taskfactory.admin.roles import OPERATOR, VIEWER
from taskfactory.admin.routing import ApiRouter
from taskfactory.admin.schedule_shapes import (
    Backfilled,
    BackfillReport,
    NextTicks,
    ScheduleModel,
    ScheduleSummary,
    TickModel,
    ToBackfill,
    ToTrigger,
    Triggered,
)
from taskfactory.admin.services import Services, Using
from taskfactory.definitions import CronTrigger, TickRequest, next_ticks
from taskfactory.definitions.ticks import MANUAL_KEY_LENGTH
from taskfactory.intake import Pace
from taskfactory.intake.schedules import MAX_COUNT, Backfill, TemporalTicks, upcoming_ticks
from taskfactory.registry import DefinitionRow, DefinitionState, Evidence, TickEvidence

router = ApiRouter(prefix="/v1/schedules", tag="schedules")

RECENT: Final = 20
PATIENCE: Final = timedelta(seconds=5)
"""So long a trigger waits for what becomes of its tick."""
_NO_REASON: Final = Because(reason=None)


@router.get("", roles=VIEWER)
def list_schedules(services: Using, page: Paging, state: DefinitionState | None = None) -> Page[ScheduleSummary]:
    """Definitions that fire by schedule, by name; without a state, all but deleted ones."""
    rows = services.definitions.list_page(state=state, trigger="cron", after=page.after(str), limit=page.fetch)
    ids = [row.id for row in rows]
    evidence = TickEvidence(services.engine)
    triggers = evidence.triggers(ids)
    last = {row.activity_id: row for row in evidence.latest(ids)}
    now = datetime.now(UTC)

    def shown(row: DefinitionRow) -> ScheduleSummary:
        trigger = triggers.get(row.id)
        return ScheduleSummary.of(row, trigger, _next(row, trigger, now), last.get(row.id))

    return page.page_of(rows, shown, lambda row: row.name)


@router.get("/{name}", roles=VIEWER)
def get_schedule(services: Using, name: str, response: Response) -> ScheduleModel:
    """One schedule and its latest ticks."""
    row, trigger = _schedule(services, name)
    if row.etag is not None:
        response.headers["ETag"] = quoted(row.etag)
    evidence = TickEvidence(services.engine)
    last = next(iter(evidence.latest([row.id])), None)
    summary = ScheduleSummary.of(row, trigger, _next(row, trigger, datetime.now(UTC)), last)
    return ScheduleModel(schedule=summary, recent=list(map(TickModel.of, evidence.recent(row.id, RECENT))))


@router.get("/{name}/next", roles=VIEWER)
async def next_fire_times(
    services: Using,
    name: str,
    count: Annotated[int, Query(ge=1, le=MAX_COUNT)] = 10,
    after: Annotated[AwareDatetime | None, Query(alias="from", description="Later ones only; now without it.")] = None,
) -> NextTicks:
    """When it fires next, exactly as Temporal will; also of one that is paused, which will not."""
    row, trigger = await asyncio.to_thread(_schedule, services, name)
    client = await services.temporal()
    return NextTicks.of(await upcoming_ticks(client, row.id, trigger, after or datetime.now(UTC), count))


@router.post("/{name}/pause", roles=OPERATOR)
def pause_schedule(
    services: Using,
    caller: Caller,
    request_id: RequestId,
    name: str,
    if_match: IfMatch,
    response: Response,
    because: Annotated[Because, Body()] = _NO_REASON,
) -> ScheduleModel:
    """Let its ticks pass. This is the definition's own pause, and no new version; the reason is shown in Temporal."""
    _schedule(services, name)
    services.definitions.pause([name], caller.actor, because.reason, expected={name: if_match}, request_id=request_id)
    return get_schedule(services, name, response)


@router.post("/{name}/resume", roles=OPERATOR)
def resume_schedule(
    services: Using,
    caller: Caller,
    request_id: RequestId,
    name: str,
    if_match: IfMatch,
    response: Response,
    because: Annotated[Because, Body()] = _NO_REASON,
) -> ScheduleModel:
    """Let its ticks fire again, from the next one on; a backfill makes up for those that passed."""
    _schedule(services, name)
    services.definitions.resume([name], caller.actor, because.reason, expected={name: if_match}, request_id=request_id)
    return get_schedule(services, name, response)


@router.post("/{name}/trigger", roles=OPERATOR)
async def trigger_schedule(
    services: Using,
    intervention: Intervening,
    name: str,
    asked: ToTrigger,
    idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Triggered:
    """Fire now, once for each `Idempotency-Key`; the overlap policy holds unless told otherwise.

    Also of a schedule that is paused: who triggers it has asked.
    """
    key = idempotency_key or str(uuid4())
    if len(key) > MANUAL_KEY_LENGTH:
        message = f"found {len(key)} characters; a trigger's may have {MANUAL_KEY_LENGTH}, it becomes part of ids"
        raise Problem("invalid", "The key is too long.", [InputError("header.Idempotency-Key", message)])
    row, _ = await asyncio.to_thread(_schedule, services, name)
    ticks = TemporalTicks(await services.temporal(), services.settings.orchestrator_queue)
    request = TickRequest(
        activity_id=row.id,
        kind="manual",
        manual_key=key,
        asked_by=intervention.actor,
        respect_overlap=asked.respect_overlap,
    )
    detail: dict[str, Any] = {"key": key, "respect_overlap": asked.respect_overlap}
    await intervention.tell("trigger", "schedule", {name: {**detail, "result": "requested"}}, asked.reason)
    await ticks.ask(request, name)
    outcome = await ticks.outcome(request, PATIENCE)
    if outcome is None:
        waits = await asyncio.to_thread(TickEvidence(services.engine).is_waiting, row.id, request.tick())
        triggered = Triggered(key=key, result="waiting" if waits else "pending", reason=None, run_id=None)
    else:
        triggered = Triggered(key=key, result=outcome.decision, reason=outcome.reason, run_id=outcome.run_id)
    told = {**detail, "result": triggered.result, "run_id": triggered.run_id}
    await intervention.tell("trigger", "schedule", {name: told}, asked.reason)
    return triggered


@router.post("/{name}/backfill", roles=OPERATOR)
async def backfill_schedule(services: Using, intervention: Intervening, name: str, asked: ToBackfill) -> BackfillReport:
    """Start what the schedule left out in a range of the past: what has no run. Repeated, it starts nothing twice.

    Unless all may run at once, the runs come one after the other. Also of a schedule that is paused.
    """
    row, _ = await asyncio.to_thread(_schedule, services, name)
    definition = await asyncio.to_thread(services.definitions.version, row.id, row.version)
    if row.state == "disabled":
        raise Problem("conflict", f"{name} is disabled, and nothing of it starts; enable it first.")
    backfill = Backfill(definition, TickEvidence(services.engine), Evidence(services.engine))
    done = await backfill.plan(asked.first, asked.last, datetime.now(UTC))
    if not asked.dry_run and any(tick.result == "would_ask" for tick in done):
        desk = TemporalTicks(await services.temporal(), services.settings.orchestrator_queue)
        span = {"from": asked.first.isoformat(), "to": asked.last.isoformat()}
        await intervention.tell("backfill", "schedule", {name: {**span, "result": "requested"}}, asked.reason)
        done = await backfill.run(done, desk, intervention.actor, Pace(asked.rate))
        counts = Counter(tick.result for tick in done)
        await intervention.tell("backfill", "schedule", {name: {**span, "result": dict(counts)}}, asked.reason)
    return BackfillReport(
        items=list(map(Backfilled.of, done)), counts=dict(Counter(cast("str", tick.result) for tick in done))
    )


def _schedule(services: Services, name: str) -> tuple[DefinitionRow, CronTrigger]:
    """A definition that is there and fires by schedule.

    Raises:
        UnknownNames: there is none of this name.
        Problem: it is deleted, or events start it.
    """
    row = services.definitions.get(name)
    trigger = TickEvidence(services.engine).triggers([row.id]).get(row.id)
    if trigger is None or row.state == "deleted":
        found = "was deleted" if row.state == "deleted" else "is started by events"
        raise Problem("not-found", f"{name} {found}; GET /v1/schedules lists definitions that fire by schedule.")
    return row, trigger


def _next(row: DefinitionRow, trigger: CronTrigger | None, now: datetime) -> datetime | None:
    if trigger is None or row.state != "enabled":
        return None
    return next(iter(next_ticks(trigger.spec, now, 1)), None)
