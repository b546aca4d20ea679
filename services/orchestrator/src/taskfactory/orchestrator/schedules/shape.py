"""What a definition's schedule looks like in Temporal, and in what another one differs from that. Pure.

Temporal is only the clock. Overlap is always allowed there and decided by `ScheduledTickWorkflow`; the catch-up window
is the misfire window, so that each tick which may still count comes, however late. Both are always written, since
Temporal's own defaults are others. Nothing about the tasks is in a schedule: it names the definition, not a version.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import ScheduleOverlapPolicy
from temporalio.api.schedule.v1 import (
    IntervalSpec,
    Range,
    Schedule,
    ScheduleListInfo,
    ScheduleSpec,
    StructuredCalendarSpec,
)

from taskfactory.definitions import CalendarSpec, tick_workflow_prefix
from taskfactory.definitions import ScheduleSpec as Times
from taskfactory.definitions.calendar import ticks
from taskfactory.definitions.schedule_spec import Ranges
from taskfactory.definitions.tick_request import TICK_WORKFLOW
from taskfactory.registry import Scheduled

SHORTEST_CATCHUP: Final = timedelta(seconds=10)
"""The server takes no catch-up window below this (its `service/worker/scheduler`, `MinCatchupWindow`)."""
LISTED: Final = 10
"""Of each part of a spec, a list of schedules shows so many entries (ibid., `SpecFieldLengthLimit`)."""
NOTE_LENGTH: Final = 500
CATCHING_UP: Final = "catching up since "
"""How the note of a schedule begins that ticks already, and for which what it missed was not asked yet."""

_FIELDS: Final = ("second", "minute", "hour", "day_of_month", "month", "year", "day_of_week")


@dataclass(frozen=True)
class Desired:
    """A definition's schedule as it should be."""

    scheduled: Scheduled
    schedule: Schedule
    """Complete, but for the action's input."""

    @property
    def activity_id(self) -> str:
        """The definition's."""
        return self.scheduled.activity_id

    @property
    def enabled(self) -> bool:
        """Whether it ticks."""
        return not self.schedule.state.paused

    def looks_equal(self, listed: ScheduleListInfo) -> bool:
        """Whether what a list shows of a schedule is as it should be; policies and action are not shown."""
        wanted = self.schedule
        return (
            wanted.state.paused == listed.paused
            and wanted.state.notes == listed.notes
            and wanted.action.start_workflow.workflow_type.name == listed.workflow_type.name
            and self._listed_times == times_of(listed.spec, LISTED)
        )

    def catching_up(self, since: datetime) -> "Desired":
        """The same with a note that what it missed since then is still to be asked for."""
        schedule = Schedule()
        schedule.CopyFrom(self.schedule)
        schedule.state.notes = f"{CATCHING_UP}{since.astimezone(UTC).isoformat()}"
        return replace(self, schedule=schedule)

    @cached_property
    def _listed_times(self) -> tuple[Any, ...]:
        return times_of(self.schedule.spec, LISTED)


def desired(scheduled: Scheduled, queue: str) -> Desired:
    """What Temporal should have for a definition.

    Args:
        scheduled: how the definition stands.
        queue: the orchestrator's task queue.
    """
    trigger = scheduled.trigger
    schedule = Schedule(spec=_spec(trigger.spec))
    action = schedule.action.start_workflow
    action.workflow_id = tick_workflow_prefix(scheduled.activity_id)
    action.workflow_type.name = TICK_WORKFLOW
    action.task_queue.name = queue
    schedule.policies.overlap_policy = ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL
    schedule.policies.catchup_window.FromTimedelta(max(trigger.misfire_window, SHORTEST_CATCHUP))
    schedule.state.paused = scheduled.state != "enabled"
    schedule.state.notes = _note(scheduled)
    return Desired(scheduled, schedule)


def differences(wanted: Schedule, found: Schedule, found_input: Any, wanted_input: Any) -> list[str]:
    """In what a schedule differs from what it should be; the inputs are decoded ones."""
    action, other = wanted.action.start_workflow, found.action.start_workflow
    comparisons = {
        "times": times_of(wanted.spec) == times_of(found.spec),
        "policies": (
            wanted.policies.overlap_policy == found.policies.overlap_policy
            and wanted.policies.catchup_window == found.policies.catchup_window
            and not found.policies.pause_on_failure
            and not found.policies.keep_original_workflow_id
        ),
        "action": (
            found_input == wanted_input
            and (action.workflow_id, action.workflow_type.name, action.task_queue.name)
            == (other.workflow_id, other.workflow_type.name, other.task_queue.name)
            and not any(_seconds(limit) for limit in _timeouts(other))
        ),
        "state": (
            (wanted.state.paused, wanted.state.notes) == (found.state.paused, found.state.notes)
            and not found.state.limited_actions
        ),
    }
    return [name for name, same in comparisons.items() if not same]


