"""The reconciler of schedules against a Temporal whose lists lag, drops late updates and fails now and then."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.schedule.v1 import Schedule, ScheduleListEntry
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.definitions import CronTrigger, schedule_id
from taskfactory.orchestrator.schedules.reconciler import AT_ONCE, PASS_BUDGET, ScheduleReconciler
from taskfactory.orchestrator.schedules.shape import LISTED, Desired, desired, differences, missed, times_of
from taskfactory.orchestrator.schedules.temporal_schedules import Found, action_input
from taskfactory.registry import ScheduleChanges, Scheduled

SINCE = datetime(2026, 11, 3, 9, tzinfo=UTC)
INTERVAL = 10.0
Gap = tuple[datetime, datetime] | None


def scheduled(
    number: int = 0, state: str = "enabled", every: str = "1h", reason: str | None = None, since: datetime = SINCE
) -> Scheduled:
    trigger = CronTrigger.model_validate({"type": "cron", "every": [{"interval": every}], "misfire": {"window": "1h"}})
    return Scheduled(f"id-{number}", f"name-{number}", trigger, state, since, "ada", reason)


@dataclass
class Registry:
    """How definitions stand; every change is a revision."""

    standing: dict[str, Scheduled] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    decided: dict[str, datetime] = field(default_factory=dict)

    def put(self, *items: Scheduled) -> None:
        for item in items:
            self.standing[item.activity_id] = item
            self.log.append(item.activity_id)

    def remove(self, activity_id: str) -> None:
        del self.standing[activity_id]
        self.log.append(activity_id)

    def revision(self) -> int:
        return len(self.log)

    def changes(self, since: int | None) -> ScheduleChanges:
        changed = dict.fromkeys(self.log[since or 0 :])
        there = [self.standing[each] for each in changed if each in self.standing and each not in self.unreadable]
        gone = [each for each in changed if each not in self.standing]
        return ScheduleChanges(self.revision(), there, gone, [each for each in changed if each in self.unreadable])

    def latest(self, activity_ids: Collection[str]) -> dict[str, datetime]:
        return {each: self.decided.get(each, SINCE) for each in activity_ids}


@dataclass
class FakeSchedules:
    """Schedules as the server keeps them; a list shows what there was when `refresh` was called last."""

    queue: str = "q"
    there: dict[str, tuple[Schedule, object, int]] = field(default_factory=dict)
    shown: dict[str, Schedule] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    failure: RPCStatusCode = RPCStatusCode.INVALID_ARGUMENT
    lagging: bool = False
    before_update: list[str] = field(default_factory=list)
    """Schedules that somebody edits between the next description and its update."""

    fired: set[datetime] = field(default_factory=set)
    """Ticks that a backfill fired, by the times that the schedule had then."""

    at_each_call: Callable[[], None] = lambda: None
    at_each_list: Callable[[], None] = lambda: None

    def refresh(self) -> None:
        self.shown = {schedule: copy(kept) for schedule, (kept, _, _) in self.there.items()}

    def edit(self, activity_id: str, schedule: Schedule, argument: object = None) -> None:
        _, before, token = self.there[schedule_id(activity_id)]
        self.there[schedule_id(activity_id)] = (copy(schedule), argument or before, token + 1)

    async def listed(self) -> AsyncIterator[ScheduleListEntry]:
        self.at_each_list()
        if not self.lagging:
            self.refresh()
        for schedule, kept in self.shown.items():
            entry = ScheduleListEntry(schedule_id=schedule)
            entry.info.spec.CopyFrom(kept.spec)
            for part in ("structured_calendar", "interval", "exclude_structured_calendar"):
                del getattr(entry.info.spec, part)[LISTED:]
            entry.info.workflow_type.name = kept.action.start_workflow.workflow_type.name
            entry.info.paused, entry.info.notes = kept.state.paused, kept.state.notes
            yield entry

    async def is_ours(self, entry: ScheduleListEntry) -> bool:
        return entry.schedule_id not in self.foreign

    async def find(self, activity_id: str) -> Found | None:
        await self._call("find", activity_id)
        kept = self.there.get(schedule_id(activity_id))
        return None if kept is None else Found(copy(kept[0]), kept[1], str(kept[2]).encode())

    async def create(self, item: Desired, missed: Gap) -> bool:  # noqa: ARG002 -- the protocol's name
        await self._call("create", item.activity_id)
        if schedule_id(item.activity_id) in self.there:
            return False
        self.there[schedule_id(item.activity_id)] = (copy(item.schedule), action_input(item), 1)
        return True

    async def fire(self, activity_id: str, missed: tuple[datetime, datetime]) -> None:
        await self._call("fire", activity_id)
        kept = self.there[schedule_id(activity_id)][0]
        every = kept.spec.interval[0].interval.seconds
        first = int(missed[0].timestamp()) // every + 1
        last = int(missed[1].timestamp()) // every
        self.fired |= {datetime.fromtimestamp(number * every, UTC) for number in range(first, last + 1)}

    async def update(self, item: Desired, found: Found) -> None:
        await self._call("update", item.activity_id)
        schedule = schedule_id(item.activity_id)
        if item.activity_id in self.before_update:
            self.before_update.remove(item.activity_id)
            self.edit(item.activity_id, self.there[schedule][0])
        token = self.there[schedule][2]
        if found.token == str(token).encode():  # the server drops it otherwise, and says nothing
            self.there[schedule] = (copy(item.schedule), action_input(item), token + 1)

    async def delete(self, schedule: str) -> None:
        await self._call("delete", schedule.removeprefix(schedule_id("")))
        self.there.pop(schedule, None)

    async def _call(self, what: str, activity_id: str) -> None:
        self.at_each_call()
        self.calls.append(f"{what} {activity_id}")
        await asyncio.sleep(0)
        if activity_id in self.failing:
            raise RPCError("no", self.failure, b"")


def copy(schedule: Schedule) -> Schedule:
    made = Schedule()
    made.CopyFrom(schedule)
    return made


class Case:
    """A reconciler, its clock, and what it works on."""

    def __init__(self, *items: Scheduled) -> None:
        self.registry = Registry()
        self.registry.put(*items)
        self.temporal = FakeSchedules()
        self.now = 1000.0
        self.reconciler = self.another()

    def another(self) -> ScheduleReconciler:
        return ScheduleReconciler(self.registry, self.registry, self.temporal, INTERVAL, lambda: self.now)

    async def turn(self, seconds: float = INTERVAL) -> list[str]:
        """Time passes, and a turn is done; the calls that it made."""
        self.now += seconds
        self.temporal.calls.clear()
        await self.reconciler.reconcile()
        return list(self.temporal.calls)

    def is_right(self) -> bool:
        wanted = {schedule_id(item.activity_id): desired(item, "q") for item in self.registry.standing.values()}
        if wanted.keys() != self.temporal.there.keys() - self.temporal.foreign:
            return False
        return all(
            not differences(item.schedule, self.temporal.there[schedule][0], self.temporal.there[schedule][1], wish)
            for schedule, item in wanted.items()
            for wish in [action_input(item)]
        )


async def test_schedules_are_made_from_nothing_and_an_unchanged_pass_describes_few() -> None:
    case = Case(*map(scheduled, range(480)))
    assert sorted(await case.turn()) == sorted(f"create id-{number}" for number in range(480))
    assert case.is_right()
    calls = await case.turn(60)
    assert len(calls) == INTERVAL
    assert all(call.startswith("find ") for call in calls)


async def test_a_sweep_finds_what_no_list_shows_within_ten_minutes() -> None:
    case = Case(*map(scheduled, range(100)))
    await case.turn()
    odd = copy(case.temporal.there[schedule_id("id-77")][0])
    odd.policies.catchup_window.FromSeconds(5)
    case.temporal.edit("id-77", odd)
    case.temporal.edit("id-78", case.temporal.there[schedule_id("id-78")][0], "another input")
    for _ in range(int(600 / INTERVAL)):
        await case.turn()
    assert case.is_right()


async def test_what_was_just_made_is_not_made_again_though_no_list_shows_it() -> None:
    case = Case(scheduled())
    case.temporal.lagging = True
    assert await case.turn() == ["create id-0"]
    assert await case.turn() == []
    calls = await case.turn(30)
    assert calls == ["find id-0"], "a look, and nothing is written"


async def test_what_was_deleted_and_is_still_listed_does_no_harm() -> None:
    case = Case(scheduled(0), scheduled(1))
    await case.turn()
    case.registry.remove("id-0")
    await case.turn(1)
    case.temporal.lagging = True
    await case.turn(60)
    assert case.is_right()
    case.registry.put(scheduled(0))
    await case.turn(1)
    assert case.is_right()


async def test_a_change_is_seen_to_at_once_and_alone() -> None:
    case = Case(*map(scheduled, range(10)))
    await case.turn()
    case.registry.put(scheduled(3, "paused", reason="flood"), scheduled(4, every="2h"))
    case.registry.remove("id-5")
    assert sorted(await case.turn(1)) == ["delete id-5", "find id-3", "find id-4", "update id-3", "update id-4"]
    again = await case.turn(1)
    assert set(again) - {"fire id-4"} == {"find id-4", "update id-4"}, "what it may have missed meanwhile is seen to"
    assert case.is_right()


class Crashed(BaseException):
    """The leader's process is gone."""


