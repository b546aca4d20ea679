"""The stack as containers, through docker-compose.dev.yml; the servers are questioned from outside like native ones."""

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from taskfactory.dev import probes
from taskfactory.dev.endpoints import Endpoints
from taskfactory.dev.errors import BuildError, ModeError, PartStartError
from taskfactory.dev.ports import Ports, choose, refuse_other_ports
from taskfactory.dev.progress import Progress
from taskfactory.dev.provision import create_topics
from taskfactory.dev.state import Mode, PartStatus, StateFolder

# Compose reads each port from `TASKFACTORY_DEV_<NAME>_PORT`.
PORT_NAMES = ("kafka", "temporal", "ui", "postgres", "schema_registry")
PARTS: Mapping[str, tuple[Callable[[Endpoints], str | None], Callable[[Endpoints], str]]] = {
    "kafka": (probes.kafka, lambda at: at.kafka_bootstrap_servers),
    "temporal": (probes.temporal, lambda at: f"{at.temporal_address}, UI {at.temporal_ui_url}"),
    "postgres": (probes.postgres, lambda at: at.database_url),
    "schema-registry": (probes.schema_registry, lambda at: str(at.schema_registry_url)),
}
_PATIENCE = 180.0
_POLL = 0.5
_ATTEMPTS = 3
_TAIL = 2_000
_ENGINE_TIMEOUT = 10.0
_PORT_LOST = re.compile(r"address already in use|port is already allocated", re.IGNORECASE)


def engine_answers() -> bool:
    """Say whether a Docker engine answers and its client has Compose; a client alone is not an engine."""
    client = shutil.which("docker")
    if client is None:
        return False
    for question in (("version", "--format", "{{.Server.Version}}"), ("compose", "version")):
        try:
            subprocess.run((client, *question), check=True, capture_output=True, timeout=_ENGINE_TIMEOUT)  # noqa: S603 - our arguments
        except (OSError, subprocess.SubprocessError):
            return False
    return True


def compose_file() -> Path:
    """Find docker-compose.dev.yml at the root of the checkout that this package is installed from.

    Raises:
        ModeError: The package is installed without its checkout.
    """
    for folder in Path(__file__).resolve().parents:
        if (folder / "docker-compose.dev.yml").exists():
            return folder / "docker-compose.dev.yml"
    raise ModeError(
        "docker-compose.dev.yml comes with a checkout of taskfactory only: install from one, or use --native."
    )


class ComposeStack:
    """Starts, stops and looks at the containers; whoever changes it holds the folder's lock."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder

    def up(self, wanted: Ports, progress: Progress) -> Endpoints:
        """Make every container run and every server answer.

        Raises:
            DevError: A port is taken, or Compose or a server failed.
        """
        state = self._folder.read().running(Mode.DOCKER)
        running = self._compose("ps", "--quiet", "--status", "running").strip() != ""
        refuse_other_ports(wanted.fixed(), state.ports if running else {})
        for part in PARTS:
            progress.begin(part, "starting its container (pulls the image the first time)")
        for attempt in range(1, _ATTEMPTS + 1):
            ports = dict(state.ports) if running else choose(PORT_NAMES, wanted.fixed(), state.ports)
            self._folder.write(state := state.listening(ports))
            try:
                self._compose("up", "--detach", ports=ports)
                break
            except BuildError as error:
                if attempt == _ATTEMPTS or not _PORT_LOST.search(error.output):
                    raise
        endpoints = Endpoints.at(ports)
        for part, (problem, address) in PARTS.items():
            self._await(part, problem, endpoints)
            progress.done(part, f"up on {address(endpoints)}")
        create_topics(endpoints)
        return endpoints

    def down(self) -> list[str]:
        """Remove the containers, keep their volumes; give the services that ran."""
        services = self._compose("ps", "--services", "--status", "running").split()
        self._compose("down", "--remove-orphans")
        return services

    def wipe(self) -> None:
        """Remove the volumes too."""
        self._compose("down", "--volumes", "--remove-orphans")

    def status(self) -> tuple[PartStatus, ...]:
        """Ask every server."""
        ports = self._folder.read().ports
        if not ports:
            return tuple(PartStatus(part, None, "", "is not running") for part in PARTS)
        endpoints = Endpoints.at(ports)
        return tuple(
            PartStatus(part, None, address(endpoints), problem(endpoints)) for part, (problem, address) in PARTS.items()
        )

    def logs(self, part: str | None, lines: int, *, follow: bool) -> list[str]:
        """Give the command that prints the containers' logs."""
        options = ["logs", "--tail", str(lines), *(["--follow"] if follow else []), *([part] if part else [])]
        return [*self._command, *options]

    @property
    def _command(self) -> list[str]:
        project = "taskfactory-" + hashlib.sha256(os.fsencode(self._folder.path)).hexdigest()[:8]
        return ["docker", "compose", "--project-name", project, "--file", str(compose_file())]

    def _compose(self, *arguments: str, ports: Mapping[str, int] | None = None) -> str:
        variables = {f"TASKFACTORY_DEV_{name.upper()}_PORT": str(port) for name, port in (ports or {}).items()}
        done = subprocess.run(  # noqa: S603 - the command line is ours
            [*self._command, *arguments], env={**os.environ, **variables}, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise BuildError("docker compose", " ".join((*self._command, *arguments)), done.stderr[-_TAIL:].strip())
        return done.stdout

    def _await(self, part: str, problem: Callable[[Endpoints], str | None], endpoints: Endpoints) -> None:
        deadline = time.monotonic() + _PATIENCE
        while (found := problem(endpoints)) is not None:
            if time.monotonic() > deadline:
                output = self._compose("logs", "--no-color", "--tail", "20", part)
                raise PartStartError(part, f"after {_PATIENCE:.0f} s it {found}", self._folder.path, output[-_TAIL:])
            time.sleep(_POLL)
