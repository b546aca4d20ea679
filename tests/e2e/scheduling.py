"""A platform whose definitions fire by schedule, and what is done to its schedules behind its back."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from temporalio.api.schedule.v1 import Schedule
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    DeleteScheduleRequest,
    DescribeScheduleRequest,
    DescribeScheduleResponse,
    UpdateScheduleRequest,
)
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.definitions import schedule_id
from taskfactory.orchestrator.schedules.temporal_schedules import TemporalSchedules
from taskfactory.registry import DefinitionStore, open_engine
from tests.e2e.platform import Platform

NOTE = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: {name}
enabled: {enabled}
trigger: {{type: cron, {times}}}
tasks:
  - name: note
    type: activity
    handler: note
    queue: "{{queue}}"
    params: {{due: "${{event.data.scheduled_for}}", kind: "${{event.data.kind}}", late: "${{event.data.late_by}}"}}
"""


@dataclass
class Scheduling:
    """A platform and its schedules in Temporal."""

    platform: Platform
    made: list[str] = field(default_factory=list)
    """Ids of schedules that the test made itself."""

    def apply(self, times: str, name: str = "ticking", *, enabled: bool = True) -> str:
        """Apply a definition; its id."""
        self.platform.apply(NOTE.format(name=name, times=times, enabled=str(enabled).lower()))
        return self.activity_id(name)

    def apply_each(self, times: Mapping[str, str]) -> None:
        """Apply definitions at once, given their times by name."""
        self.platform.apply(
            "---".join(NOTE.format(name=name, times=each, enabled="true") for name, each in times.items())
        )

    def remove(self, name: str) -> None:
        """Delete a definition."""
        engine = open_engine(self.platform.database_url)
        try:
            DefinitionStore(engine).apply([], "tests", remove=[name])
        finally:
            engine.dispose()

    def activity_id(self, name: str) -> str:
        return str(self.platform.scalar("SELECT id FROM activity_definitions WHERE name = %s", name))

    def ticks(self, **columns: Any) -> list[dict[str, Any]]:
        """Rows of decisions, in the order of their ticks."""
        names = ("activity_id", "tick", "kind", "scheduled_for", "decision", "reason", "run_id", "late_by", "asked_at")
        rows = self.platform.query(f"SELECT {', '.join(names)} FROM schedule_ticks ORDER BY scheduled_for, tick")
        told = [dict(zip(names, row, strict=True)) for row in rows]
        return [row for row in told if all(row[name] == value for name, value in columns.items())]

    def ticks_of(self, name: str) -> list[dict[str, Any]]:
        """The same of one definition."""
        return self.ticks(activity_id=UUID(self.activity_id(name)))

    def listed(self) -> set[str]:
        """Ids of the activities that have a schedule which this platform made."""

        async def listed() -> set[str]:
            schedules = TemporalSchedules(await self._client(), self.platform.orchestrator_queue)
            ours = [entry.schedule_id async for entry in schedules.listed() if await schedules.is_ours(entry)]
            return {schedule.removeprefix(schedule_id("")) for schedule in ours}

        return asyncio.run(listed())

    def found(self, activity_id: str) -> DescribeScheduleResponse | None:
        return asyncio.run(self._found(activity_id))

    def there(self, activity_id: str, *, paused: bool = False) -> Callable[[], DescribeScheduleResponse | None]:
        """A condition: the schedule is there, and paused or not."""

        def found() -> DescribeScheduleResponse | None:
            schedule = self.found(activity_id)
            return schedule if schedule is not None and schedule.schedule.state.paused == paused else None

        return found

    def change(self, activity_id: str, change: Callable[[Schedule], Any]) -> None:
        """Edit a schedule behind the product's back."""

        async def edit() -> None:
            client = await self._client()
            found = await self._found(activity_id)
            assert found is not None
            change(found.schedule)
            await client.workflow_service.update_schedule(
                UpdateScheduleRequest(
                    namespace=client.namespace,
                    schedule_id=schedule_id(activity_id),
                    schedule=found.schedule,
                    request_id=f"edit-{datetime.now(UTC)}",
                )
            )

        asyncio.run(edit())

    def copy(self, activity_id: str, other: str) -> None:
        """Make a schedule like another, under an id of no definition."""

        async def create() -> None:
            client = await self._client()
            found = await self._found(activity_id)
            assert found is not None
            found.schedule.state.paused = True
            request = CreateScheduleRequest(
                namespace=client.namespace,
                schedule_id=schedule_id(other),
                schedule=found.schedule,
                request_id=other,
                memo=found.memo,
            )
            await client.workflow_service.create_schedule(request)

        self.made.append(other)
        asyncio.run(create())

    def delete(self, *activity_ids: str) -> None:
        async def delete() -> None:
            client = await self._client()
            for activity_id in activity_ids:
                request = DeleteScheduleRequest(namespace=client.namespace, schedule_id=schedule_id(activity_id))
                try:
                    await client.workflow_service.delete_schedule(request)
                except RPCError as error:
                    if error.status != RPCStatusCode.NOT_FOUND:
                        raise

        asyncio.run(delete())

    def close(self) -> None:
        self.platform.close()
        ids = self.platform.query("SELECT id FROM activity_definitions")
        self.delete(*self.made, *(str(row[0]) for row in ids))

    async def _client(self) -> Client:
        address = self.platform.stack.endpoints.temporal_address
        return await Client.connect(address, data_converter=pydantic_data_converter)

    async def _found(self, activity_id: str) -> DescribeScheduleResponse | None:
        client = await self._client()
        request = DescribeScheduleRequest(namespace=client.namespace, schedule_id=schedule_id(activity_id))
        try:
            return await client.workflow_service.describe_schedule(request)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return None
            raise
