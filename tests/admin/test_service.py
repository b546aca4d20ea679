"""`taskfactory admin` as a process: over a real port, from its start to an orderly end."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, TextClause, text

from taskfactory.admin.settings import AdminSettings
from taskfactory.cli.variables import settings_problems
from tests.admin.samples import document
from tests.e2e.platform import eventually

COMMAND = Path(sys.executable).parent / "taskfactory"
KEY = "tf_abcdefgh_" + "s" * 43


@dataclass(frozen=True)
class Served:
    process: subprocess.Popen[bytes]
    log: Path
    port: int

    def client(self, **options: Any) -> httpx.Client:
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=60, **options)


def logged(log: Path, event: str) -> dict[str, Any] | None:
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return next((line for line in lines if line["event"] == event), None)


Serve = Callable[..., Any]


@pytest.fixture
def environ(stack: Any, database: str) -> dict[str, str]:
    return {
        **os.environ,
        **stack.endpoints.env(),
        "TASKFACTORY_DATABASE_URL": database,
        "TASKFACTORY_API_BOOTSTRAP_KEY": KEY,
        "TASKFACTORY_API_PORT": "0",
        "TASKFACTORY_METRICS_PORT": "0",
        "TASKFACTORY_LOG_FORMAT": "json",
    }


@contextmanager
def serving(environ: dict[str, str], log: Path) -> Iterator[Served]:
    with log.open("wb") as output:
        process = subprocess.Popen([str(COMMAND), "admin"], env=environ, stdout=output, stderr=subprocess.STDOUT)
    try:
        found = eventually(lambda: logged(log, "serving_api"), f"it serves: {log.read_text()}")
        yield Served(process, log, found["port"])
    finally:
        process.kill()
        process.wait()


def test_a_request_under_way_ends_before_the_process_does(
    environ: dict[str, str], tmp_path: Path, engine: Engine, stack: Any
) -> None:
    name = stack.name("drained")
    answers: list[httpx.Response] = []
    with serving(environ, tmp_path / "log") as served, served.client() as client:
        assert client.get("/v1/me").json()["actor"] == "key:bootstrap"
        with engine.begin() as held:
            # Whoever changes a definition waits for this transaction.
            held.execute(text("SELECT revision FROM definitions_revision FOR UPDATE"))
            request = threading.Thread(
                target=lambda: answers.append(client.put(f"/v1/definitions/{name}", json=document(name)))
            )
            request.start()
            waiting = text(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            eventually(lambda: found_by(engine, waiting), "the request waits")
            served.process.send_signal(signal.SIGTERM)
            eventually(lambda: logged(served.log, "stopping"), "it is told to stop")
            eventually(lambda: refuses_connections(served.port), "nobody new is let in")
        request.join(30)
        assert served.process.wait(30) == 0
    assert [answer.status_code for answer in answers] == [201]


def found_by(engine: Engine, statement: TextClause) -> bool:
    with engine.connect() as connection:  # within one transaction, PostgreSQL would tell the same again and again
        return connection.execute(statement).first() is not None


def refuses_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_the_api_answers_while_temporal_is_away(environ: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
    with serving(environ | {"TASKFACTORY_TEMPORAL_ADDRESS": address}, tmp_path / "log") as served:
        with served.client() as client:
            assert client.get("/v1/definitions").status_code == 200
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(30) == 0


def test_a_port_that_is_taken_is_told_with_its_variable(environ: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [str(COMMAND), "admin"],
            env=environ | {"TASKFACTORY_API_PORT": port},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert "TASKFACTORY_API_PORT" in ended.stderr


def test_a_key_that_can_be_none_is_refused_without_being_shown(environ: dict[str, str]) -> None:
    given = environ | {"TASKFACTORY_API_BOOTSTRAP_KEY": "hush-hush"}
    ended = subprocess.run([str(COMMAND), "admin"], env=given, capture_output=True, text=True, check=False)
    assert (ended.returncode, "TASKFACTORY_API_BOOTSTRAP_KEY" in ended.stderr) == (2, True)
    assert "hush-hush" not in ended.stderr


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("TASKFACTORY_OIDC_ALGORITHMS", "RS256,none", "none"),
        ("TASKFACTORY_OIDC_ALGORITHMS", "HS256", "HS256"),
        ("TASKFACTORY_OIDC_ALGORITHMS", "", "none at all"),
        ("TASKFACTORY_OIDC_ISSUER", "https://issuer", "TASKFACTORY_OIDC_AUDIENCE"),
        ("TASKFACTORY_OIDC_ROLE_MAP", '{"a": ["admin"]}', "viewer"),
    ],
)
def test_a_setting_that_can_not_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError) as refused:
        AdminSettings()
    (line,) = settings_problems(refused.value)
    assert line.startswith(variable)
    assert told in line
