"""The verbs of a definition's life, keys, and completion, as commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from taskfactory.cli.names import definition_names
from tests.cli.conftest import Command
from tests.cli.fake_api import KEY, FakeApi


def test_a_change_is_based_on_what_was_read(fake_api: FakeApi, taskfactory: Command) -> None:
    fake_api.put("orders", {})
    etag = fake_api.definitions["orders"].etag
    assert taskfactory("pause", "orders", "--because", "stocktaking").stdout == "paused orders\n"
    asked = fake_api.requests[-1]
    assert (asked.headers["if-match"], asked.body) == (etag, {"reason": "stocktaking"})
    assert taskfactory("pause", "orders").stdout == "orders was paused already\n"
    assert taskfactory("resume", "orders").stdout == "resumed orders\n"
    assert taskfactory("resume", "orders").stdout == "orders was not paused\n"


def test_programs_are_told_how_definitions_stand_after_a_change(fake_api: FakeApi, taskfactory: Command) -> None:
    for name in ("orders", "refunds"):
        fake_api.put(name, {})
    told = json.loads(taskfactory("pause", "orders", "refunds", "-o", "json").stdout)
    assert [(row["name"], row["state"]) for row in told] == [("orders", "paused"), ("refunds", "paused")]


def test_programs_are_told_what_was_changed_before_one_was_refused(fake_api: FakeApi, taskfactory: Command) -> None:
    for name in ("orders", "refunds"):
        fake_api.put(name, {})
    original = fake_api._set_state

    def overtaken(*arguments: object) -> object:
        if "refunds" in arguments:
            fake_api.put("refunds", {"changed": True})
        return original(*arguments)  # type: ignore[arg-type]

    fake_api._set_state = overtaken  # type: ignore[method-assign,assignment]
    ended = taskfactory("pause", "orders", "refunds", "-o", "json", status=4)
    assert [row["name"] for row in json.loads(ended.stdout)] == ["orders"]


def test_a_change_that_comes_second_is_a_conflict(fake_api: FakeApi, taskfactory: Command) -> None:
    fake_api.put("orders", {})
    original = fake_api._set_state

    def overtaken(*arguments: object) -> object:
        fake_api.put("orders", {"changed": True})
        return original(*arguments)  # type: ignore[arg-type]

    fake_api._set_state = overtaken  # type: ignore[method-assign,assignment]
    assert "was changed meanwhile" in taskfactory("disable", "orders", status=4).stderr


def test_one_unknown_name_changes_nothing(fake_api: FakeApi, taskfactory: Command) -> None:
    fake_api.put("orders", {})
    told = taskfactory("pause", "orders", "ordesr", status=1).stderr
    assert told.startswith("There is no definition named 'ordesr' (did you mean 'orders'?).")
    assert fake_api.definitions["orders"].state == "enabled"


def test_definitions_are_deleted_as_they_were_read(fake_api: FakeApi, taskfactory: Command) -> None:
    fake_api.put("orders", {})
    assert taskfactory("delete", "definition", "orders").stdout == "deleted orders\n"
    assert fake_api.definitions == {}


def test_programs_are_told_how_deleted_definitions_stand(fake_api: FakeApi, taskfactory: Command) -> None:
    fake_api.put("orders", {})
    (row,) = json.loads(taskfactory("delete", "definition", "orders", "-o", "json").stdout)
    assert (row["name"], row["state"], row["etag"]) == ("orders", "deleted", None)


def test_programs_are_told_which_runs_were_asked_to_end_before_one_that_had_ended(taskfactory: Command) -> None:
    ended = taskfactory("runs", "cancel", "open-1", "ended-2", "open-3", "--because", "flood", "-o", "json", status=4)
    assert json.loads(ended.stdout) == [{"run_id": run, "state": "cancelling"} for run in ("open-1", "open-3")]
    assert ended.stderr.startswith("ended-2: Found: it has ended")


def test_programs_are_told_which_run_repeats_which(taskfactory: Command) -> None:
    told = json.loads(taskfactory("runs", "rerun", "r-1", "r-2", "--because", "mended", "-o", "json").stdout)
    assert [(each["of"], each["run_id"]) for each in told] == [("r-1", "r-1-g2"), ("r-2", "r-2-g2")]


def test_programs_are_told_how_schedules_and_keys_stand(taskfactory: Command) -> None:
    paused = json.loads(taskfactory("schedules", "pause", "daily", "weekly", "-o", "json").stdout)
    assert [(row["schedule"]["name"], row["schedule"]["state"]) for row in paused] == [
        ("daily", "paused"),
        ("weekly", "paused"),
    ]
    revoked = json.loads(taskfactory("keys", "revoke", "k3v9q2ax", "-o", "json").stdout)
    assert [(row["id"], row["revoked_at"] is None) for row in revoked] == [("k3v9q2ax", False)]


def test_deleting_many_wants_a_yes(fake_api: FakeApi, taskfactory: Command) -> None:
    names = [f"d-{number}" for number in range(11)]
    for name in names:
        fake_api.put(name, {})
    assert "11 definitions would be deleted; add --yes" in taskfactory("delete", "definition", *names, status=2).stderr
    taskfactory("delete", "definition", *names, "--yes")
    assert fake_api.definitions == {}


def test_a_new_keys_secret_is_the_only_line_on_standard_output(taskfactory: Command) -> None:
    made = taskfactory("keys", "create", "ci", "--role", "author", "--role", "viewer", "--expires-in", "30d")
    assert made.stdout == "tf_abcdefgh_0123456789\n"
    assert "Keep the line above: it is not shown again." in made.stderr


def test_a_keys_time_that_is_none_is_refused_before_anything_is_sent(fake_api: FakeApi, taskfactory: Command) -> None:
    assert taskfactory("keys", "create", "ci", "--role", "viewer", "--expires-in", "soon", status=2).stderr.startswith(
        "--expires-in: "
    )
    assert fake_api.requests == []


def test_names_complete_from_the_api(fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("orders", "order-fulfilment", "refunds"):
        fake_api.put(name, {})
    monkeypatch.setenv("TASKFACTORY_API_URL", fake_api.url)
    monkeypatch.setenv("TASKFACTORY_API_KEY", KEY)
    assert definition_names("ord") == ["order-fulfilment", "orders"]


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:1", "nonsense"])
def test_names_complete_to_nothing_where_no_api_answers(url: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if url is None:
        monkeypatch.delenv("TASKFACTORY_API_URL", raising=False)
    else:
        monkeypatch.setenv("TASKFACTORY_API_URL", url)
    assert definition_names("ord") == []


def test_the_whole_is_completed_by_a_shell(fake_api: FakeApi) -> None:
    """As bash asks: the words so far and which of them is being typed; subcommands and names alike."""
    fake_api.put("orders", {})
    command = Path(sys.executable).with_name("taskfactory")
    api = {"TASKFACTORY_API_URL": fake_api.url, "TASKFACTORY_API_KEY": KEY}

    def completed(words: str, number: int) -> list[str]:
        asking = {"_TASKFACTORY_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(number)}
        ended = subprocess.run([command], env=os.environ | api | asking, capture_output=True, text=True, check=True)
        return ended.stdout.split()

    assert completed("taskfactory des", 1) == ["describe"]
    assert completed("taskfactory keys re", 2) == ["revoke"]
    assert completed("taskfactory describe definition or", 3) == ["orders"]
    assert completed("taskfactory pause --bec", 2) == ["--because"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_asks_this_command(taskfactory: Command, shell: str) -> None:
    script = taskfactory("completion", shell).stdout
    assert "_TASKFACTORY_COMPLETE" in script
    assert f"complete_{shell}" in script


def test_programs_get_what_the_api_said(fake_api: FakeApi, taskfactory: Command) -> None:
    fake_api.put("orders", {"name": "orders"})
    (row,) = json.loads(taskfactory("get", "definitions", "orders", "-o", "json").stdout)
    assert (row["etag"], row["document"]) == ('"1-1"', {"name": "orders"})
