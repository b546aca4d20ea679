"""What the commands make of the Admin API's answers, and of having none."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from taskfactory.cli.api_problems import problem_of
from taskfactory.cli.errors import BadInput, Conflict, NotFound, OperationFailed
from tests.cli.conftest import Command
from tests.cli.fake_api import FakeApi, Reply, drop, problem

DOCUMENT = {"name": "orders"}


def test_requests_carry_the_key_and_lists_are_read_to_their_end(fake_api: FakeApi, taskfactory: Command) -> None:
    for number in range(1203):
        fake_api.put(f"d-{number:04}", {})
    rows = json.loads(taskfactory("get", "definitions", "-o", "json").stdout)
    assert [row["name"] for row in rows] == [f"d-{number:04}" for number in range(1203)]
    assert [request.query["limit"] for request in fake_api.requests] == ["500"] * 3


def test_a_wrong_key_is_told_with_where_keys_come_from(taskfactory: Command) -> None:
    told = taskfactory("get", "definitions", status=1, TASKFACTORY_API_KEY="tf_other").stderr
    assert "TASKFACTORY_API_KEY is what was sent" in told


@pytest.mark.parametrize("trouble", [drop, Reply(503, None, {"Retry-After": "0"}), Reply(429), Reply(502)])
def test_a_moment_without_an_answer_is_bridged(fake_api: FakeApi, taskfactory: Command, trouble: Reply) -> None:
    fake_api.put("orders", {})
    fake_api.faults += [trouble, trouble]
    assert "orders" in taskfactory("get", "definitions").stdout
    assert len(fake_api.requests) == 3


def test_a_post_whose_answer_is_lost_is_sent_again_under_its_key_and_done_once(
    fake_api: FakeApi, taskfactory: Command
) -> None:
    fake_api.faults.append(drop)
    taskfactory("keys", "create", "ci", "--role", "viewer")
    first, second = fake_api.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_a_server_that_stays_away_is_a_sentence_with_what_to_do(taskfactory: Command) -> None:
    told = taskfactory("get", "definitions", status=1, TASKFACTORY_API_URL="http://127.0.0.1:1").stderr
    assert told.startswith("The Admin API at http://127.0.0.1:1 could not be reached: ")
    assert "or unset that: commands then bring the API along." in told


def test_a_server_that_wants_much_patience_is_told_at_once(fake_api: FakeApi, taskfactory: Command) -> None:
    away = problem(503, "unavailable", "PostgreSQL does not answer.")
    fake_api.faults.append(Reply(503, away.value, {"Retry-After": "60"}))
    assert taskfactory("get", "definitions", status=1).stderr == "PostgreSQL does not answer.\n"
    assert len(fake_api.requests) == 1


def test_a_database_that_is_not_migrated_is_told_at_once(fake_api: FakeApi, taskfactory: Command) -> None:
    fake_api.faults.append(problem(503, "not-migrated", "Run `taskfactory migrate` first."))
    assert taskfactory("get", "definitions", status=1).stderr == "Run `taskfactory migrate` first.\n"
    assert len(fake_api.requests) == 1


def test_a_delete_is_sent_once_for_its_second_arrival_would_find_nothing(
    fake_api: FakeApi, taskfactory: Command
) -> None:
    fake_api.put("orders", {})
    fake_api.faults += [Reply(200, {"name": "orders", "state": "enabled"}, {"ETag": '"1-1"'}), drop]
    taskfactory("delete", "definition", "orders", status=1)
    assert [request.method for request in fake_api.requests] == ["GET", "DELETE"]


@pytest.mark.parametrize("url", ["taskfactory.example.com", "ftp://x", "http://"])
def test_an_address_that_is_none_is_bad_input(taskfactory: Command, url: str) -> None:
    told = taskfactory("get", "definitions", status=2, TASKFACTORY_API_URL=url).stderr
    assert told.startswith("TASKFACTORY_API_URL: allowed is the address of an Admin API")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadInput),
        (401, OperationFailed),
        (403, OperationFailed),
        (404, NotFound),
        (409, Conflict),
        (412, Conflict),
        (413, BadInput),
        (422, BadInput),
        (428, BadInput),
        (500, OperationFailed),
        (503, OperationFailed),
    ],
)
def test_each_problem_ends_the_command_in_its_own_way(status: int, kind: type[Exception]) -> None:
    body = json.dumps(problem(status, "some-code", "What was found.").value).encode()
    failure = problem_of(status, body, "The Admin API").failure
    assert type(failure) is kind
    assert "What was found." in str(failure)


def test_what_is_no_answer_of_the_api_is_told_as_such() -> None:
    failure = problem_of(404, b"<html>nginx</html>", "The Admin API at http://x").failure
    assert str(failure) == "The Admin API at http://x answered 404 Not Found, which is no answer of our API."
    assert not isinstance(failure, NotFound)


def test_where_the_api_names_a_route_a_command_names_a_command() -> None:
    said = "There is no run 'x', or none any more; GET /v1/runs lists them."
    body = json.dumps(problem(404, "not-found", said).value).encode()
    assert str(problem_of(404, body, "").failure).endswith("none any more; `taskfactory runs list` lists them.")


def test_each_error_of_the_input_is_a_line_with_its_place_and_parameters_are_options() -> None:
    errors = [
        {"origin": "shop.yaml", "line": 12, "column": 5, "path": "tasks[0].queue", "message": "found 7"},
        {"path": "query.event_id", "message": "too long"},
        {"path": "body.reason", "message": "too long"},
    ]
    body = json.dumps(problem(422, "invalid", "Wrong.", errors=errors).value).encode()
    assert problem_of(422, body, "").failure.messages == (
        "shop.yaml:12:5: tasks[0].queue: found 7",
        "--event-id: too long",
        "body.reason: too long",
    )


def test_ctrl_c_ends_a_command_that_waits_for_an_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        command = [str(Path(sys.executable).with_name("taskfactory")), "get", "definitions"]
        env = os.environ | {"TASKFACTORY_API_URL": url}
        waiting = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
        connection, _ = listening.accept()
        with connection:
            connection.recv(1)
            waiting.send_signal(signal.SIGINT)
            told = waiting.communicate(timeout=60)[1]
    assert (waiting.returncode, told) == (130, "Interrupted.\n")
