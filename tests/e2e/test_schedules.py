"""Definitions that fire by schedule, on the real stack: from the clock to the outcome, whatever is done to Temporal."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import ScheduleOverlapPolicy
from temporalio.api.schedule.v1 import Schedule

from tests.conftest import RunningStack
from tests.e2e.platform import Platform, eventually
from tests.e2e.scheduling import Scheduling

HELD = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: held
trigger: {{type: cron, every: [{{interval: 1s}}], overlap: {overlap}}}
tasks:
  - name: wait
    type: activity
    handler: wait_for_file
    queue: "{{queue}}"
    heartbeat: 5s
    params: {{path: "{path}"}}
"""
BY_EVENT = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: {name}
trigger: {{type: event, match: {{type: [never]}}}}
tasks: [{{name: note, type: activity, handler: note, queue: "{{queue}}"}}]
"""
SECONDLY = "every: [{interval: 1s}]"
HOURLY = "every: [{interval: 1h}]"


@pytest.fixture
def scheduling(stack: RunningStack, tmp_path: Path) -> Iterator[Scheduling]:
    quick = {"TASKFACTORY_SCHEDULES_INTERVAL": "1", "TASKFACTORY_RECONCILE_INTERVAL": "1"}
    scheduling = Scheduling(Platform(stack, tmp_path, settings=quick))
    try:
        yield scheduling
    finally:
        scheduling.close()


def test_every_tick_of_a_schedule_ends_in_an_outcome_that_says_which_it_was(scheduling: Scheduling) -> None:
    platform = scheduling.platform
    platform.start("orchestrator")
    platform.worker()
    scheduling.apply(SECONDLY + ", overlap: allow_all")
    eventually(lambda: len(scheduling.ticks(decision="started")) >= 5, "five ticks")
    first, *_ = times = [row["scheduled_for"] for row in scheduling.ticks()]
    assert times == [first + timedelta(seconds=number) for number in range(len(times))], "none was left out"
    applied = platform.scalar("SELECT at FROM definition_activations")
    assert timedelta(0) < first - applied <= timedelta(seconds=1), "the first one since it was applied is there"

    ends = eventually(
        lambda: [each for each in platform.outcomes() if each.type == "io.taskfactory.run.completed"], "an end of a run"
    )
    trigger = ends[0].data["trigger"]
    due = trigger["time"]
    assert trigger["id"] == f"tick:{due}"
    assert (trigger["source"], trigger["type"]) == ("/taskfactory/schedules/ticking", "io.taskfactory.schedule.tick")
    tasks = [each.data for each in platform.outcomes() if each.type == "io.taskfactory.task.completed"]
    [noted] = [task["task"]["result"]["noted"] for task in tasks if task["trigger"]["id"] == f"tick:{due}"]
    assert (noted["due"], noted["kind"]) == (due, "scheduled")
    assert 0 <= noted["late"] < 10


def test_whatever_is_done_to_a_schedule_behind_its_back_is_repaired(scheduling: Scheduling) -> None:
    orchestrator = scheduling.platform.start("orchestrator")
    activity_id = scheduling.apply(HOURLY + ", jitter: 3s, timezone: Europe/Berlin")
    wanted = eventually(scheduling.there(activity_id), "the schedule").schedule

    def is_repaired() -> bool:
        found = scheduling.found(activity_id)
        return found is not None and (found.schedule.spec, found.schedule.policies, found.schedule.state) == (
            wanted.spec,
            wanted.policies,
            wanted.state,
        )

    def set_paused(schedule: Schedule) -> None:
        schedule.state.paused, schedule.state.notes = True, "by hand"

    def set_other_times(schedule: Schedule) -> None:
        schedule.spec.interval[0].interval.FromSeconds(7200)

    def set_other_policies(schedule: Schedule) -> None:
        schedule.policies.overlap_policy = ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_SKIP
        schedule.policies.catchup_window.FromSeconds(86_400)

    def set_other_action(schedule: Schedule) -> None:
        schedule.action.start_workflow.input.payloads[0].data = b'{"activity_id": "another"}'

    for change in (set_paused, set_other_times, set_other_policies, set_other_action):
        scheduling.change(activity_id, change)
        assert change is set_other_action or not is_repaired()
        eventually(is_repaired, f"repaired after {change.__name__}", 30)
    eventually(
        lambda: (
            (found := scheduling.found(activity_id))
            and found.schedule.action.start_workflow.input == wanted.action.start_workflow.input
        ),
        "the action's input",
        30,
    )
    scheduling.delete(activity_id)
    eventually(is_repaired, "created again", 30)

    orphan = "00000000-0000-4000-8000-" + activity_id[-12:]
    scheduling.copy(activity_id, orphan)
    eventually(lambda: scheduling.found(orphan) is None, "the orphan is deleted", 30)
    assert scheduling.found(activity_id) is not None
    actions = [entry["action"] for entry in orchestrator.entries("schedule_repaired")]
    assert actions.count("created") == 2
    assert actions.count("deleted") == 1


def test_a_schedule_stands_as_its_definition_does(scheduling: Scheduling) -> None:
    platform = scheduling.platform
    platform.start("orchestrator")
    activity_id = scheduling.apply(HOURLY)
    eventually(scheduling.there(activity_id), "the schedule")
    platform.run("pause", "ticking", "--because", "flood in the cellar")
    paused = eventually(scheduling.there(activity_id, paused=True), "paused", 10)
    assert paused.schedule.state.notes == "flood in the cellar"
    platform.run("resume", "ticking")
    eventually(
        lambda: (found := scheduling.there(activity_id)()) and found.schedule.state.notes == "", "resumed, no note", 10
    )
    scheduling.apply("every: [{interval: 2h}], misfire: {window: 1d}")

    def is_retimed() -> bool:
        found = scheduling.found(activity_id)
        assert found is not None
        schedule = found.schedule
        return (schedule.spec.interval[0].interval.seconds, schedule.policies.catchup_window.seconds) == (7200, 86_400)

    eventually(is_retimed, "the new times and window", 10)
    scheduling.apply(HOURLY, enabled=False)
    eventually(scheduling.there(activity_id, paused=True), "disabled", 10)
    platform.apply(BY_EVENT.format(name="ticking"))
    eventually(lambda: scheduling.found(activity_id) is None, "gone", 10)
    scheduling.apply(HOURLY)
    eventually(scheduling.there(activity_id), "back", 10)
    scheduling.remove("ticking")
    eventually(lambda: scheduling.found(activity_id) is None, "deleted", 10)


def test_no_tick_is_lost_where_a_schedule_was_away_paused_or_another(scheduling: Scheduling) -> None:
    orchestrator = scheduling.platform.start("orchestrator")
    activity_id = scheduling.apply(SECONDLY + ", overlap: allow_all")
    eventually(lambda: len(scheduling.ticks()) >= 2, "it ticks")
    orchestrator.kill()  # nobody repairs meanwhile
    scheduling.delete(activity_id)
    deleted_at = datetime.now(UTC)
    eventually(lambda: datetime.now(UTC) - deleted_at > timedelta(seconds=4), "ticks were missed")
    scheduling.platform.start("orchestrator")
    eventually(
        lambda: any(row["scheduled_for"] > deleted_at + timedelta(seconds=8) for row in scheduling.ticks()), "it ticks"
    )

    def seconds() -> list[int]:
        return [int(row["scheduled_for"].timestamp()) for row in scheduling.ticks()]

    eventually(lambda: seconds() == list(range(seconds()[0], seconds()[-1] + 1)), "each second has its tick", 30)


@pytest.mark.parametrize(
    "overlap", ["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"]
)
def test_a_tick_that_finds_a_run_open_does_what_its_definition_says(
    scheduling: Scheduling, overlap: str, tmp_path: Path
) -> None:
    platform = scheduling.platform
    gate = tmp_path / "gate"
    platform.start("orchestrator")
    platform.worker()
    platform.apply(HELD.format(overlap=overlap, path=gate))

    def running() -> int:
        return int(platform.scalar("SELECT count(*) FROM activity_runs WHERE state = 'running'"))

    def count(**columns: Any) -> int:
        return len(scheduling.ticks(**columns))

    def states() -> list[str]:
        return [row[0] for row in platform.query("SELECT state FROM activity_runs ORDER BY started_at")]

    if overlap == "allow_all":
        eventually(lambda: running() >= 3, "runs side by side")
        gate.touch()
        return
    if overlap in {"cancel_other", "terminate_other"}:
        ended = "cancelled" if overlap == "cancel_other" else "failed"
        eventually(lambda: states().count(ended) >= 2, "each tick ends the one before it", 90)
        assert running() <= 1
        gate.touch()
        return
    eventually(lambda: count() >= 5, "five ticks")
    assert running() == count(decision="started") == 1
    assert count(decision="waiting") == {"skip": 0, "buffer_one": 1}.get(overlap, count() - 1)
    assert count(reason="overlap") == {"skip": count() - 1, "buffer_one": count() - 2}.get(overlap, 0)
    platform.run("pause", "held")
    gate.touch()
    eventually(lambda: count(decision="waiting") == 0, "no tick waits any more")
