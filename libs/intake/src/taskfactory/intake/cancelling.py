"""Cancelling runs: through Temporal, whose workflow then ends its open tasks and writes the run's end.

Only workflows that are runs are touched, whatever else lives in the namespace.
"""

import asyncio
from datetime import timedelta
from typing import Final

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.definitions import RUN_WORKFLOW
from taskfactory.intake.unavailable import Unavailable
from taskfactory.registry import RunStore

RPC_TIMEOUT: Final = timedelta(seconds=10)
REASON_BYTES: Final = 500
"""Of the reason that Temporal's history keeps; the audit trail has all of it."""


class NoSuchRun(LookupError):  # noqa: N818 -- it names what is missing
    """Neither the registry nor Temporal knows the run.

    Attributes:
        run_id: that was asked for.
    """

    def __init__(self, run_id: str) -> None:
        """Name it."""
        self.run_id = run_id
        super().__init__(f"there is no run {run_id!r}, or none any more")


class RunEnded(Exception):  # noqa: N818 -- it says what happened
    """The run has ended, so that there is nothing to cancel.

    Attributes:
        run_id: that was asked for.
        state: the run's, or how its execution ended where the run's row is still to be written.
    """

    def __init__(self, run_id: str, state: str) -> None:
        """Keep both."""
        self.run_id = run_id
        self.state = state
        super().__init__(f"run {run_id} is {state}")


class Canceller:
    """Cancels runs, one at a time."""

    def __init__(self, runs: RunStore, client: Client) -> None:
        """Wire it.

        Args:
            runs: know which have ended.
            client: of Temporal.
        """
        self._runs = runs
        self._client = client

    async def require_open(self, run_id: str) -> None:
        """Make sure that there is something to cancel: a run that is open, though it may not have claimed its key yet.

        Raises:
            NoSuchRun: neither the registry nor Temporal has it, or what Temporal has is no run.
            RunEnded: it has.
            Unavailable: Temporal does not answer.
            sqlalchemy.exc.DBAPIError: the registry did not answer.
        """
        row = (await asyncio.to_thread(self._runs.claimed, [run_id])).get(run_id)
        if row is not None and row.state != "running":
            raise RunEnded(run_id, row.state)
        try:
            found = await self._client.get_workflow_handle(run_id).describe(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status not in {RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT}:
                raise Unavailable(error.status.name, error.message) from error
            if row is None:
                raise NoSuchRun(run_id) from error
            raise RunEnded(run_id, "without an execution: the reconciler ends it") from error
        if found.workflow_type != RUN_WORKFLOW:
            raise NoSuchRun(run_id)
        if found.status != WorkflowExecutionStatus.RUNNING:
            said = "unknown" if found.status is None else found.status.name.lower()
            raise RunEnded(run_id, f"{said} in Temporal: its end is being written")

    async def cancel(self, run_id: str, reason: str) -> None:
        """Ask Temporal to cancel; returns when it has noted that, which is before the run has ended.

        Raises:
            RunEnded: it ended since it was looked at.
            Unavailable: Temporal does not answer; asking again is safe.
        """
        told = reason.encode()[:REASON_BYTES].decode(errors="ignore")
        try:
            # Whichever execution is the current one: a run may continue as new between two looks.
            await self._client.get_workflow_handle(run_id).cancel(reason=told, rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                raise RunEnded(run_id, "ended meanwhile") from error
            raise Unavailable(error.status.name, error.message) from error
