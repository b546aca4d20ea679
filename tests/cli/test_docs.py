"""docs/cli.md says what the code says: the commands, and the table of exit statuses, which is nowhere else."""

import re
from pathlib import Path

from typer.testing import CliRunner

from taskfactory.cli.errors import BadInput, CommandFailed, Conflict, Interrupted, NotFound, OperationFailed
from taskfactory.cli.exit_status import MEANINGS, ExitStatus
from taskfactory.cli.main import OWN_COMMANDS, app

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def test_the_page_has_every_command_in_the_words_of_its_help() -> None:
    listed = dict(re.findall(r"^\| `([a-z-]+)` \| (.*?) \| [^|]*\|$", PAGE, re.MULTILINE))
    assert listed == {name: summary for name, (_, summary) in OWN_COMMANDS.items()}


def test_the_page_has_every_exit_status_and_its_meaning() -> None:
    listed = {int(status): meaning for status, meaning in re.findall(r"^\| (\d+) \| (.*) \|$", PAGE, re.MULTILINE)}
    assert listed == {int(status): meaning for status, meaning in MEANINGS.items()}
    assert set(MEANINGS) == set(ExitStatus)


def test_the_help_says_them_too() -> None:
    shown = " ".join(CliRunner().invoke(app, ["--help"]).stdout.split())
    for status, meaning in MEANINGS.items():
        assert f"{int(status)} {meaning}" in shown


def test_each_way_to_fail_has_its_status() -> None:
    ways: dict[type[CommandFailed], int] = {
        CommandFailed: 1,
        OperationFailed: 1,
        NotFound: 1,
        BadInput: 2,
        Conflict: 4,
        Interrupted: 130,
    }
    assert {way: int(way.exit_status) for way in ways} == ways