def times_of(spec: ScheduleSpec, limit: int | None = None) -> tuple[Any, ...]:
    """A spec in a form that compares; what means the same is the same.

    Args:
        spec: with structured calendars only; others never come equal.
        limit: of each part, so many entries.
    """
    return (
        tuple(map(_calendar_of, spec.structured_calendar[:limit])),
        tuple((_seconds(each.interval), _seconds(each.phase)) for each in spec.interval[:limit]),
        tuple(map(_calendar_of, spec.exclude_structured_calendar[:limit])),
        tuple(spec.cron_string),
        len(spec.calendar),
        len(spec.exclude_calendar),
        spec.start_time.ToNanoseconds() if spec.HasField("start_time") else None,
        spec.end_time.ToNanoseconds() if spec.HasField("end_time") else None,
        _seconds(spec.jitter),
        spec.timezone_name or "UTC",
    )


def input_payload(schedule: Schedule) -> Payload | None:
    """The action's argument as it is encoded; None if there is not exactly one."""
    payloads = schedule.action.start_workflow.input.payloads
    return payloads[0] if len(payloads) == 1 else None


def catches_up_since(schedule: Schedule) -> datetime | None:
    """Since when a schedule's ticks are still to be asked for, as its note says; None if it does not say so."""
    notes = schedule.state.notes
    if not notes.startswith(CATCHING_UP):
        return None
    try:
        since = datetime.fromisoformat(notes.removeprefix(CATCHING_UP))
    except ValueError:  # somebody else's words
        return None
    return since if since.tzinfo else None


def gap_begins(scheduled: Scheduled, latest: datetime | None, now: datetime, longest: timedelta) -> datetime:
    """Since when a schedule may have missed ticks; the arguments are those of `missed`."""
    window = min(scheduled.trigger.misfire_window, longest)
    return max(scheduled.since, now - window, latest or scheduled.since)


def missed(
    scheduled: Scheduled, latest: datetime | None, now: datetime, longest: timedelta
) -> tuple[datetime, datetime] | None:
    """The time in which a schedule may have missed ticks while it was not there, paused, or another.

    Args:
        scheduled: how the definition stands; nothing before it stood so is missed.
        latest: the newest tick that was decided about.
        now: aware.
        longest: what is older is past help.

    Returns:
        From when, exclusive, and to when; None if no tick lies in between.
    """
    since = gap_begins(scheduled, latest, now, longest)
    return (since, now) if any(True for _ in ticks(scheduled.trigger.spec, since, now)) else None


def _note(scheduled: Scheduled) -> str:
    if scheduled.state == "enabled":
        return ""
    told = scheduled.reason or f"{scheduled.state} by {scheduled.by}"
    return told[:NOTE_LENGTH] if scheduled.state == "paused" else f"disabled: {told}"[:NOTE_LENGTH]


def _spec(times: Times) -> ScheduleSpec:
    spec = ScheduleSpec(
        structured_calendar=map(_calendar, times.calendars),
        exclude_structured_calendar=map(_calendar, times.exclude),
        timezone_name=times.timezone,
    )
    for each in times.intervals:
        interval = IntervalSpec()
        interval.interval.FromSeconds(each.every)
        interval.phase.FromSeconds(each.offset)
        spec.interval.append(interval)
    if times.start is not None:
        spec.start_time.FromDatetime(times.start.astimezone(UTC))
    if times.end is not None:
        spec.end_time.FromDatetime(times.end.astimezone(UTC))
    if times.jitter:
        spec.jitter.FromTimedelta(times.jitter)
    return spec


def _calendar(calendar: CalendarSpec) -> StructuredCalendarSpec:
    return StructuredCalendarSpec(
        second=_ranges(calendar.second),
        minute=_ranges(calendar.minute),
        hour=_ranges(calendar.hour),
        day_of_month=_ranges(calendar.day_of_month),
        month=_ranges(calendar.month),
        year=_ranges(calendar.year),
        day_of_week=_ranges(calendar.day_of_week),
    )


def _ranges(ranges: Ranges) -> list[Range]:
    return [Range(start=span.start, end=span.end, step=span.step) for span in ranges]


def _calendar_of(calendar: StructuredCalendarSpec) -> tuple[Any, ...]:
    return tuple(tuple(map(_range_of, getattr(calendar, name))) for name in _FIELDS)


def _range_of(span: Range) -> tuple[int, int, int]:
    # Temporal's: an end below the start means the start alone, and a step of 0 is one of 1.
    return span.start, max(span.start, span.end), max(span.step, 1)


def _timeouts(action: Any) -> Iterable[Any]:
    return (action.workflow_execution_timeout, action.workflow_run_timeout, action.workflow_task_timeout)


def _seconds(duration: Any) -> float:
    return float(duration.seconds) + float(duration.nanos) / 1e9
