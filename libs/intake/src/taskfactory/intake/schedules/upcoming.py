"""When a schedule fires next: exactly as Temporal says it will, or by the calendar where Temporal has no schedule."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.definitions import CronTrigger, next_ticks, schedule_id
from taskfactory.intake.unavailable import Unavailable

MAX_COUNT: Final = 1_000
"""The server lists no more at once."""
RPC_TIMEOUT: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A tick to come."""

    scheduled_for: datetime
    """Its nominal time."""
    fires_at: datetime
    """When Temporal starts it: the nominal time, put off by its jitter. Without Temporal, the nominal time."""


@dataclass(frozen=True, slots=True)
class UpcomingTicks:
    """The next ticks of a schedule."""

    source: Literal["temporal", "calendar"]
    """Who says so. Temporal does of schedules that it has; the calendar agrees, but knows no jitter."""
    ticks: Sequence[Upcoming]


async def upcoming_ticks(
    client: Client, activity_id: str, trigger: CronTrigger, after: datetime, count: int
) -> UpcomingTicks:
    """The next ticks of a registered schedule, paused or not.

    Args:
        client: connected.
        activity_id: the definition's.
        trigger: in its present version.
        after: aware; later ticks only.
        count: at most, and at most `MAX_COUNT`.

    Raises:
        Unavailable: Temporal does not answer.
    """
    drafted = upcoming_by_calendar(trigger, after, count)
    if not drafted.ticks:
        return drafted
    request = ListScheduleMatchingTimesRequest(namespace=client.namespace, schedule_id=schedule_id(activity_id))
    request.start_time.FromDatetime(after.astimezone(UTC))
    request.end_time.FromDatetime(drafted.ticks[-1].scheduled_for + trigger.spec.jitter)
    try:
        answer = await client.workflow_service.list_schedule_matching_times(request, retry=True, timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:  # the orchestrator has not made it yet
            return drafted
        raise Unavailable(error.status.name, error.message) from error
    times = [time.ToDatetime(tzinfo=UTC) for time in answer.start_time[:count]]
    if trigger.spec.jitter:
        # Temporal says when each fires, in the order of the nominal times: the n-th is the calendar's n-th.
        pairs = zip((tick.scheduled_for for tick in drafted.ticks), times, strict=False)
        return UpcomingTicks("temporal", [Upcoming(nominal, fires_at) for nominal, fires_at in pairs])
    return UpcomingTicks("temporal", [Upcoming(time, time) for time in times])


def upcoming_by_calendar(trigger: CronTrigger, after: datetime, count: int) -> UpcomingTicks:
    """The next ticks of a draft."""
    found = next_ticks(trigger.spec, after, min(count, MAX_COUNT))
    return UpcomingTicks("calendar", [Upcoming(nominal, nominal) for nominal in found])
