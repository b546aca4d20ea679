"""The commands on real servers."""

import getpass
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from typer.testing import CliRunner, Result

from taskfactory.cli.main import app

DEFINITION = """\
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: {name}
description: {description}
trigger:
  type: event
  match: {{type: [order.placed]}}
tasks:
  - {{name: reserve, type: activity, handler: reserve_stock, queue: warehouse}}
"""
EVENTS = "\n".join(
    json.dumps({"specversion": "1.0", "id": str(number), "source": "/shop", "type": "order.placed", "subject": "o"})
    for number in range(3)
)


class Endpoints(Protocol):
    def env(self) -> dict[str, str]: ...


class Stack(Protocol):
    """What these tests use of the session's stack."""

    endpoints: Endpoints

    def name(self, hint: str) -> str: ...
    def topic(self, hint: str = ..., *, config: dict[str, str] | None = ...) -> str: ...
    def database(self) -> str: ...


class Cli:
    """`taskfactory`, pointed at the stack and at names of its own there."""

    def __init__(self, stack: Stack) -> None:
        self.outcomes = stack.name("outcomes")
        self.dlq = stack.name("dlq")
        self.namespace = stack.name("namespace")
        self.database = stack.database()
        self.env = {
            **stack.endpoints.env(),
            "TASKFACTORY_DATABASE_URL": self.database,
            "TASKFACTORY_TEMPORAL_NAMESPACE": self.namespace,
            "TASKFACTORY_OUTCOMES_TOPIC": self.outcomes,
            "TASKFACTORY_DLQ_TOPIC": self.dlq,
            "TASKFACTORY_KAFKA_TOPICS": stack.topic("input", config={"max.message.bytes": "3000000"}),
        }

    def run(self, *arguments: str, status: int = 0, given: str | None = None, **env: str) -> Result:
        """Call it and check its exit status; `given` is its standard input."""
        ended = CliRunner().invoke(app, arguments, input=given, env=self.env | env)
        assert ended.exit_code == status, ended.stderr
        return ended

    def process(self, *arguments: str) -> str:
        """The same in a process of its own; gives what it printed."""
        command = [str(Path(sys.executable).with_name("taskfactory")), *arguments]
        ended = subprocess.run(command, env=os.environ | self.env, stdout=subprocess.PIPE, text=True, check=True)
        return ended.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "-o", "json").stdout)


@pytest.fixture(scope="module")
def cli(stack: Stack) -> Cli:
    """The command on a migrated database."""
    cli = Cli(stack)
    cli.run("migrate")
    return cli


def test_migrate_creates_what_is_missing_and_changes_nothing_the_second_time(stack: Stack) -> None:
    cli = Cli(stack)
    first = cli.run("migrate", TASKFACTORY_TEMPORAL_RETENTION="2d").stdout
    assert f"temporal: namespace {cli.namespace!r} created, retention 2d\n" in first
    assert "temporal: search attributes added: TaskfactoryActivity, " in first
    assert f"kafka: topic {cli.outcomes!r} created\n" in first
    assert f"kafka: topic {cli.dlq!r} created, records up to 4,048,576 bytes\n" in first
    second = cli.run("migrate", TASKFACTORY_TEMPORAL_RETENTION="2d").stdout
    assert f"temporal: namespace {cli.namespace!r} is there, retention 2d\n" in second
    assert "temporal: search attributes are there\n" in second
    assert "created" not in second


def test_migrate_ends_orderly_in_a_process_of_its_own(cli: Cli) -> None:
    # The Temporal SDK was seen to abort interpreters that end in the ordinary way after using it.
    assert f"temporal: namespace {cli.namespace!r} is there" in cli.process("migrate")


def test_migrate_changes_the_retention_to_what_is_set(cli: Cli) -> None:
    changed = cli.run("migrate", TASKFACTORY_TEMPORAL_RETENTION="9d").stdout
    assert f"temporal: namespace {cli.namespace!r}: retention changed from 7d to 9d\n" in changed
    cli.run("migrate")


