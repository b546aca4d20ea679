"""Server processes that outlive the command that started them.

A process is known by its pid *and* its start time, so that a pid that the system gave to somebody else is never
signalled. A zombie counts as gone: in a container whose first process reaps nothing, it would stay for ever.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped,unused-ignore]  # ships no types

from taskfactory.dev.account import Account

# Linux derives start times from a boot time in whole seconds, which may be read one second apart.
_CREATED_TOLERANCE = 2.0
_POLL = 0.02


@dataclass(frozen=True)
class ServerProcess:
    """A started server.

    Attributes:
        pid: Its process id, which is also its session's.
        created: Its start time, seconds since the epoch.
    """

    pid: int
    created: float


@dataclass(frozen=True)
class Launch:
    """How to start a server.

    Attributes:
        argv: The command line.
        cwd: The folder it runs in.
        account: The account it runs as; None is ourselves.
        env: Variables set on top of our environment.
    """

    argv: tuple[str, ...]
    cwd: Path
    account: Account | None = None
    env: Mapping[str, str] = field(default_factory=dict)


def spawn(launch: Launch, log: Path) -> ServerProcess:
    """Start the server in a session of its own, appending what it prints to the log."""
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603 - the command line is ours
            launch.argv,
            cwd=launch.cwd,
            env={**os.environ, **launch.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=launch.account.uid if launch.account else None,
            group=launch.account.gid if launch.account else None,
            extra_groups=[] if launch.account else None,
        )
    return ServerProcess(child.pid, psutil.Process(child.pid).create_time())


def find(server: ServerProcess) -> psutil.Process | None:
    """Find the live process of the server; None when it ended or the pid is another's."""
    try:
        process = psutil.Process(server.pid)
        if abs(process.create_time() - server.created) > _CREATED_TOLERANCE:
            return None
    except psutil.NoSuchProcess:
        return None
    if _is_alive(process):
        return process
    _release(process)
    return None


def listens_on(server: ServerProcess, ports: Collection[int]) -> bool:
    """Say whether the server itself holds all the ports: what answers there may be another stack's server.

    Where the system does not let us look, the answer is yes.
    """
    try:
        sockets = psutil.Process(server.pid).net_connections("tcp")
    except psutil.AccessDenied:
        return True
    except psutil.NoSuchProcess:
        return False
    return set(ports) <= {socket.laddr.port for socket in sockets if socket.status == psutil.CONN_LISTEN}


def stop(servers: Iterable[tuple[ServerProcess, signal.Signals]], patience: float = 15.0) -> None:
    """Ask all servers to end, wait, and kill with all their descendants those that did not.

    Args:
        servers: Each server with the signal that means an orderly end to it.
        patience: Seconds until the rest is killed.
    """
    family: list[psutil.Process] = []
    for server, polite in servers:
        process = find(server)
        if process is None:
            continue
        with contextlib.suppress(psutil.NoSuchProcess):
            family += [process, *process.children(recursive=True)]
            process.send_signal(polite)
    _wait(family, patience)
    for process in filter(_is_alive, family):
        with contextlib.suppress(psutil.NoSuchProcess):
            family += process.children(recursive=True)
            process.kill()
    for process in filter(_is_alive, family):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _wait(family, 5.0)


def kill(server: ServerProcess) -> None:
    """End the server and all its descendants at once, as a power cut would, and wait until they are gone."""
    family = _family(server)
    _signal(family, signal.SIGKILL)
    _wait(family, 5.0)


def pause(server: ServerProcess) -> None:
    """Freeze the server with all its descendants: connections stay, nothing answers."""
    _signal(_family(server), signal.SIGSTOP)


def resume(server: ServerProcess) -> None:
    """Let a frozen server go on."""
    _signal(_family(server), signal.SIGCONT)


def _family(server: ServerProcess) -> list[psutil.Process]:
    process = find(server)
    if process is None:
        return []
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def _signal(family: Iterable[psutil.Process], signum: signal.Signals) -> None:
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signum)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _wait(processes: list[psutil.Process], patience: float) -> None:
    deadline = time.monotonic() + patience
    while any(_is_alive(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(_POLL)
    for process in processes:
        _release(process)


def _release(process: psutil.Process) -> None:
    """Let an ended process go if it is our own child."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
