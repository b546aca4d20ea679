"""A demo run shares nothing with other users of its stack."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from examples.shop.premises import on_queue, open_runs_query, premises
from examples.shop.stage import DATABASE_PREFIX, DEFINITIONS, QUEUE, Stage
from taskfactory.definitions import load_definitions
from taskfactory.dev import Endpoints
from tests.conftest import RunningStack


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    endpoints = Endpoints("k:1", "postgresql://u@p:2/taskfactory", "t:3", "http://ui:4")
    return Stage(endpoints, tmp_path / "abcd", "abcd")


def test_every_task_of_every_definition_goes_to_the_runs_own_queue(stage: Stage) -> None:
    for file in DEFINITIONS.glob("*.yaml"):
        (given,) = load_definitions(file.read_text(), file.name)
        (own,) = load_definitions(on_queue(file.read_text(), stage.queue), file.name)
        assert {task.queue for task in given.tasks} == {QUEUE}
        assert {task.queue for task in own.tasks} == {"warehouse-abcd"}


def test_the_services_work_on_a_database_of_their_own(stage: Stage) -> None:
    assert stage.env()["TASKFACTORY_DATABASE_URL"] == "postgresql://u@p:2/taskfactory_demo_abcd"


def test_open_runs_are_looked_for_on_the_runs_own_queues_only() -> None:
    assert open_runs_query(["a", "b"]) == (
        "TaskQueue IN ('shop-a', 'warehouse-a', 'shop-b', 'warehouse-b') AND ExecutionStatus = 'Running'"
    )


def test_the_link_to_temporals_ui_shows_this_run_only(stage: Stage) -> None:
    query = parse_qs(urlsplit(stage.runs_url).query)["query"]
    assert query == [f'`TaskQueue`="{stage.env()["TASKFACTORY_ORCHESTRATOR_QUEUE"]}"']


def test_a_demos_database_outlives_it_until_the_next_one_and_is_safe_while_it_runs(
    stack: RunningStack, tmp_path: Path
) -> None:
    def on_stage(hint: str) -> Stage:
        token = stack.name(hint)
        return Stage(stack.endpoints, tmp_path / token, token)

    def there(stage: Stage) -> bool:
        with psycopg.connect(stack.endpoints.database_url) as connection:
            return bool(connection.execute("SELECT FROM pg_database WHERE datname = %s", [stage.database]).fetchall())

    over, running, later = on_stage("over"), on_stage("running"), on_stage("later")
    with premises(running):
        with premises(over):
            pass
        assert there(over)
        with premises(later):
            assert {stage: there(stage) for stage in (over, running, later)} == {
                over: False,
                running: True,
                later: True,
            }
    assert running.database.startswith(DATABASE_PREFIX)
