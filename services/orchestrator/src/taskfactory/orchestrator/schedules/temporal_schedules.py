"""Schedules in Temporal, through the workflow service itself: the SDK's client describes each one that it lists."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import ScheduleOverlapPolicy
from temporalio.api.schedule.v1 import BackfillRequest, Schedule, ScheduleListEntry, SchedulePatch
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    DeleteScheduleRequest,
    DescribeScheduleRequest,
    DescribeScheduleResponse,
    ListSchedulesRequest,
    PatchScheduleRequest,
    UpdateScheduleRequest,
)
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.converter import encode_search_attributes
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.definitions import TickRequest, schedule_id
from taskfactory.orchestrator.schedules.shape import Desired, input_payload
from taskfactory.runtime.search_attributes import ACTIVITY, ACTIVITY_ID

OWNER: Final = "TaskfactoryQueue"
"""The memo that says whose a schedule is: the orchestrator's task queue. Namespaces may be shared."""
PAGE: Final = 1000
RPC_TIMEOUT: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Found:
    """A schedule that is there."""

    schedule: Schedule
    input: Any
    """The action's argument, decoded; None if it can't be."""
    token: bytes
    """Says against which state an update is meant; the server drops one that comes too late, without a word."""


class TemporalSchedules:
    """Creates, reads, changes and deletes schedules. Every call is safe to repeat."""

    def __init__(self, client: Client, queue: str) -> None:
        """Wrap a connected client.

        Args:
            client: whose data converter encodes the actions' input.
            queue: the orchestrator's task queue.
        """
        self.queue = queue
        self._client = client

    async def listed(self) -> AsyncIterator[ScheduleListEntry]:
        """Every schedule of the namespace, whoever made it; what was just written may be missing or old."""
        token = b""
        while True:
            answer = await self._client.workflow_service.list_schedules(
                ListSchedulesRequest(namespace=self._client.namespace, maximum_page_size=PAGE, next_page_token=token),
                retry=True,
                timeout=RPC_TIMEOUT,
            )
            for entry in answer.schedules:
                yield entry
            token = answer.next_page_token
            if not token:
                return

    async def is_ours(self, entry: ScheduleListEntry) -> bool:
        """Whether an orchestrator with this one's queue made it."""
        memo = entry.memo.fields.get(OWNER)
        if memo is None:
            return False
        (owner,) = await self._client.data_converter.decode([memo])
        return bool(owner == self.queue)

    async def find(self, activity_id: str) -> Found | None:
        """A definition's schedule as it is; None if there is none."""
        try:
            answer = await self._client.workflow_service.describe_schedule(
                DescribeScheduleRequest(namespace=self._client.namespace, schedule_id=schedule_id(activity_id)),
                retry=True,
                timeout=RPC_TIMEOUT,
            )
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return None
            raise
        return Found(answer.schedule, await self._input(answer), answer.conflict_token)

    async def create(self, desired: Desired, missed: tuple[datetime, datetime] | None) -> bool:
        """Create a schedule.

        Args:
            desired: as it should be.
            missed: fire the ticks of this time, too.

        Returns:
            False when there is one already.
        """
        request = CreateScheduleRequest(
            namespace=self._client.namespace,
            schedule_id=schedule_id(desired.activity_id),
            schedule=await self._complete(desired),
            identity=self._client.identity,
            request_id=str(uuid.uuid4()),
        )
        if missed is not None:
            request.initial_patch.CopyFrom(_fire(missed))
        [owner] = await self._client.data_converter.encode([self.queue])
        request.memo.fields[OWNER].CopyFrom(owner)
        try:
            await self._client.workflow_service.create_schedule(request, retry=True, timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status == RPCStatusCode.ALREADY_EXISTS:
                return False
            raise
        return True

    async def update(self, desired: Desired, found: Found) -> None:
        """Make a schedule equal to what it should be, unless somebody changed it meanwhile.

        Args:
            desired: as it should be.
            found: what the update is meant against.
        """
        await self._client.workflow_service.update_schedule(
            UpdateScheduleRequest(
                namespace=self._client.namespace,
                schedule_id=schedule_id(desired.activity_id),
                schedule=await self._complete(desired),
                conflict_token=found.token,
                identity=self._client.identity,
                request_id=str(uuid.uuid4()),
            ),
            retry=True,
            timeout=RPC_TIMEOUT,
        )

    async def fire(self, activity_id: str, missed: tuple[datetime, datetime]) -> None:
        """Let a schedule fire the ticks of a time that is over, after the first moment and up to the second."""
        await self._client.workflow_service.patch_schedule(
            PatchScheduleRequest(
                namespace=self._client.namespace,
                schedule_id=schedule_id(activity_id),
                patch=_fire(missed),
                identity=self._client.identity,
                request_id=str(uuid.uuid4()),
            ),
            retry=True,
            timeout=RPC_TIMEOUT,
        )

    async def delete(self, schedule: str) -> None:
        """Delete a schedule by its id; one that is not there is deleted already."""
        try:
            await self._client.workflow_service.delete_schedule(
                DeleteScheduleRequest(
                    namespace=self._client.namespace, schedule_id=schedule, identity=self._client.identity
                ),
                retry=True,
                timeout=RPC_TIMEOUT,
            )
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise

    async def _complete(self, desired: Desired) -> Schedule:
        schedule = Schedule()
        schedule.CopyFrom(desired.schedule)
        action = schedule.action.start_workflow
        converter = self._client.data_converter
        action.input.CopyFrom(Payloads(payloads=await converter.encode([action_input(desired)])))
        [summary] = await converter.encode([f"tick of {desired.scheduled.name}"])
        action.user_metadata.summary.CopyFrom(summary)
        known_by = TypedSearchAttributes(
            [
                SearchAttributePair(ACTIVITY, desired.scheduled.name),
                SearchAttributePair(ACTIVITY_ID, desired.activity_id),
            ]
        )
        encode_search_attributes(known_by, action.search_attributes)
        return schedule

    async def _input(self, answer: DescribeScheduleResponse) -> Any:
        payload = input_payload(answer.schedule)
        if payload is None:
            return None
        try:
            [decoded] = await self._client.data_converter.decode([payload], [TickRequest])
        except Exception:  # noqa: BLE001 -- whatever a codec or converter says of it, it is not what should be there
            return None
        return decoded


def action_input(desired: Desired) -> TickRequest:
    """The argument with which a schedule starts its ticks' workflows."""
    return TickRequest(activity_id=desired.activity_id)


def _fire(missed: tuple[datetime, datetime]) -> SchedulePatch:
    request = BackfillRequest(overlap_policy=ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL)
    request.start_time.FromDatetime(missed[0])
    request.end_time.FromDatetime(missed[1])
    return SchedulePatch(backfill_request=[request])