def test_a_database_that_was_not_migrated_is_told_by_name(stack: Stack) -> None:
    ended = Cli(stack).run("get", "runs", status=1)
    assert "lacks tables of this version." in ended.stderr
    assert "`taskfactory migrate`" in ended.stderr
    assert "dev up" not in ended.stderr, "it is there"


def test_apply_creates_then_updates_what_changed_only(cli: Cli, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / f"{name}.yaml").write_text(DEFINITION.format(name=name, description="old"))
    created = "+ create first (version 1)\n+ create second (version 1)\napplied: 2 created\n"
    assert cli.run("apply", "-f", str(tmp_path)).stdout == created
    (tmp_path / "second.yaml").write_text(DEFINITION.format(name="second", description="new"))
    updated = "~ update second (version 2): description\n= 1 unchanged\napplied: 1 updated, 1 unchanged\n"
    assert cli.run("apply", "-f", str(tmp_path)).stdout == updated
    assert cli.run("apply", "-f", str(tmp_path)).stdout == "= 2 unchanged\n"
    assert [(row["name"], row["version"]) for row in cli.json("get", "definitions")] == [("first", 1), ("second", 2)]
    (shown,) = cli.json("get", "definitions", "second")
    assert shown["document"]["description"] == "new"
    assert cli.run("get", "definitions", "third", status=1).stderr.startswith("There is no definition named 'third'.")


