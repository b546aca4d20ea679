"""The stack as processes of this machine: what runs and answers is kept, the rest is started in parallel."""

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from taskfactory.dev.endpoints import Endpoints
from taskfactory.dev.part import Part
from taskfactory.dev.ports import Ports, refuse_other_ports
from taskfactory.dev.processes import find, stop
from taskfactory.dev.progress import Progress
from taskfactory.dev.starting import Starter
from taskfactory.dev.state import Mode, PartStatus, StackState, StateFolder

_STARTING_PATIENCE = 5.0
_POLL = 0.05


class NativeStack:
    """Starts, stops and looks at the parts; whoever changes it holds the folder's lock."""

    def __init__(self, folder: StateFolder, parts: Sequence[Part]) -> None:
        self._folder = folder
        self._parts = tuple(parts)

    def up(self, wanted: Ports, progress: Progress) -> Endpoints:
        """Make every part run and answer.

        Raises:
            DevError: A toolchain is missing, a port is taken, or a part did not start; then whatever this call started
                is stopped again.
        """
        state = self._folder.read().running(Mode.NATIVE)
        healthy = self._healthy(state)
        refuse_other_ports(wanted.fixed(), _only(state.ports, healthy))
        missing = [part for part in self._parts if part not in healthy]
        for part in missing:
            part.require()
        stop((state.servers[part.name], part.stop_signal) for part in missing if part.name in state.servers)
        starter = Starter(self._folder, state, wanted.fixed(), progress)
        starter.start(missing)
        # A port that is only remembered, of a part that is not asked for now, is nobody's address.
        endpoints = Endpoints.at(_only(starter.state.ports, self._parts))
        for part in healthy:
            part.provision(endpoints)
            progress.done(part.name, f"already up on {part.address(endpoints)}")
        return endpoints

    def down(self) -> list[str]:
        """Stop every process; give the names of the parts that ran."""
        state = self._folder.read()
        running = [part for part in self._parts if _runs(part, state)]
        stop((state.servers[part.name], part.stop_signal) for part in running)
        self._folder.write(state.stopped(state.servers))
        return [part.name for part in running]

    def wipe(self) -> None:
        """Remove the data of every part."""
        for part in self._parts:
            part.wipe()

    def status(self) -> tuple[PartStatus, ...]:
        """Look at every part."""
        state = self._folder.read()
        with ThreadPoolExecutor(len(self._parts)) as pool:
            return tuple(pool.map(lambda part: _look(part, state), self._parts))

    def _healthy(self, state: StackState) -> list[Part]:
        """Give the parts that run and answer; one that is only just starting gets a little time."""
        alive = [part for part in self._parts if _runs(part, state)]
        with ThreadPoolExecutor(max(1, len(alive))) as pool:
            answers = pool.map(lambda part: _answers(part, Endpoints.at(state.ports)), alive)
            return [part for part, answered in zip(alive, answers, strict=True) if answered]


def _runs(part: Part, state: StackState) -> bool:
    return part.name in state.servers and find(state.servers[part.name]) is not None


def _answers(part: Part, endpoints: Endpoints) -> bool:
    deadline = time.monotonic() + _STARTING_PATIENCE
    while part.problem(endpoints) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _look(part: Part, state: StackState) -> PartStatus:
    server = state.servers.get(part.name)
    if server is None:
        return PartStatus(part.name, None, "", "is not running")
    endpoints = Endpoints.at(state.ports)
    problem = part.problem(endpoints) if find(server) else f"its process {server.pid} has ended"
    return PartStatus(part.name, server.pid if find(server) else None, part.address(endpoints), problem)


def _only(ports: Mapping[str, int], parts: Iterable[Part]) -> dict[str, int]:
    return {name: ports[name] for part in parts for name in part.port_names}
