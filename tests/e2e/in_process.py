"""The `taskfactory` command in the test's own process: a command that does not have to be killed costs no start-up."""

from typing import Any

import orjson
from typer.testing import CliRunner, Result

from taskfactory.cli.main import app
from tests.e2e.platform import Platform


def call(platform: Platform, *arguments: str, status: int = 0, given: str | None = None) -> Result:
    """Call it with the platform's environment and check its exit status; `given` is its standard input."""
    ended = CliRunner().invoke(app, arguments, input=given, env=platform.env)
    assert ended.exit_code == status, ended.output
    return ended


def call_for_json(platform: Platform, *arguments: str) -> Any:
    """What it prints with `-o json`."""
    return orjson.loads(call(platform, *arguments, "-o", "json").stdout)
