"""An Admin API on a real port, and the command pointed at it."""

from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from taskfactory.cli.main import app
from tests.cli.fake_api import KEY, FakeApi, serving

Command = Callable[..., Result]


@pytest.fixture
def fake_api() -> Iterator[FakeApi]:
    """An empty API."""
    with serving(FakeApi()) as api:
        yield api


@pytest.fixture
def taskfactory(fake_api: FakeApi) -> Command:
    """Runs a command against it, and checks its exit status."""

    def run(*arguments: str, status: int = 0, given: str | None = None, **env: str) -> Result:
        variables = {"TASKFACTORY_API_URL": fake_api.url, "TASKFACTORY_API_KEY": KEY, **env}
        ended = CliRunner().invoke(app, arguments, input=given, env=variables)
        assert ended.exit_code == status, (ended.stdout, ended.stderr, ended.exception)
        return ended

    return run
