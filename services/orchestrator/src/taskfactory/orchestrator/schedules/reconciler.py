"""Temporal's schedules are made equal to the registry: at once on a change, at each pass, and by a slow sweep.

One list per pass shows all schedules with their times, pause and note; only what differs there is described. Policies
and actions are not listed, so a sweep describes every schedule in turn. Invariants:

- A list may be old by seconds. It only raises suspicion: what is written follows from a description, or is a creation
  that finds the schedule there already. So nothing is created twice or held to be deleted.
- An update names the state that it is meant against. The server drops a late one silently, so an update counts as done
  only when a later look finds it.
- Whoever makes a schedule tick, new, resumed or re-timed, lets Temporal fire what it missed since the definition stands
  so. Ticks that were decided about are known, so firing one again changes nothing. Where that takes several calls, the
  first leaves a note in the schedule of what is still to be fired, and the last takes it away: whoever leads does them.
- Nothing is deleted but what an orchestrator with the same task queue made.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Protocol

import structlog
from temporalio.api.schedule.v1 import ScheduleListEntry
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.definitions import schedule_id
from taskfactory.orchestrator import metrics
from taskfactory.orchestrator.schedules.shape import Desired, catches_up_since, desired, differences, gap_begins, missed
from taskfactory.orchestrator.schedules.temporal_schedules import Found, action_input
from taskfactory.registry import ScheduleChanges

AT_ONCE: Final = 16
"""Schedules that are looked at or written at the same time."""
PASS_BUDGET: Final = 20.0
"""Seconds, the list not included, after which a pass leaves the rest to the next one: leadership is looked at then."""
VISIBILITY_LAG: Final = 15.0
"""Seconds for which a list is not believed about a schedule that was just written."""
SWEEP_SECONDS: Final = 480.0
"""Within so long every schedule is described once."""
LONGEST_GAP: Final = timedelta(hours=1)
"""What a schedule missed is fired from so far back; a backfill by hand reaches further."""
PREFIX: Final = schedule_id("")
AWAY: Final = frozenset({RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.RESOURCE_EXHAUSTED})
"""How Temporal, or what lies in between, says that another call would fare no better."""

log = structlog.get_logger("taskfactory.orchestrator")


class States(Protocol):
    """What is used of the registry's `ScheduleStates`."""

    def changes(self, since: int | None) -> ScheduleChanges:
        """What changed after a revision; with None, everything there is."""

    def revision(self) -> int:
        """Rises with every change."""


class Ticks(Protocol):
    """What is used of the registry's `TickStore`."""

    def latest(self, activity_ids: Collection[str]) -> dict[str, datetime]:
        """The newest tick that was decided about, by activity."""


class Schedules(Protocol):
    """What is used of `TemporalSchedules`, which says it in full."""

    queue: str

    def listed(self) -> AsyncIterator[ScheduleListEntry]:
        """Every schedule of the namespace."""

    async def is_ours(self, entry: ScheduleListEntry) -> bool:
        """Whether an orchestrator with this one's queue made it."""

    async def find(self, activity_id: str) -> Found | None:
        """A definition's schedule as it is."""

    async def create(self, desired: Desired, missed: tuple[datetime, datetime] | None) -> bool:
        """Create a schedule; False when there is one already."""

    async def update(self, desired: Desired, found: Found) -> None:
        """Make a schedule equal to what it should be, unless somebody changed it meanwhile."""

    async def fire(self, activity_id: str, missed: tuple[datetime, datetime]) -> None:
        """Let a schedule fire the ticks of a time that is over."""

    async def delete(self, schedule: str) -> None:
        """Delete a schedule by its id."""


