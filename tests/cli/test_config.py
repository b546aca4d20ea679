"""`taskfactory config`: every variable, its value as it may be seen, and where it comes from."""

import json

import pytest
from typer.testing import CliRunner

from taskfactory.cli.config import described
from taskfactory.cli.main import app
from taskfactory.cli.settings import CliSettings

ENVIRONMENT = {
    "TASKFACTORY_DATABASE_URL": "postgresql://me:letmein@db.example:5432/taskfactory",
    "TASKFACTORY_TEMPORAL_API_KEY": "letmein",
    "TASKFACTORY_TEMPORAL_TLS__CLIENT_PRIVATE_KEY": "letmein",
    "TASKFACTORY_TEMPORAL_TLS__DOMAIN": "temporal.example",
    "TASKFACTORY_KAFKA_CONFIG__SASL_PASSWORD": "letmein",
    "TASKFACTORY_KAFKA_CONFIG__SESSION_TIMEOUT_MS": "6000",
    "TASKFACTORY_KAFKA_TOPICS": "orders,returns",
}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[object, str]]:
    """Variable → its value as shown, and its source."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    found = described("cli", CliSettings(), ENVIRONMENT)
    return {item.variable: (item.value, item.source) for item in found}


def test_a_value_is_shown_with_its_source(settings: dict[str, tuple[object, str]]) -> None:
    assert settings["TASKFACTORY_KAFKA_TOPICS"] == (["orders", "returns"], "environment")
    assert settings["TASKFACTORY_TEMPORAL_RETENTION"] == ("7d", "default")


def test_nested_values_have_a_variable_each(settings: dict[str, tuple[object, str]]) -> None:
    assert settings["TASKFACTORY_TEMPORAL_TLS__DOMAIN"] == ("temporal.example", "environment")
    assert settings["TASKFACTORY_TEMPORAL_TLS__ENABLED"] == (False, "default")
    assert settings["TASKFACTORY_KAFKA_CONFIG__SESSION_TIMEOUT_MS"] == ("6000", "environment")


def test_no_secret_is_shown(settings: dict[str, tuple[object, str]]) -> None:
    assert "letmein" not in repr(settings)
    shown = settings["TASKFACTORY_DATABASE_URL"][0]
    assert shown == "postgresql://me:********@db.example:5432/taskfactory"


def test_a_value_given_in_json_counts_as_given() -> None:
    given = {"taskfactory_temporal_tls": '{"enabled": true}'}
    found = {item.variable: item.source for item in described("cli", CliSettings(), given)}
    assert found["TASKFACTORY_TEMPORAL_TLS__ENABLED"] == "environment"


def test_the_command_shows_one_service_or_all() -> None:
    shown = CliRunner().invoke(app, ["config", "-o", "json"])
    assert {item["service"] for item in json.loads(shown.stdout)} >= {"cli", "worker", "orchestrator", "ingress"}
    shown = CliRunner().invoke(app, ["config", "worker", "-o", "json"])
    assert {item["service"] for item in json.loads(shown.stdout)} == {"worker"}


def test_an_unknown_service_is_told_with_those_that_there_are() -> None:
    shown = CliRunner().invoke(app, ["config", "adminn"])
    assert shown.exit_code == 2
    assert shown.stderr.startswith("no service 'adminn' is installed; there are ")


def test_every_wrong_variable_is_told() -> None:
    shown = CliRunner().invoke(
        app, ["config", "worker"], env={"TASKFACTORY_METRICS_PORT": "x", "TASKFACTORY_DRAIN_TIMEOUT": "-1"}
    )
    assert shown.exit_code == 2
    assert "TASKFACTORY_METRICS_PORT: " in shown.stderr
    assert "TASKFACTORY_DRAIN_TIMEOUT: " in shown.stderr


def test_a_refused_setting_is_told_without_the_secrets_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFACTORY_KAFKA_CONFIG__SASL_PASSWORD", "letmein")
    monkeypatch.setenv("TASKFACTORY_KAFKA_CONFIG__SSL_KEY_PASSWORD_FILE", "/nowhere/password")
    told = CliRunner().invoke(app, ["config", "ingress"])
    assert told.exit_code == 2
    assert "/nowhere/password" in told.output
    assert "letmein" not in told.output
