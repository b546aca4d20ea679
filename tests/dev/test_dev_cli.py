"""`taskfactory dev` without a server."""

import json
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from taskfactory.dev.cli import app, as_env, as_json, as_table
from taskfactory.dev.endpoints import HOST, ApiAccess, Endpoints
from taskfactory.dev.state import Mode, StackState, StateFolder

PORTS = {"kafka": 1, "kafka_controller": 2, "temporal": 3, "ui": 4, "postgres": 5}
SETTINGS = {
    "TASKFACTORY_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "TASKFACTORY_KAFKA_TOPICS": "events",
    "TASKFACTORY_KAFKA_GROUP_ID": "taskfactory",
    "TASKFACTORY_OUTCOMES_TOPIC": "taskfactory.outcomes",
    "TASKFACTORY_DLQ_TOPIC": "taskfactory.dlq",
    "TASKFACTORY_DATABASE_URL": "postgresql://taskfactory@127.0.0.1:5/taskfactory",
    "TASKFACTORY_TEMPORAL_ADDRESS": "127.0.0.1:3",
    "TASKFACTORY_TEMPORAL_NAMESPACE": "default",
    "TASKFACTORY_METRICS_PORT": "0",
}


@pytest.fixture
def endpoints() -> Endpoints:
    return Endpoints.at(PORTS)


def test_a_shell_that_evaluates_the_env_format_has_the_settings(endpoints: Endpoints) -> None:
    script = f"set -a; eval '{as_env(endpoints)}'; env"
    out = subprocess.run(["/bin/sh", "-c", script], env={}, capture_output=True, text=True, check=True).stdout
    seen = dict(line.split("=", 1) for line in out.splitlines())
    assert {name: value for name, value in seen.items() if name.startswith("TASKFACTORY")} == SETTINGS


def test_a_schema_registry_is_among_the_settings_where_there_is_one() -> None:
    env = Endpoints.at({**PORTS, "schema_registry": 6}).env()
    assert env == {**SETTINGS, "TASKFACTORY_SCHEMA_REGISTRY_URL": "http://127.0.0.1:6/apis/ccompat/v7"}


def test_the_admin_api_s_key_is_among_the_settings_of_a_folder_s_stack(endpoints: Endpoints) -> None:
    with_api = replace(endpoints, api=ApiAccess(7, "tf_key"))
    assert with_api.env() == {
        **SETTINGS,
        "TASKFACTORY_API_PORT": "7",
        "TASKFACTORY_API_BOOTSTRAP_KEY": "tf_key",
        "TASKFACTORY_API_KEY": "tf_key",
    }
    assert all("http://127.0.0.1:7" in render(with_api) for render in (as_env, as_json, as_table))
    assert "tf_key" not in as_table(with_api) + repr(with_api)


def test_every_format_tells_where_the_ui_is(endpoints: Endpoints) -> None:
    assert all("http://127.0.0.1:4" in render(endpoints) for render in (as_env, as_json, as_table))


def test_json_has_addresses_and_settings(endpoints: Endpoints) -> None:
    read = json.loads(as_json(endpoints))
    assert read["env"] == SETTINGS
    assert read["temporal_ui_url"] == "http://127.0.0.1:4"


def test_status_fails_when_nothing_runs(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--state", str(tmp_path), "--format", "json"])
    assert result.exit_code == 1
    assert {part["name"]: part["problem"] for part in json.loads(result.stdout)} == {
        "kafka": "is not running",
        "temporal": "is not running",
        "postgres": "is not running",
    }


def test_down_of_nothing_is_no_error_and_makes_no_folder(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["down", "--state", str(tmp_path / "none")])
    said = f"nothing was running in {tmp_path / 'none'}; for the stack of another folder give --state\n"
    assert (result.exit_code, result.stdout) == (0, said)
    assert not (tmp_path / "none").exists()


def test_status_of_a_folder_without_a_stack_says_where_it_looked(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--state", str(tmp_path)])
    assert result.exit_code == 1
    assert str(tmp_path) in result.stderr
    assert "--state" in result.stderr


def test_up_on_a_taken_port_leaves_no_folder(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = str(taken.getsockname()[1])
        state = tmp_path / "a" / "state"
        result = CliRunner().invoke(app, ["up", "--native", "--kafka-port", port, "--state", str(state)])
    assert result.exit_code == 1
    assert "--kafka-port" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_does_not_offer_the_completion_of_a_program_of_its_own() -> None:
    assert "completion" not in CliRunner().invoke(app, ["--help"]).stdout


def test_logs_of_an_unknown_part_name_the_known_ones(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.log("kafka").touch()
    folder.log("postgres").touch()
    result = CliRunner().invoke(app, ["logs", "kafak", "--state", str(tmp_path)])
    assert result.exit_code == 1
    assert "there are kafka, postgres" in result.stderr


def test_an_error_is_one_message_and_exit_code_1(tmp_path: Path) -> None:
    StateFolder(tmp_path).write(StackState(mode=Mode.DOCKER))
    result = CliRunner().invoke(app, ["up", "--native", "--state", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: the stack in ")
    assert result.stdout == ""