class ScheduleReconciler:
    """One process at a time runs it (see `leader.py`); two do no harm."""

    def __init__(
        self,
        states: States,
        ticks: Ticks,
        schedules: Schedules,
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is read before `reconcile`.

        Args:
            states: the registry's view.
            ticks: what was decided.
            schedules: Temporal's.
            interval: seconds between two passes over all schedules.
            clock: seconds that never go back.
        """
        self._states = states
        self._ticks = ticks
        self._schedules = schedules
        self._interval = interval
        self._clock = clock
        self._revision: int | None = None
        self._desired: dict[str, Desired] = {}
        self._unreadable: set[str] = set()
        self._pending: set[str] = set()
        """Ids of activities that changed, and whose schedules were not seen to since."""
        self._checked: dict[str, float] = {}
        """When a description last showed an activity's schedule to be as it should."""
        self._written: dict[str, float] = {}
        """When a schedule was last written or deleted, by its id."""
        self._seen: set[str] = set()
        """Ids of schedules that were there at some time."""
        self._pass_due = 0.0
        self._not_before = 0.0

    async def reconcile(self) -> None:
        """See to what changed; when it is due, to everything.

        Raises:
            RPCError: Temporal did not answer; what is not done is tried again.
            SQLAlchemyError: the same for the registry.
        """
        await self._refresh()
        started = self._clock()
        if started < self._not_before:
            return
        try:
            if started >= self._pass_due:
                await self._see_to_all()
            else:
                await self._each([partial(self._repair, each) for each in self._pending])
        except RPCError:
            self._not_before = self._clock() + self._interval / 2
            raise

    async def _see_to_all(self) -> None:
        started = self._clock()
        whole = await self._pass()
        took = self._clock() - started
        metrics.SCHEDULES_PASS_SECONDS.set(took)
        # Where listing takes seconds, Temporal is not asked to do it all the time.
        self._pass_due = self._clock() + max(self._interval, took) if whole else 0.0

    async def _refresh(self) -> None:
        if self._revision is not None and await asyncio.to_thread(self._states.revision) == self._revision:
            return
        changes = await asyncio.to_thread(self._states.changes, self._revision)
        changed = {item.activity_id: desired(item, self._schedules.queue) for item in changes.scheduled}
        before = self._desired
        self._desired = {**before, **changed}
        for gone in (*changes.unscheduled, *changes.unreadable):
            self._desired.pop(gone, None)
        self._unreadable = (self._unreadable - changed.keys() - {*changes.unscheduled}) | {*changes.unreadable}
        if self._revision is not None:  # at first, the pass over everything sees to them
            self._pending |= changed.keys() | (before.keys() & {*changes.unscheduled})
        for activity_id in (*changed, *changes.unscheduled):
            self._checked.pop(activity_id, None)
        self._revision = changes.revision
        states = [item.scheduled.state for item in self._desired.values()]
        for state in ("enabled", "paused", "disabled"):
            metrics.SCHEDULES.labels(state).set(states.count(state))

    async def _pass(self) -> bool:
        """Whether everything was seen to."""
        listed = {entry.schedule_id: entry async for entry in self._schedules.listed()}
        self._seen |= listed.keys()
        now = self._clock()
        suspects = {item.activity_id for item in self._desired.values() if self._is_suspect(item, listed, now)}
        orphans = [schedule for schedule, entry in listed.items() if await self._is_orphan(entry, now)]
        work = dict.fromkeys([*self._pending, *sorted(suspects), *self._stalest(listed)])
        steps = [partial(self._delete, each) for each in orphans] + [partial(self._repair, each) for each in work]
        return await self._each(steps)

    def _is_suspect(self, item: Desired, listed: Mapping[str, ScheduleListEntry], now: float) -> bool:
        schedule = schedule_id(item.activity_id)
        if self._was_just_written(schedule, now):
            return False
        entry = listed.get(schedule)
        return entry is None or not item.looks_equal(entry.info)

    async def _is_orphan(self, entry: ScheduleListEntry, now: float) -> bool:
        activity_id = entry.schedule_id.removeprefix(PREFIX)
        if not entry.schedule_id.startswith(PREFIX) or activity_id in self._desired or activity_id in self._unreadable:
            return False
        return not self._was_just_written(entry.schedule_id, now) and await self._schedules.is_ours(entry)

    def _was_just_written(self, schedule: str, now: float) -> bool:
        written = self._written.get(schedule)
        return written is not None and now - written < VISIBILITY_LAG

    def _stalest(self, listed: Mapping[str, ScheduleListEntry]) -> list[str]:
        """Those that were not described for longest: as many as a pass takes to be round in time."""
        there = [activity_id for activity_id in self._desired if schedule_id(activity_id) in listed]
        count = math.ceil(len(there) * self._interval / SWEEP_SECONDS)
        return sorted(there, key=lambda activity_id: self._checked.get(activity_id, 0.0))[:count]

    async def _each(self, steps: Collection[Callable[[], Awaitable[None]]]) -> bool:
        """Do all, some at the same time, as far as the budget reaches; whether it reached all.

        A step that fails keeps no other from being done, unless Temporal is away.

        Raises:
            RPCError: the first that was raised.
        """
        waiting = iter(steps)
        deadline = self._clock() + PASS_BUDGET
        failures: list[RPCError] = []

        def goes_on() -> bool:
            return self._clock() < deadline and not any(error.status in AWAY for error in failures)

        async def carry() -> None:
            while goes_on() and (step := next(waiting, None)) is not None:
                try:
                    await step()
                except RPCError as error:
                    failures.append(error)
                    metrics.SCHEDULES_REPAIRED.labels("failed").inc()

        await asyncio.gather(*(carry() for _ in range(AT_ONCE)))
        if failures:
            raise failures[0]
        return next(waiting, None) is None

    async def _repair(self, activity_id: str) -> None:
        item = self._desired.get(activity_id)
        if item is None:
            if activity_id not in self._unreadable:
                await self._delete(schedule_id(activity_id))
        elif schedule_id(activity_id) in self._seen or not await self._create(item):
            found = await self._schedules.find(activity_id)
            if found is not None and not await self._update(item, found):
                return  # it is seen to again at the next turn
            if found is None:
                await self._create(item)
        self._pending.discard(activity_id)

    async def _create(self, item: Desired) -> bool:
        """Whether there was none."""
        created = await self._schedules.create(item, await self._missed(item))
        self._seen.add(schedule_id(item.activity_id))
        if created:
            self._note(item.activity_id, "created")
            self._checked[item.activity_id] = self._clock()
        return created

    async def _update(self, item: Desired, found: Found) -> bool:
        """Whether that was all; False while what the schedule missed is still to be fired."""
        differing = differences(item.schedule, found.schedule, found.input, action_input(item))
        if not differing:
            self._checked[item.activity_id] = self._clock()
            return True
        begins = item.enabled and (found.schedule.state.paused or "times" in differing)
        now, since = datetime.now(UTC), catches_up_since(found.schedule)
        if begins:
            since = gap_begins(item.scheduled, since or await self._latest(item), now, LONGEST_GAP)
            await self._schedules.update(item.catching_up(since), found)
            self._pending.add(item.activity_id)
        else:
            if item.enabled and since is not None and (gap := missed(item.scheduled, since, now, LONGEST_GAP)):
                await self._schedules.fire(item.activity_id, gap)
            await self._schedules.update(item, found)
        self._checked.pop(item.activity_id, None)
        self._note(item.activity_id, "updated", differing)
        return not begins

    async def _delete(self, schedule: str) -> None:
        await self._schedules.delete(schedule)
        self._note(schedule.removeprefix(PREFIX), "deleted")

    async def _missed(self, item: Desired) -> tuple[datetime, datetime] | None:
        """The time whose ticks are to be fired now that the schedule begins to tick."""
        if not item.enabled:
            return None
        return missed(item.scheduled, await self._latest(item), datetime.now(UTC), LONGEST_GAP)

    async def _latest(self, item: Desired) -> datetime | None:
        latest = await asyncio.to_thread(self._ticks.latest, [item.activity_id])
        return latest.get(item.activity_id)

    def _note(self, activity_id: str, action: str, differing: Collection[str] = ()) -> None:
        self._written[schedule_id(activity_id)] = self._clock()
        metrics.SCHEDULES_REPAIRED.labels(action).inc()
        item = self._desired.get(activity_id)
        name = item.scheduled.name if item else None
        log.info("schedule_repaired", action=action, definition=name, id=activity_id, differing=list(differing))
