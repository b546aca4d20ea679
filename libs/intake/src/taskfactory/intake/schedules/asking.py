"""Asking for a tick by hand: its workflow is started under an id of its own, and decides as for any other tick."""

import asyncio
from datetime import timedelta
from typing import Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from taskfactory.definitions import TICK_WORKFLOW, TickRequest, tick_workflow_id
from taskfactory.intake.starter import Start
from taskfactory.intake.unavailable import Unavailable
from taskfactory.runtime.search_attributes import ACTIVITY, ACTIVITY_ID

RPC_TIMEOUT: Final = timedelta(seconds=10)


class TickOutcome(BaseModel):
    """What became of a tick: the result of its workflow."""

    model_config = ConfigDict(frozen=True)

    decision: Literal["started", "skipped", "waiting"]
    reason: str | None = None
    """Of a skip."""
    run_id: str | None = None
    """Of a start."""


class TickDesk(Protocol):
    """Where one asks for ticks."""

    async def ask(self, request: TickRequest, name: str) -> Start:
        """Return when somebody will decide about the tick for certain.

        Args:
            request: a manual tick, or one of a backfill.
            name: the definition's.

        Raises:
            Unavailable: Temporal does not answer. Doing it again is safe.
        """


class TemporalTicks:
    """Asks by starting `ScheduledTickWorkflow` on the orchestrator's queue."""

    def __init__(self, client: Client, queue: str) -> None:
        """Wrap a connected client.

        Args:
            client: whose data converter encodes the request.
            queue: the orchestrator's task queue.
        """
        self._client = client
        self._queue = queue

    async def ask(self, request: TickRequest, name: str) -> Start:
        """See `TickDesk.ask`.

        A manual tick is asked about once for each key. A backfill that found a tick skipped may be repeated.
        """
        once = request.kind == "manual"
        try:
            await self._client.start_workflow(
                TICK_WORKFLOW,
                request,
                id=tick_workflow_id(request.activity_id, request.tick()),
                task_queue=self._queue,
                id_reuse_policy=(
                    WorkflowIDReusePolicy.REJECT_DUPLICATE if once else WorkflowIDReusePolicy.ALLOW_DUPLICATE
                ),
                search_attributes=TypedSearchAttributes(
                    [SearchAttributePair(ACTIVITY, name), SearchAttributePair(ACTIVITY_ID, request.activity_id)]
                ),
                static_summary=f"{name}: {request.tick().id}, asked for by {request.asked_by}",
                rpc_timeout=RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            return Start.ALREADY_STARTED
        except RPCError as error:
            raise Unavailable(error.status.name, error.message) from error
        return Start.STARTED

    async def outcome(self, request: TickRequest, within: timedelta) -> TickOutcome | None:
        """What became of a tick that was asked for; None if nothing is settled within that time.

        Raises:
            Unavailable: Temporal does not answer.
        """
        handle: WorkflowHandle[Any, TickOutcome] = self._client.get_workflow_handle(
            tick_workflow_id(request.activity_id, request.tick()), result_type=TickOutcome
        )
        try:
            async with asyncio.timeout(within.total_seconds()):
                return await handle.result()
        except (TimeoutError, WorkflowFailureError):
            return None
        except RPCError as error:
            raise Unavailable(error.status.name, error.message) from error
