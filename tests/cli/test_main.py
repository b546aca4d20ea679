"""The command as a whole: what it offers, how it tells of trouble, and that asking for help is cheap."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from taskfactory.cli.errors import OperationFailed
from taskfactory.cli.kafka import kafka
from taskfactory.cli.main import OWN_COMMANDS, app
from taskfactory.cli.plugins import resolve
from taskfactory.cli.variables import reaching
from taskfactory.runtime import KafkaSettings

runner = CliRunner()


def test_help_lists_own_commands_services_and_what_other_packages_add() -> None:
    shown = runner.invoke(app, ["--help"]).stdout
    for name in (*OWN_COMMANDS, "ingress", "orchestrator", "worker", "dev"):
        assert f" {name} " in shown


def test_help_loads_neither_temporal_nor_kafka_nor_the_database() -> None:
    program = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from taskfactory.cli.main import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print(sorted({'temporalio', 'confluent_kafka', 'sqlalchemy', 'pydantic'} & set(sys.modules)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("name", OWN_COMMANDS)
def test_the_line_in_the_help_is_the_commands_own_first_line(name: str) -> None:
    target, summary = OWN_COMMANDS[name]
    found = resolve(target)
    text = found.registered_callback.callback.__doc__ if hasattr(found, "registered_callback") else found.__doc__
    assert text.splitlines()[0] == summary


@pytest.mark.parametrize(
    "arguments", [["get", "--help"], ["events", "send", "--help"], ["worker", "--help"], ["ingress", "--help"]]
)
def test_every_command_explains_itself(arguments: list[str]) -> None:
    shown = runner.invoke(app, arguments)
    assert shown.exit_code == 0
    assert f"Usage: root {' '.join(arguments[:-1])}" in shown.stdout


def test_the_version_is_the_packages() -> None:
    shown = runner.invoke(app, ["--version"])
    assert shown.exit_code == 0
    assert shown.stdout.startswith("taskfactory ")


def test_an_unknown_command_is_bad_input() -> None:
    assert runner.invoke(app, ["frobnicate"]).exit_code == 2


def test_a_wrong_setting_is_told_by_its_variable() -> None:
    shown = runner.invoke(app, ["migrate"], env={"TASKFACTORY_TEMPORAL_RETENTION": "1h"})
    assert shown.exit_code == 2
    assert shown.stderr == "TASKFACTORY_TEMPORAL_RETENTION: allowed is 1d or more (found '1h')\n"


def test_an_unreachable_database_is_a_sentence_with_a_hint_and_no_password() -> None:
    variable = {"TASKFACTORY_DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/x"}
    shown = runner.invoke(app, ["dedupe", "show", "-D", "x", "-k", "a", "-k", "b"], env=variable)
    assert shown.exit_code == 1
    assert shown.stderr.startswith("PostgreSQL at postgresql://u:********@127.0.0.1:1/x could not be used: ")
    assert "Start it (`taskfactory dev up`)" in shown.stderr
    assert "hidden" not in shown.stderr


def test_a_command_whose_api_is_in_its_own_process_tells_of_an_unreachable_database_too() -> None:
    variable = {"TASKFACTORY_DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/x"}
    shown = runner.invoke(app, ["audit", "trail"], env=variable)
    assert shown.exit_code == 1
    assert shown.stderr.startswith("PostgreSQL does not answer.")
    assert "Start it (`taskfactory dev up`)" in shown.stderr
    assert "hidden" not in shown.stderr
    assert not shown.stdout


def test_an_unreachable_kafka_is_a_sentence_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKFACTORY_KAFKA_BOOTSTRAP_SERVERS", raising=False)
    settings = KafkaSettings(kafka_bootstrap_servers="127.0.0.1:1")
    with pytest.raises(OperationFailed) as failed, kafka(settings, answer_seconds=0.2):
        pass
    assert failed.value.messages[0].startswith("Kafka at 127.0.0.1:1 could not be used: ")
    assert failed.value.messages[0].endswith(
        "TASKFACTORY_KAFKA_BOOTSTRAP_SERVERS is not set; for the local stack: "
        'set -a; eval "$(taskfactory dev up --format env)"; set +a'
    )


@pytest.mark.parametrize("name", ["TASKFACTORY_DATABASE_URL", "TASKFACTORY_TEMPORAL_ADDRESS"])
def test_the_hint_depends_on_whether_the_address_was_given(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name, raising=False)
    assert reaching(name).startswith(f"{name} is not set; ")
    monkeypatch.setenv(name, "somewhere")
    assert reaching(name) == f"Start it (`taskfactory dev up`), or check {name}."


def test_a_value_that_is_not_offered_is_told_without_jargon() -> None:
    shown = runner.invoke(app, ["get", "foo"])
    assert shown.exit_code == 2
    assert "Value error" not in shown.stderr
    assert "'foo' is not one of" in shown.stderr


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("TASKFACTORY_DATABASE_URL", "mysql://x/y", "TASKFACTORY_DATABASE_URL: the database URL starts with mysql://"),
        ("TASKFACTORY_DATABASE_URL", "::", "TASKFACTORY_DATABASE_URL: the database URL can't be parsed"),
    ],
)
def test_a_database_url_that_is_none_is_bad_input(variable: str, value: str, sentence: str) -> None:
    shown = runner.invoke(app, ["get", "runs"], env={variable: value})
    assert shown.exit_code == 2
    assert shown.stderr.startswith(sentence)


def test_an_unknown_kafka_property_is_bad_input() -> None:
    shown = runner.invoke(app, ["outcomes", "tail"], env={"TASKFACTORY_KAFKA_CONFIG__NO_SUCH": "1"})
    assert shown.exit_code == 2
    assert shown.stderr == 'TASKFACTORY_KAFKA_CONFIG__…: No such configuration property: "no.such"\n'


@pytest.mark.parametrize("command", [["audit", "records"], ["dlq", "redrive"]])
def test_help_is_wrapped_for_the_terminal_and_not_for_the_editor(command: list[str]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).stdout
    prose = [line.strip() for line in shown.partition("╭")[0].splitlines()]
    paragraphs = [paragraph.strip().splitlines() for paragraph in "\n".join(prose).split("\n\n")]
    inner = [line for paragraph in paragraphs for line in paragraph[:-1]]
    assert len(inner) > 2
    assert min(map(len, inner)) > 55
