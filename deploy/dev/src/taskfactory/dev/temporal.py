"""Temporal: the development server inside Temporal's own CLI, with its web UI, on a SQLite file."""

import json
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from taskfactory.dev import probes
from taskfactory.dev.cache import Cache, user_cache
from taskfactory.dev.endpoints import HOST, Endpoints
from taskfactory.dev.go_tool import GoTool
from taskfactory.dev.part import Say
from taskfactory.dev.processes import Launch
from taskfactory.dev.versions import tool_version

_PACKAGE = "github.com/temporalio/cli/cmd/temporal"
_OLDEST_SERVER = (1, 29)

DYNAMIC_CONFIG: Mapping[str, int] = {
    "frontend.rps": 20_000,
    "frontend.namespaceRPS": 20_000,
    "frontend.namespaceRPS.visibility": 1_000,
    "frontend.namespaceRPS.namespaceReplicationInducingAPIs": 100,
    "frontend.namespaceCount": 10_000,
    "history.rps": 20_000,
    "matching.rps": 20_000,
}
"""Limits that protect a shared server and only hinder a local one; deploy/temporal/ has the same for containers."""


@dataclass(frozen=True)
class Temporal:
    """The server with its UI.

    Attributes:
        home: Its folder: the database.
        cache: Where its binary is kept.
    """

    home: Path
    cache: Cache = field(default_factory=user_cache)
    name: str = "temporal"
    port_names: tuple[str, ...] = ("temporal", "ui")
    stop_signal: signal.Signals = signal.SIGTERM

    def require(self) -> None:
        """Look for the CLI, and for Go when it is still to be built."""
        if not _on_path():
            self._cli.require(instead="put Temporal's CLI 1.5 on PATH")

    def launch(self, ports: Mapping[str, int], say: Say) -> Launch:
        """Build the CLI unless there is one."""
        binary = _on_path() or self._cli.binary(say)
        self.home.mkdir(parents=True, exist_ok=True)
        say("starting")
        limits = [f"--dynamic-config-value={key}={json.dumps(value)}" for key, value in DYNAMIC_CONFIG.items()]
        argv = (
            *(str(binary), "server", "start-dev", "--ip", HOST),
            *("--port", str(ports["temporal"]), "--ui-port", str(ports["ui"])),
            *("--db-filename", str(self.home / "temporal.db")),
            *("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"),
            *("--log-level", "warn", "--color", "never"),
        )
        return Launch((*argv, *limits), self.home)

    def address(self, endpoints: Endpoints) -> str:
        """Give the frontend's address and the UI's."""
        return f"{endpoints.temporal_address}, UI {endpoints.temporal_ui_url}"

    def problem(self, endpoints: Endpoints) -> str | None:
        """Ask for the namespace."""
        return probes.temporal(endpoints)

    def provision(self, endpoints: Endpoints) -> None:
        """Create nothing: the server registers the namespace itself."""

    def wipe(self) -> None:
        """Remove the database."""
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def _cli(self) -> GoTool:
        return GoTool("temporal", "Temporal's CLI", _PACKAGE, "2 to 4 minutes", "temporal-cli", self.cache)


def _on_path() -> Path | None:
    found = shutil.which("temporal")
    server = tool_version([found, "--version"], after=r"Server ") if found else None
    return Path(found) if found and server and server >= _OLDEST_SERVER else None
