"""The effects of a tick: its decision in the registry, the end of runs that it ends, the start of its own.

Done twice, each is done once: the registry gives a repeated question the same answer, and Temporal refuses a second run
of the same id.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.definitions import TickRequest, tick_run_input
from taskfactory.intake import Refused, Start, Starter, new_request_id
from taskfactory.orchestrator import metrics
from taskfactory.orchestrator.execution_status import execution_status
from taskfactory.registry import AskedTick, DecidedTick, Decision, TickRow, TickStore, UnknownActivity

UNPLANNED_PATIENCE: Final = timedelta(seconds=5)
"""A run that was started is given so long to claim its keys before Temporal is asked whether it lives."""
LONGEST_PAUSE: Final = timedelta(seconds=10)
"""Between two questions of a tick that waits."""

log = structlog.get_logger("taskfactory.orchestrator")

T = TypeVar("T")


class TickQuestion(BaseModel):
    """Which tick, and who asks."""

    model_config = ConfigDict(frozen=True)

    request: TickRequest
    owner: str
    """First execution run id of the workflow that asks."""
    workflow_id: str


class TickAnswer(BaseModel):
    """What became of the tick; the workflow's result, too."""

    model_config = ConfigDict(frozen=True)

    decision: Decision
    reason: str | None = None
    run_id: str | None = None


class TickActivities:
    """What `ScheduledTickWorkflow` calls."""

    def __init__(self, store: TickStore, starter: Starter, client: Client, executor: Executor) -> None:
        """Use a store in threads of `executor`, so that it never needs more connections than there are."""
        self._store = store
        self._starter = starter
        self._client = client
        self._executor = executor

    @activity.defn
    async def decide_tick(self, question: TickQuestion) -> TickAnswer:
        """Decide about the tick; start its run if it fires, or end the runs that it is to end.

        Raises:
            ApplicationError: it is no tick, or Temporal will never accept its run.
            Unavailable: Temporal does not answer; it is done again.
        """
        asked = _asked(question)
        with metrics.STEP_SECONDS.labels("decide_tick").time():
            await self._see_what_never_began(asked.activity_id)
            try:
                decided = await self._in_thread(lambda: self._store.decide(asked, datetime.now(UTC)))
            except UnknownActivity as unknown:
                raise ApplicationError(str(unknown), type="UnknownActivity", non_retryable=True) from unknown
            if decided.end_by is not None:
                await self._end(decided, decided.end_by)
            if decided.row.decision == "started":
                await self._start(decided)
        row = decided.row
        metrics.TICKS.labels(row.kind, row.decision, row.reason or "").inc()
        return TickAnswer(decision=row.decision, reason=row.reason, run_id=row.run_id)

    @activity.defn
    async def await_turn(self, question: TickQuestion) -> TickAnswer:
        """Decide again about a tick that waits.

        While it has to go on waiting the attempt fails and is tried again, which holds no slot and writes no history.

        Raises:
            ApplicationError: its turn has not come.
        """
        answer = await self.decide_tick(question)
        if answer.decision == "waiting":
            raise ApplicationError(
                "runs or ticks before it have not ended",
                type="Waiting",
                next_retry_delay=min(timedelta(seconds=0.5) * activity.info().attempt, LONGEST_PAUSE),
                category=ApplicationErrorCategory.BENIGN,  # not worth a warning in the log each time
            )
        return answer

    async def _start(self, decided: DecidedTick) -> None:
        registered, row = decided.registered, decided.row
        if registered is None:
            raise AssertionError("a tick that started has its definition")
        tick = TickRequest(
            activity_id=row.activity_id, kind=row.kind, scheduled_for=row.scheduled_for, manual_key=row.manual_key
        ).tick()
        run = tick_run_input(registered, tick, row.decided_at, row.late_by)
        try:
            start = await self._starter.start(run, new_request_id())
        except Refused as refused:
            raise ApplicationError(str(refused), type="Refused", non_retryable=True) from refused
        if start is Start.STARTED:
            log.info("tick_started", definition=run.activity_name, tick=row.tick, kind=row.kind, run_id=run.run_id)

    async def _see_what_never_began(self, activity_id: str) -> None:
        """Ask Temporal about runs that the registry is still waiting for; those that ended keep no tick waiting."""
        before = datetime.now(UTC) - UNPLANNED_PATIENCE
        unplanned = await self._in_thread(lambda: self._store.unplanned(activity_id, before))
        ended = [row.run_id for row in unplanned if row.run_id and not await self._may_begin(row, row.run_id)]
        if ended:
            await self._in_thread(lambda: self._store.saw_end(activity_id, ended))

    async def _may_begin(self, row: TickRow, run_id: str) -> bool:
        status = await execution_status(self._client, run_id)
        if status == "unknown":  # not started yet, by a workflow that will: as long as that lives
            return await execution_status(self._client, row.workflow_id) == "open"
        return status == "open"

    async def _end(self, decided: DecidedTick, by: Literal["cancel", "terminate"]) -> None:
        for run_id in decided.others:
            handle = self._client.get_workflow_handle(run_id)
            try:
                if by == "cancel":
                    await handle.cancel()
                else:
                    await handle.terminate(reason=f"{decided.row.tick} of the schedule ends it (terminate_other)")
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:  # it ended meanwhile, or has not begun
                    raise

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def _asked(question: TickQuestion) -> AskedTick:
    request = question.request
    try:
        tick = request.tick()
    except ValueError as error:
        raise ApplicationError(str(error), type="NoTick", non_retryable=True) from error
    return AskedTick(
        activity_id=request.activity_id,
        tick=tick,
        owner=question.owner,
        workflow_id=question.workflow_id,
        asked_by=request.asked_by,
        respect_overlap=request.respect_overlap,
    )
