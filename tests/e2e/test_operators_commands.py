"""What operators do with runs and schedules at the command line, on the whole path."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RunningStack
from tests.e2e.platform import Platform, as_json, event, eventually
from tests.e2e.test_schedule_operations import delete_schedules

DEFINITIONS = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: fails
trigger: {type: event, match: {type: [test.order]}}
dedupe: {key: subject}
tasks:
  - name: refuse
    type: activity
    handler: refuse
    queue: "{queue}"
    params: {order: "${event.id}"}
    retry: {max_attempts: 1}
---
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: follows
trigger:
  type: event
  topics: ["{outcomes}"]
  match: {type: [io.taskfactory.run.failed], data: {activity: {name: [fails]}}}
tasks:
  - {name: waits, type: activity, handler: note, queue: nobody-polls-this}
---
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: yearly
trigger: {type: cron, every: [{interval: 8760h}]}
tasks:
  - {name: note, type: activity, handler: note, queue: "{queue}"}
"""


@pytest.fixture
def platform(stack: RunningStack, tmp_path: Path) -> Iterator[Platform]:
    quick = {"TASKFACTORY_SCHEDULES_INTERVAL": "1", "TASKFACTORY_RECONCILE_INTERVAL": "1"}
    platform = Platform(stack, tmp_path, settings=quick)
    try:
        yield platform
    finally:
        platform.close()
        asyncio.run(delete_schedules(platform))


def said(platform: Platform, *command: str, status: int = 0) -> str:
    done = platform.run(*command, check=False)
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout + done.stderr


def test_runs_are_found_followed_cancelled_and_run_again(platform: Platform) -> None:
    platform.env["TASKFACTORY_KAFKA_TOPICS"] = f"{platform.topic},{platform.outcomes_topic}"
    platform.apply(DEFINITIONS.replace("{outcomes}", platform.outcomes_topic))
    platform.start("run")
    platform.worker()
    platform.send([event(1)])
    states = "SELECT count(*) FROM activity_runs WHERE state = 'failed' AND activity_name = 'fails'"
    eventually(lambda: platform.scalar(states) == 1, "the run fails")
    follower = "SELECT run_id FROM activity_runs WHERE activity_name = 'follows'"
    eventually(lambda: platform.query(follower), "its outcome starts another")

    (run,) = as_json(
        platform.run("runs", "list", "-D", "fails", "--event-id", "event-1", "--kind", "event", "-o", "json")
    )
    assert (run["state"], run["definition"]) == ("failed", "fails")
    page = said(platform, "runs", "show", run["run_id"])
    assert f"run {run['run_id']}\n" in page
    assert f"{platform.topic}/" in page
    assert "ValueError: refused" in page
    (task,) = as_json(platform.run("tasks", "list", "--run", run["run_id"], "-o", "json"))
    assert task["params"] == {"order": "event-1"}
    assert "order: event-1" in said(platform, "tasks", "show", task["task_id"])

    following = platform.scalar(follower)
    lines = said(platform, "runs", "lineage", run["run_id"]).splitlines()
    assert any(line.startswith(f"└ * fails@1 failed  {run['run_id']}") for line in lines)
    assert any(line.startswith(f"  └ follows@1 running  {following}") for line in lines)
    assert any(f"outcome {run['run_id']}/failed" in line for line in lines)

    assert said(platform, "runs", "cancel", following, "--because", "not needed") == f"{following}: asked to end\n"
    cancelled = "SELECT state FROM activity_runs WHERE activity_name = 'follows'"
    eventually(lambda: platform.scalar(cancelled) == "cancelled", "it is cancelled")
    assert "cancelled" in said(platform, "runs", "cancel", following, "--because", "again", status=4)

    assert "--because" in said(platform, "runs", "rerun", run["run_id"], status=2)
    again = said(platform, "runs", "rerun", run["run_id"], "--because", "mended")
    assert again == f"{run['run_id']}: run again as {run['run_id']}-g2, in version 1\n"
    eventually(lambda: platform.scalar(states) == 2, "it runs again")
    assert f"rerun as    {run['run_id']}-g2, by local:" in said(platform, "describe", "run", run["run_id"])
    trail = as_json(platform.run("audit", "trail", "--name", run["run_id"], "-o", "json"))
    assert {line["reason"] for line in trail} == {"mended"}


def test_a_schedule_is_fired_held_made_up_for_and_audited(platform: Platform) -> None:
    platform.apply(DEFINITIONS.replace("{outcomes}", platform.outcomes_topic))
    platform.start("run")
    platform.worker()
    eventually(
        lambda: as_json(platform.run("schedules", "next", "yearly", "-o", "json"))["source"] == "temporal",
        "Temporal has its schedule",
    )
    fired = said(platform, "schedules", "trigger", "yearly", "--because", "wanted now", "--idempotency-key", "once")
    assert fired.startswith("yearly: started ")
    again = said(platform, "schedules", "trigger", "yearly", "--because", "wanted now", "--idempotency-key", "once")
    assert again == fired
    (run,) = as_json(platform.run("runs", "list", "--kind", "cron", "-o", "json"))
    assert (run["definition"], run["event_id"]) == ("yearly", "manual:once")
    assert "next ticks\nTICK " in said(platform, "describe", "schedule", "yearly")
    assert said(platform, "schedules", "pause", "yearly", "--because", "flood") == "paused yearly\n"
    assert "flood" in said(platform, "schedules", "list")
    made_up = said(platform, "schedules", "backfill", "yearly", "--from", "800d", "--because", "it is new")
    assert made_up.splitlines()[-1] in {"2 asked", "3 asked"}
    assert "BALANCED" in said(platform, "audit", "schedules", "--since", "1d")
