"""Named fakes: servers that start in milliseconds, and tools that say what a test wants."""

import signal
import socket
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from taskfactory.dev.endpoints import HOST, Endpoints
from taskfactory.dev.errors import ToolMissingError
from taskfactory.dev.part import Say
from taskfactory.dev.processes import Launch

# Listens on every port given, like a server; first fails as often as the file says, like one that lost its port.
_SERVER = """
import pathlib, socket, sys, threading
failures = pathlib.Path(sys.argv[1])
left = int(failures.read_text())
if left:
    failures.write_text(str(left - 1))
    sys.exit(sys.argv[2])
sockets = [socket.create_server(("127.0.0.1", int(port))) for port in sys.argv[3:]]
while True:
    sockets[0].accept()
"""


@dataclass
class FakePart:
    """A part whose server is a few lines of Python.

    Attributes:
        failures: How often its server ends at once before it runs.
        complaint: What it says then.
        missing: The tool that it lacks, if any.
        provisioned: How often it was provisioned.
    """

    name: str
    port_names: tuple[str, ...]
    home: Path
    failures: int = 0
    complaint: str = "bind: Address already in use"
    missing: str | None = None
    provisioned: int = 0
    launched_on: list[dict[str, int]] = field(default_factory=list)
    stop_signal: signal.Signals = signal.SIGTERM

    def require(self) -> None:
        if self.missing:
            raise ToolMissingError(self.missing, self.name, "install it")

    def launch(self, ports: Mapping[str, int], say: Say) -> Launch:
        say("starting")
        self.launched_on.append(dict(ports))
        self.home.mkdir(parents=True, exist_ok=True)
        counter = self.home / "failures"
        if len(self.launched_on) == 1:
            counter.write_text(str(self.failures))
        numbers = [str(port) for port in ports.values()]
        return Launch((sys.executable, "-S", "-E", "-c", _SERVER, str(counter), self.complaint, *numbers), self.home)

    def address(self, endpoints: Endpoints) -> str:
        return {
            "kafka": endpoints.kafka_bootstrap_servers,
            "temporal": endpoints.temporal_address,
            "schema-registry": urlsplit(endpoints.schema_registry_url or "").netloc,
        }.get(self.name, endpoints.database_url.split("@")[1].split("/")[0])

    def problem(self, endpoints: Endpoints) -> str | None:
        port = int(self.address(endpoints).rsplit(":")[-1])
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError as error:
            return f"does not listen: {error}"
        return None

    def provision(self, endpoints: Endpoints) -> None:
        assert self.problem(endpoints) is None, "provisioned before it answers"
        self.provisioned += 1

    def wipe(self) -> None:
        for path in self.home.glob("*"):
            path.unlink()
        if self.home.exists():
            self.home.rmdir()


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, FakePart]:
    ports = {"kafka": ("kafka", "kafka_controller"), "temporal": ("temporal", "ui"), "postgres": ("postgres",)}
    return {name: FakePart(name, names, tmp_path / "state" / name) for name, names in ports.items()}


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Make PATH hold nothing but tools that the test writes: `tool(name, shell script)`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def write(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write