def test_one_broken_file_applies_nothing(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(DEFINITION.format(name="never-applied", description="x"))
    (tmp_path / "broken.yaml").write_text("kind: ActivityDefinition\n")
    cli.run("apply", "-f", str(tmp_path), status=2)
    assert "never-applied" not in cli.run("get", "definitions").stdout


def test_a_value_that_the_database_refuses_is_bad_input(cli: Cli) -> None:
    given = DEFINITION.format(name="with-nul", description='"a\\0b"')
    ended = cli.run("apply", "-f", "-", given=given, status=2)
    assert "Traceback" not in ended.stderr


def test_runs_and_tasks_are_listed_with_their_reasons(cli: Cli) -> None:
    assert cli.json("get", "runs") == []
    head = cli.run("get", "tasks").stdout.split()
    assert head == ["ENDED", "STATE", "HANDLER", "QUEUE", "ATTEMPTS", "TASK", "REASON"]
    assert cli.run("get", "runs", "no-such-run", status=1).stderr.startswith("Nothing fits run 'no-such-run'.")


def test_an_empty_result_says_so_beside_the_result(stack: Stack) -> None:
    cli = Cli(stack)
    cli.run("migrate")
    assert "`taskfactory apply -f FILE` registers them" in cli.run("get", "definitions").stderr
    assert cli.run("get", "runs").stderr.startswith("No runs yet: ")
    assert cli.run("get", "tasks", "--state", "failed").stderr == "No tasks fit these options.\n"
    assert cli.json("get", "mappings") == []


@pytest.mark.parametrize(
    "command",
    [
        ["get", "definitions", "authord"],
        ["get", "runs", "-D", "authord"],
        ["dlq", "list", "-D", "authord"],
        ["dlq", "redrive", "-D", "authord"],
        ["pause", "authord"],
        ["dedupe", "show", "-D", "authord", "-k", "x", "-k", "y"],
        ["runs", "rerun", "--failed", "-D", "authord"],
    ],
)
def test_every_command_tells_an_unknown_definition_in_the_same_words(cli: Cli, command: list[str]) -> None:
    cli.run("apply", "-f", "-", given=DEFINITION.format(name="authored", description="x"))
    told = cli.run(*command, status=1).stderr
    assert told.startswith("There is no definition named 'authord' (did you mean 'authored'?).")


def test_a_namespace_that_is_missing_is_not_taken_for_runs_that_never_started(cli: Cli) -> None:
    cli.run("apply", "-f", "-", given=DEFINITION.format(name="asked", description="x"))
    event = EVENTS.splitlines()[0]
    explain = "explain", "--event", "-", "-D", "asked"
    assert "would_start" in cli.run(*explain, given=event).stdout
    told = cli.run(*explain, given=event, status=1, TASKFACTORY_TEMPORAL_NAMESPACE="nowhere").stderr
    assert "Namespace nowhere is not found" in told
    told = cli.run(*explain, given=event, status=1, TASKFACTORY_TEMPORAL_ADDRESS="127.0.0.1:1").stderr
    assert "Temporal at 127.0.0.1:1" in told


@pytest.mark.parametrize("wire_format", ["structured", "binary", "avro"])
def test_events_are_sent_and_tail_reads_what_a_topic_holds(cli: Cli, stack: Stack, wire_format: str) -> None:
    topic = stack.topic("events")
    sent = cli.run("events", "send", "-f", "-", "--topic", topic, "--format", wire_format, given=EVENTS)
    assert sent.stdout.startswith(f"sent 3 events to {topic} at ")
    tail = ["outcomes", "tail", "--from-beginning", "-o", "json", "--timeout", "30"]
    read = cli.run(*tail, "--count", "3", TASKFACTORY_OUTCOMES_TOPIC=topic).stdout.splitlines()
    assert [json.loads(line)["id"] for line in read] == ["0", "1", "2"]


def test_tail_fails_when_fewer_came_in_time(cli: Cli, stack: Stack) -> None:
    tail = ["outcomes", "tail", "--count", "1", "--timeout", "1"]
    ended = cli.run(*tail, status=1)
    assert ended.stderr == f"0 of 1 outcomes came from {cli.outcomes!r} within 1 s.\n"
    ended = cli.run(*tail, status=1, TASKFACTORY_OUTCOMES_TOPIC=stack.name("nowhere"))
    assert "`taskfactory migrate` creates it" in ended.stderr


def test_events_for_a_topic_that_is_missing_are_sent_on_request_only(cli: Cli, stack: Stack) -> None:
    topic = stack.name("missing")
    send = ["events", "send", "-f", "-", "-t", topic]
    assert cli.run(*send, given=EVENTS, status=1).stderr.startswith(f"There is no topic {topic!r} at ")
    assert cli.run(*send, "--create-topic", given=EVENTS).stdout.startswith("sent 3 events")


def test_the_author_is_recorded(cli: Cli) -> None:
    cli.run("apply", "-f", "-", given=DEFINITION.format(name="authored", description="x"))
    (row,) = cli.json("get", "definitions", "authored")
    assert row["created_by"] == f"local:{getpass.getuser()}"


FAILED_RUNS = """
INSERT INTO activity_runs (run_id, activity_id, activity_name, version, generation, owner, state, dedupe_strategy,
    dedupe_key, trigger, event_attributes, event_digest, event_source, event_id, event_type, task_count, started_at,
    ended_at)
SELECT 'run-' || n, d.id, d.name, 1, 1, gen_random_uuid(), 'failed', 'event_id', 'k',
    '{"source": "/shop", "id": "1", "type": "order.placed"}', '{}', '', '/shop', '1', 'order.placed', 0, now(), now()
FROM generate_series(1, 11) AS n, activity_definitions AS d
"""


def test_rerunning_more_than_ten_runs_wants_a_yes(stack: Stack) -> None:
    cli = Cli(stack)
    cli.run("migrate")
    cli.run("apply", "-f", "-", given=DEFINITION.format(name="rerun", description="fails"))
    with psycopg.connect(cli.database) as connection:
        connection.execute(FAILED_RUNS)
    asked = cli.run("runs", "rerun", "--failed", status=2)
    assert "11 failed runs would be run again; add --yes to do it, or --dry-run" in asked.stderr
    for given in ("--yes", "--dry-run"):
        # Their events are nowhere, so they can't be run again; but that was tried.
        assert cli.run("runs", "rerun", "--failed", given, status=1).stdout.splitlines()[-1].startswith("11 ")
    few = ["--run", "run-1", "--run", "run-2"]
    assert cli.run("runs", "rerun", *few, status=1).stdout.splitlines()[-1].startswith("2 ")
