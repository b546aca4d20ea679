"""Starting parts in parallel, each with as many tries as lost ports need; all or nothing.

The state is written after every spawn, so that `down` finds every process even if this one is killed.
"""

import re
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from taskfactory.dev.endpoints import Endpoints
from taskfactory.dev.errors import PartStartError
from taskfactory.dev.part import Part
from taskfactory.dev.ports import choose
from taskfactory.dev.processes import ServerProcess, find, listens_on, spawn, stop
from taskfactory.dev.progress import Progress
from taskfactory.dev.state import StackState, StateFolder

_PATIENCE = 120.0
_POLL = 0.05
_ATTEMPTS = 5
_TAIL = 2_000
WORTH_ANOTHER_TRY = re.compile(r"address (is )?already in use|pre-existing shared memory block", re.IGNORECASE)
"""What a server prints when its port went to another, or while the remains of its killed predecessor still end."""


class Starter:
    """One parallel start.

    Attributes:
        state: The state as of the last start.
    """

    def __init__(self, folder: StateFolder, state: StackState, fixed: Mapping[str, int], progress: Progress) -> None:
        self.state = state
        self._folder = folder
        self._fixed = fixed
        self._progress = progress
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._started: list[tuple[Part, ServerProcess]] = []

    def start(self, parts: Sequence[Part]) -> None:
        """Start the parts and wait until each answers.

        Raises:
            DevError: One did not start; the others are stopped again.
        """
        self._choose_ports(parts)
        try:
            with ThreadPoolExecutor(max(1, len(parts))) as pool:
                running = [pool.submit(self._start, part) for part in parts]
                try:
                    for finished in as_completed(running):
                        finished.result()
                except BaseException:
                    self._cancelled.set()
                    raise
        except BaseException:
            stop((server, part.stop_signal) for part, server in self._started)
            self._write(self.state.stopped(part.name for part, _ in self._started))
            raise

    def _start(self, part: Part) -> None:
        log = self._folder.log(part.name)
        for attempt in range(1, _ATTEMPTS + 1):
            ports = {name: self.state.ports[name] for name in part.port_names}
            launch = part.launch(ports, lambda doing: self._progress.begin(part.name, doing))
            printed = log.stat().st_size if log.exists() else 0
            with self._lock:
                server = spawn(launch, log)
                self._started.append((part, server))
                self._write(self.state.started(part.name, server))
            problem = self._await(part, server, ports.values())
            if problem is None:
                part.provision(self._endpoints())
                self._progress.done(part.name, f"up on {part.address(self._endpoints())}")
                return
            stop([(server, part.stop_signal)])
            output = tail(log, printed)
            if attempt == _ATTEMPTS or not WORTH_ANOTHER_TRY.search(output):
                raise PartStartError(part.name, problem, log, output)
            self._choose_ports([part])

    def _choose_ports(self, parts: Sequence[Part]) -> None:
        with self._lock:
            names = [name for part in parts for name in part.port_names]
            self._write(self.state.listening(choose(names, self._fixed, self.state.ports)))

    def _await(self, part: Part, server: ServerProcess, ports: Collection[int]) -> str | None:
        """Wait until the part answers; give what is wrong when it ended or took too long."""
        deadline = time.monotonic() + _PATIENCE
        while find(server):
            problem = part.problem(self._endpoints())
            if problem is None and listens_on(server, ports):
                return None
            if self._cancelled.wait(_POLL):
                return "another part failed first"
            if time.monotonic() > deadline:
                return f"after {_PATIENCE:.0f} s it {problem or 'does not hold its ports'}"
        return "its process ended"

    def _endpoints(self) -> Endpoints:
        return Endpoints.at(self.state.ports)

    def _write(self, state: StackState) -> None:
        self.state = state
        self._folder.write(state)


def tail(log: Path, start: int) -> str:
    """Give the end of what was printed into the log since it had `start` bytes."""
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")[-_TAIL:].strip()
