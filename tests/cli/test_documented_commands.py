"""Every command that the docs show is one that there is, with the options that it has."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from taskfactory.cli.main import LazyCommand, app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _documented() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in block.splitlines():
                if line.startswith("taskfactory "):
                    yield page.name, line


@pytest.mark.parametrize(("page", "line"), list(_documented()))
def test_a_documented_command_is_understood(page: str, line: str) -> None:
    _, name, *arguments = shlex.split(line, comments=True)
    root = typer.main.get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    lazy = root.commands[name]
    assert isinstance(lazy, LazyCommand), page
    context = lazy.make_context(name, arguments)
    command = context.command
    if isinstance(command, typer.core.TyperGroup):
        # Parsing a group leaves the subcommand's own words to be parsed by the subcommand.
        named: list[str] = context._protected_args
        subcommand, *arguments = named + context.args
        command.commands[subcommand].make_context(subcommand, arguments)


def test_the_docs_show_what_operators_need() -> None:
    shown = {line.split()[1] for _, line in _documented()}
    assert shown >= {"explain", "dlq", "replay", "audit", "backtest", "dedupe", "runs", "pause", "resume"}
