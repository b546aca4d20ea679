"""One server that tests break on purpose: stopped, killed, frozen, and started again on its ports and data."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from taskfactory.dev.endpoints import Endpoints
from taskfactory.dev.errors import PartStartError
from taskfactory.dev.part import Part
from taskfactory.dev.processes import ServerProcess, find, kill, listens_on, pause, resume, spawn, stop
from taskfactory.dev.starting import WORTH_ANOTHER_TRY, tail

PATIENCE_SECONDS: Final = 90.0
_POLL: Final = 0.05
_ATTEMPTS: Final = 5


class FaultyPart:
    """A part with the operations of a bad day. Not for two threads at once."""

    def __init__(self, part: Part, ports: Mapping[str, int], log: Path) -> None:
        """Describe it; `start` begins.

        Args:
            part: The server.
            ports: The stack's ports by name; the part's own are among them, and the same at every start.
            log: Where its output is appended.
        """
        self._part = part
        self._ports = {name: ports[name] for name in part.port_names}
        self._endpoints = Endpoints.at(ports)
        self._log = log
        self._server: ServerProcess | None = None

    @property
    def name(self) -> str:
        """The part's."""
        return self._part.name

    @property
    def pid(self) -> int | None:
        """Its process, while there is one."""
        return self._server.pid if self._server and find(self._server) else None

    def start(self) -> None:
        """Start it unless it runs, and wait until it answers and has what every stack has.

        Raises:
            DevError: It did not start.
        """
        if self.pid is not None:
            return
        for attempt in range(1, _ATTEMPTS + 1):
            printed = self._log.stat().st_size if self._log.exists() else 0
            self._server = spawn(self._part.launch(self._ports, lambda _: None), self._log)
            problem = self._await(self._server)
            if problem is None:
                self._part.provision(self._endpoints)
                return
            kill(self._server)
            output = tail(self._log, printed)
            if attempt == _ATTEMPTS or not WORTH_ANOTHER_TRY.search(output):
                raise PartStartError(self.name, problem, self._log, output)

    def stop(self) -> None:
        """Ask it to end in good order, and wait until it has."""
        if self._server is not None:
            resume(self._server)  # a frozen process would not hear it
            stop([(self._server, self._part.stop_signal)])

    def kill(self) -> None:
        """End it at once, with SIGKILL."""
        if self._server is not None:
            kill(self._server)

    def pause(self) -> None:
        """Freeze it, with SIGSTOP."""
        if self._server is not None:
            pause(self._server)

    def resume(self) -> None:
        """Let it go on, with SIGCONT."""
        if self._server is not None:
            resume(self._server)

    def wipe(self) -> None:
        """Kill it and remove its data."""
        self.kill()
        self._part.wipe()

    def _await(self, server: ServerProcess) -> str | None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while find(server):
            problem = self._part.problem(self._endpoints)
            if problem is None and listens_on(server, self._ports.values()):
                return None
            if time.monotonic() > deadline:
                return f"after {PATIENCE_SECONDS:.0f} s it {problem or 'does not hold its ports'}"
            time.sleep(_POLL)
        return "its process ended"
