"""`taskfactory get`: what a row of a table says."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from taskfactory.cli.get import runs_table, tasks_table, took
from taskfactory.cli.main import app
from taskfactory.envelope import Failure
from taskfactory.registry import RunRow, RunStore, TaskEnd, TaskRow, migrate, open_engine
from tests.registry.samples import one_task, owner, planned_task, run_input

AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def test_a_failed_run_shows_its_reason() -> None:
    run = RunRow(
        run_id="activity-a-k",
        activity_name="orders",
        version=3,
        generation=2,
        state="failed",
        error=Failure(type="cel_error", message="no such key: sku"),
        dedupe_strategy="event_id",
        dedupe_key="/shop 7",
        event_source="/shop",
        event_id="7",
        event_type="order.placed",
        task_count=2,
        started_at=AT,
        ended_at=AT + timedelta(milliseconds=840),
    )
    table = runs_table([run])
    row = dict(zip(table.head, table.rows[0], strict=True))
    assert row["REASON"] == "cel_error: no such key: sku"
    assert (row["DEFINITION"], row["STATE"], row["TASKS"]) == ("orders@3", "failed", "2")
    assert (row["STARTED"], row["TOOK"]) == ("2026-11-23 09:30:00Z", "0.84s")
    assert (row["KEY"], row["GENERATION"]) == ("/shop 7", "2")


def test_a_task_that_no_worker_polls_shows_that_it_waits() -> None:
    task = TaskRow(
        task_id="activity-a-k/reserve",
        run_id="activity-a-k",
        activity_name="orders",
        name="reserve",
        index=None,
        type="activity",
        handler="reserve_stock",
        queue="warehouse",
        state="waiting_for_worker",
        attempts=0,
        error=None,
        scheduled_at=AT,
        ended_at=None,
    )
    table = tasks_table([task])
    row = dict(zip(table.head, table.rows[0], strict=True))
    assert (row["STATE"], row["QUEUE"], row["ENDED"], row["REASON"]) == ("waiting_for_worker", "warehouse", "-", "-")


@pytest.mark.parametrize(("output", "parse"), [("json", json.loads), ("yaml", YAML(typ="safe", pure=True).load)])
def test_programs_are_given_params_and_results_which_the_table_leaves_out(
    stack: Any, output: str, parse: Callable[[str], Any]
) -> None:
    url = stack.database()
    engine = open_engine(url)
    migrate(engine)
    run = run_input(activity_id="0b7c2f0e-9a34-4b53-8c2e-111111111111")
    store = RunStore(engine)
    store.plan([run], owner(), one_task)
    result = {"reserved": 2**80, "note": "für später", "parts": [None]}
    store.finish([TaskEnd(run_id=run.run_id, task_id=planned_task(run).task_id, status="completed", result=result)])
    engine.dispose()

    def shown(*arguments: str) -> str:
        env = {"TASKFACTORY_DATABASE_URL": url}
        ended = CliRunner().invoke(app, ["get", "tasks", "--run", run.run_id, *arguments], env=env)
        assert ended.exit_code == 0, ended.stderr
        return ended.stdout

    (task,) = parse(shown("-o", output))
    assert (task["state"], task["params"], task["result"]) == ("completed", {"sku": "A-1"}, result)
    assert "A-1" not in shown()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs", "--state", "waiting_for_worker"], "runs can be running, completed, failed, cancelled, skipped"),
        (["tasks", "--state", "open"], "waiting_for_worker"),
        (["definitions", "--state", "failed"], "definitions have no --state"),
    ],
)
def test_a_state_that_there_is_not_is_refused_with_those_that_there_are(arguments: list[str], said: str) -> None:
    shown = CliRunner().invoke(app, ["get", *arguments])
    assert shown.exit_code == 2
    assert said in shown.stderr


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0.00s"), (9.994, "9.99s"), (12.4, "12s"), (62, "0:01:02"), (90_000, "1 day, 1:00:00")]
)
def test_a_span_is_shown_as_precisely_as_it_is_short(seconds: float, shown: str) -> None:
    assert took(timedelta(seconds=seconds)) == shown
