"""The requests of docs/admin-api.md, as they stand there, against a server."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from taskfactory.registry import migrate, open_engine
from tests.admin.test_service import KEY, Served, environ, serving

__all__ = ["environ"]  # a fixture that this module asks for

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "admin-api.md"
LAST_SECTION = "## The same request twice"
"""What follows is about routes that need runs."""
POINT_AT_THE_STACK = 'set -a; eval "$(taskfactory dev up --format env)"; set +a\n'


@pytest.fixture
def served(stack: Any, environ: dict[str, str], tmp_path: Path) -> Iterator[Served]:
    """With a database of its own: the page's names are its own too."""
    url = stack.database()
    opened: Engine = open_engine(url)
    migrate(opened)
    opened.dispose()
    with serving(environ | {"TASKFACTORY_DATABASE_URL": url}, tmp_path / "log") as served:
        yield served


def blocks() -> list[str]:
    general, _, _ = PAGE.read_text().partition(LAST_SECTION)
    return re.findall(r"^```sh\n(.*?)^```", general, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's requests are made with curl")
def test_every_request_of_the_page_is_answered_as_it_says(served: Served) -> None:
    script = "".join(blocks())
    assert POINT_AT_THE_STACK in script
    # A line of its own after each answer, with the status.
    script = script.replace(POINT_AT_THE_STACK, "").replace("curl -sS ", "curl -sS -w '\\nstatus %{http_code}\\n' ")
    script = script.replace("etag=$(curl -sS -w '\\nstatus %{http_code}\\n' ", "etag=$(curl -sS ")
    given = {
        "TASKFACTORY_API_PORT": str(served.port),
        "TASKFACTORY_API_KEY": KEY,
        "PATH": "/usr/bin:/bin:/usr/local/bin",
    }
    done = subprocess.run(
        ["bash", "-eu", "-c", script], env=given, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    statuses = [int(line.removeprefix("status ")) for line in done.stdout.splitlines() if line.startswith("status ")]
    assert statuses == [200, 200, 201, 428, 200, 204, 200, 201, 200], done.stdout
    for said in ('"state":"paused"', '"reason":"holidays"', '"action":"delete"', '"key":"tf_', '"applied":false'):
        assert said in done.stdout