@pytest.mark.parametrize("calls_before", range(6))
@pytest.mark.parametrize(("state", "every"), [("paused", "1m"), ("enabled", "7m")])
async def test_a_leader_that_dies_between_two_calls_loses_no_missed_tick(
    calls_before: int, state: str, every: str
) -> None:
    now = datetime.now(UTC)
    case = Case(scheduled(state=state, every=every, since=now - timedelta(days=1)))
    await case.turn()
    since = now - timedelta(minutes=30)
    case.registry.decided["id-0"] = since
    case.registry.put(scheduled(every="1m", since=since))
    left = calls_before

    def die() -> None:
        nonlocal left
        if left == 0:
            raise Crashed
        left -= 1

    case.temporal.at_each_call = die
    with suppress(Crashed):
        for _ in range(3):
            await case.turn(1)
    case.temporal.at_each_call = lambda: None
    found = case.temporal.there["schedule-id-0"][0]
    if found.spec.interval[0].interval.seconds == 60 and not found.state.paused:
        case.registry.decided["id-0"] = now  # it ticks on, though nobody leads
    case.reconciler = case.another()
    for _ in range(3):
        await case.turn()
    assert case.is_right()
    minute = int(since.timestamp()) // 60 + 1
    gap = {datetime.fromtimestamp(each * 60, UTC) for each in range(minute, int(now.timestamp()) // 60 + 1)}
    assert gap <= case.temporal.fired


async def test_an_update_that_came_too_late_is_done_again() -> None:
    case = Case(scheduled(0))
    await case.turn()
    case.temporal.before_update.append("id-0")
    case.registry.put(scheduled(0, "paused"))
    await case.turn(1)
    assert not case.is_right()
    await case.turn()
    assert case.is_right()


async def test_one_that_fails_keeps_no_other_from_being_repaired() -> None:
    case = Case(*map(scheduled, range(40)))
    case.temporal.failing = {"id-7"}
    with pytest.raises(RPCError):
        await case.turn()
    assert len(case.temporal.there) == 39
    case.temporal.failing = set()
    await case.turn()
    assert case.is_right()


async def test_a_temporal_that_is_away_is_not_asked_thousands_of_times() -> None:
    names = [f"id-{number}" for number in range(500)]
    case = Case(*map(scheduled, range(500)))
    case.temporal.failing, case.temporal.failure = set(names), RPCStatusCode.UNAVAILABLE
    with pytest.raises(RPCError):
        await case.turn()
    assert len(case.temporal.calls) <= AT_ONCE
    assert await case.turn(1) == [], "it is left alone for a while"
    case.temporal.failing = set()
    await case.turn()
    assert case.is_right()


async def test_what_a_pass_has_no_time_for_is_left_to_the_next() -> None:
    case = Case(*map(scheduled, range(100)))

    def take_time() -> None:
        case.now += PASS_BUDGET / 20

    case.temporal.at_each_call = take_time
    await case.turn()
    assert 0 < len(case.temporal.there) < 100
    for _ in range(10):
        await case.turn(1)
    assert case.is_right()


async def test_a_list_that_takes_longer_than_a_pass_may_keeps_nothing_from_being_done() -> None:
    case = Case(*map(scheduled, range(10)))

    def take_time() -> None:
        case.now += 2 * PASS_BUDGET

    case.temporal.at_each_list = take_time
    await case.turn()
    assert case.is_right()


async def test_what_others_made_and_what_cannot_be_read_stays() -> None:
    case = Case(scheduled(0), scheduled(1))
    await case.turn()
    case.registry.unreadable = {"id-1"}
    case.registry.put(scheduled(1))
    case.temporal.there["schedule-of-others"] = case.temporal.there["nightly"] = case.temporal.there["schedule-id-0"]
    case.temporal.foreign = {"schedule-of-others", "nightly"}
    for _ in range(5):
        await case.turn(30)
    assert case.temporal.there.keys() == {"schedule-id-0", "schedule-id-1", "schedule-of-others", "nightly"}


EDITS = st.sampled_from(
    ["delete", "pause", "times", "policy", "input", "orphan", "define", "disable", "undefine", "lag"]
)


@given(st.lists(st.tuples(EDITS, st.integers(0, 5)), max_size=12))
def test_whatever_happens_schedules_come_to_be_as_they_should_by_two_leaders_too(
    edits: list[tuple[str, int]],
) -> None:
    async def story() -> None:
        case = Case(*map(scheduled, range(3)))
        other = case.another()
        for edit, number in edits:
            apply(case, edit, number)
            case.now += 5
            await asyncio.gather(case.reconciler.reconcile(), other.reconcile())
        case.temporal.lagging = False
        for _ in range(60):
            case.now += INTERVAL
            await asyncio.gather(case.reconciler.reconcile(), other.reconcile())
        assert case.is_right()

    asyncio.run(story())


def apply(case: Case, edit: str, number: int) -> None:
    activity_id, there = f"id-{number}", case.temporal.there
    kept = there.get(schedule_id(activity_id))
    if edit == "define":
        case.registry.put(scheduled(number, every=f"{number + 1}h"))
    elif edit == "disable":
        case.registry.put(scheduled(number, "disabled"))
    elif edit == "undefine" and activity_id in case.registry.standing:
        case.registry.remove(activity_id)
    elif edit == "lag":
        case.temporal.lagging = not case.temporal.lagging
    elif kept is not None:
        schedule = copy(kept[0])
        schedule.state.paused ^= edit == "pause"
        if edit == "times":
            schedule.spec.interval[0].interval.FromSeconds(5)
        if edit == "policy":
            schedule.policies.pause_on_failure = True
        case.temporal.edit(activity_id, schedule, "another" if edit == "input" else None)
        if edit == "orphan":
            there[schedule_id("of-nobody")] = there[schedule_id(activity_id)]
        if edit == "delete":
            del there[schedule_id(activity_id)]


TRIGGERS = st.fixed_dictionaries(
    {"type": st.just("cron")},
    optional={
        "cron": st.lists(st.sampled_from(["0 9 * * MON-FRI", "*/5 * * * *", "@daily", "0 0 1 */2 *"]), min_size=1),
        "calendars": st.lists(st.sampled_from([{"hour": "9-17/2"}, {"day_of_month": "1,15"}]), min_size=1, max_size=15),
        "exclude": st.lists(st.sampled_from(["2026-12-25", {"day_of_week": "SUN"}]), max_size=15),
        "timezone": st.sampled_from(["UTC", "Europe/Berlin"]),
        "jitter": st.sampled_from(["1500ms", "30s"]),
        "start": st.just("2026-01-01T00:00:00.5Z"),
    },
).map(lambda given: {**given, "every": [{"interval": "1h", "offset": "5m"}]})


@given(TRIGGERS, TRIGGERS)
def test_times_are_equal_to_themselves_after_a_journey_and_to_no_others(
    one: dict[str, object], other: dict[str, object]
) -> None:
    first, second = (CronTrigger.model_validate(each) for each in (one, other))
    specs = [
        desired(Scheduled("id", "name", each, "enabled", SINCE, "ada", None), "q").schedule.spec
        for each in (first, second)
    ]
    travelled = type(specs[0]).FromString(specs[0].SerializeToString())
    assert times_of(travelled) == times_of(specs[0])
    assert (times_of(specs[0]) == times_of(specs[1])) == (first.spec == second.spec)


def test_what_a_schedule_missed_lies_between_its_definition_or_last_tick_and_now() -> None:
    item, hour = scheduled(every="1m"), timedelta(hours=1)
    now = SINCE + timedelta(minutes=10, seconds=30)
    assert missed(item, None, now, hour) == (SINCE, now)
    assert missed(item, now - timedelta(minutes=2), now, hour) == (now - timedelta(minutes=2), now)
    assert missed(item, now - timedelta(seconds=30), now, hour) is None, "no tick lies in between"
    assert missed(item, None, now, timedelta(minutes=3)) == (now - timedelta(minutes=3), now)
