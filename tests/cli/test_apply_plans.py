"""`taskfactory apply` and `diff`: the plan, and that what is done is what was shown."""

import json
from pathlib import Path

import pytest

from taskfactory.cli.errors import BadInput
from taskfactory.cli.plan import Plan, PlanItem
from taskfactory.cli.prune_guard import allowed_deletions, require_prunable
from tests.cli.conftest import Command
from tests.cli.fake_api import FakeApi, problem
from tests.cli.test_apply_files import GOOD, write


def changed(path: Path, name: str) -> None:
    path.write_text(GOOD.format(name=name).replace("queue: warehouse", "queue: other"))


def test_a_plan_is_shown_and_carried_out_and_the_second_time_nothing_is_left(
    fake_api: FakeApi, taskfactory: Command, tmp_path: Path
) -> None:
    write(tmp_path / "a.yaml", "first", "second")
    first = taskfactory("apply", "-f", str(tmp_path)).stdout
    assert first == "+ create first (version 1)\n+ create second (version 1)\napplied: 2 created\n"
    changed(tmp_path / "b.yaml", "third")
    write(tmp_path / "a.yaml", "first")
    changed(tmp_path / "a2.yaml", "second")
    second = taskfactory("apply", "-f", str(tmp_path)).stdout
    assert "~ update second (version 2): tasks\n" in second
    assert second.endswith("= 1 unchanged\napplied: 1 created, 1 updated, 1 unchanged\n")
    posts = len(fake_api.requests)
    assert taskfactory("apply", "-f", str(tmp_path)).stdout == "= 3 unchanged\n"
    assert len(fake_api.requests) == posts + 1  # the plan says that there is nothing to do


def test_what_somebody_else_changes_between_plan_and_apply_is_a_conflict(
    fake_api: FakeApi, taskfactory: Command, tmp_path: Path
) -> None:
    write(tmp_path / "a.yaml", "first")
    taskfactory("apply", "-f", str(tmp_path))
    changed(tmp_path / "a.yaml", "first")
    fake_api.between = lambda: fake_api.put("first", {"name": "first", "by": "another"})
    told = taskfactory("apply", "-f", str(tmp_path), status=4).stderr
    assert told.startswith("first was changed meanwhile")
    assert fake_api.definitions["first"].versions[-1] == {"name": "first", "by": "another"}


def test_a_dry_run_only_says_what_would_be_done(fake_api: FakeApi, taskfactory: Command, tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "first")
    shown = taskfactory("apply", "-f", str(tmp_path), "--dry-run").stdout
    assert shown == "+ create first (version 1)\ndry run: nothing was applied\n"
    assert fake_api.definitions == {}


def test_programs_read_the_plan_and_whether_it_was_applied(taskfactory: Command, tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "first")
    assert json.loads(taskfactory("apply", "-f", str(tmp_path), "--dry-run", "-o", "json").stdout)["applied"] is False
    done = json.loads(taskfactory("apply", "-f", str(tmp_path), "-o", "json").stdout)
    assert (done["applied"], [item["action"] for item in done["items"]]) == (True, ["create"])


def test_prune_deletes_what_the_files_have_not(fake_api: FakeApi, taskfactory: Command, tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "first")
    fake_api.put("gone", {"name": "gone"})
    shown = taskfactory("apply", "-f", str(tmp_path), "--prune", "--because", "cleaning up").stdout
    assert shown == "+ create first (version 1)\n- delete gone\napplied: 1 created, 1 deleted\n"
    assert set(fake_api.definitions) == {"first"}
    assert fake_api.requests[-1].body["reason"] == "cleaning up"
    assert fake_api.requests[-1].body["prune"]["max"] == 1


def test_without_prune_nothing_is_deleted(fake_api: FakeApi, taskfactory: Command, tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "first")
    fake_api.put("other", {"name": "other"})
    taskfactory("apply", "-f", str(tmp_path))
    assert set(fake_api.definitions) == {"first", "other"}


def test_a_prune_of_many_wants_a_yes_where_nobody_can_be_asked(
    fake_api: FakeApi, taskfactory: Command, tmp_path: Path
) -> None:
    write(tmp_path / "a.yaml", "first")
    for number in range(3):
        fake_api.put(f"gone-{number}", {})
    prune = ["apply", "-f", str(tmp_path), "--prune"]
    told = taskfactory(*prune, status=2).stderr
    assert "--prune would delete 3 documents of 3; 1 at once need no consent." in told
    assert "Add --prune-max 3 or --yes" in told
    assert "allowed are 2 by --prune-max" in taskfactory(*prune, "--prune-max", "2", "--yes", status=2).stderr
    assert len(fake_api.definitions) == 3  # nothing at all was done, not even what would be created
    taskfactory(*prune, "--prune-max", "3")
    assert set(fake_api.definitions) == {"first"}


@pytest.mark.parametrize(("registered", "allowed"), [(0, 1), (1, 1), (9, 1), (10, 2), (49, 9), (50, 10), (5000, 10)])
def test_few_and_only_a_part_may_be_deleted_without_a_word(registered: int, allowed: int) -> None:
    assert allowed_deletions(registered) == allowed
    kept = [PlanItem("ActivityDefinition", str(n), "unchanged", 1, None, ()) for n in range(registered - allowed)]
    gone = [PlanItem("ActivityDefinition", str(n), "delete", 1, None, ()) for n in range(allowed)]
    require_prunable(Plan([*kept, *gone]), limit=None, yes=False)
    with pytest.raises(BadInput):
        require_prunable(Plan([*kept[1:], *gone, gone[0]]), limit=None, yes=False)


def test_a_difference_is_told_with_its_values_and_a_status_of_its_own(
    fake_api: FakeApi, taskfactory: Command, tmp_path: Path
) -> None:
    write(tmp_path / "a.yaml", "first", "second")
    taskfactory("apply", "-f", str(tmp_path))
    assert taskfactory("diff", "-f", str(tmp_path)).stdout == "= 2 unchanged\n"
    (tmp_path / "a.yaml").write_text(GOOD.format(name="first").replace("name: first", "name: first\ndescription: new"))
    write(tmp_path / "b.yaml", "second")
    shown = taskfactory("diff", "-f", str(tmp_path), status=3).stdout
    assert "~ update first (version 2)\n" in shown
    assert '→ "new"\n' in shown
    assert len(fake_api.definitions["first"].versions) == 1


def test_what_the_server_finds_wrong_is_told_as_what_the_command_finds_itself(
    fake_api: FakeApi, taskfactory: Command, tmp_path: Path
) -> None:
    """A server of another version may know better: its lines have file, line and column too."""
    file = write(tmp_path / "a.yaml", "first")
    errors = [{"origin": str(file), "path": "tasks[0]", "message": "found 3; allowed is 2", "line": 6, "column": 5}]

    fake_api.faults.append(problem(422, "invalid", "wrong", errors=errors))
    told = taskfactory("apply", "-f", str(file), status=2).stderr
    assert told == f"{file}:6:5: tasks[0]: found 3; allowed is 2\n"
