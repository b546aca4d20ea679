"""A server is stopped with all its children, and nobody else ever is."""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil  # type: ignore[import-untyped,unused-ignore]  # ships no types
import pytest

from taskfactory.dev.processes import Launch, ServerProcess, find, kill, listens_on, pause, resume, spawn, stop

# Starts a child, says so, and then sleeps; deaf to SIGTERM if told.
_FAMILY = """
import signal, subprocess, sys
if sys.argv[1] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-S", "-c", "import signal; signal.pause()"])
print(child.pid, flush=True)
signal.pause()
"""


def start_family(log: Path, manner: str) -> tuple[ServerProcess, psutil.Process]:
    server = spawn(Launch((sys.executable, "-S", "-c", _FAMILY, manner), log.parent), log)
    while not log.read_text().endswith("\n"):
        assert find(server), log.read_text()
    return server, psutil.Process(int(log.read_text()))


def await_statuses(server: ServerProcess, child: psutil.Process, expected: Callable[[set[str]], bool]) -> None:
    deadline = time.monotonic() + 10
    while not expected(statuses := {psutil.Process(server.pid).status(), child.status()}):
        assert time.monotonic() < deadline, statuses


@pytest.mark.parametrize("manner", ["polite", "deaf"])
def test_stopping_leaves_no_process_of_the_family(tmp_path: Path, manner: str) -> None:
    server, child = start_family(tmp_path / "log", manner)
    stop([(server, signal.SIGTERM)], patience=0.2)
    assert find(server) is None
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_killing_leaves_no_process_of_the_family_even_when_it_stands_still(tmp_path: Path) -> None:
    server, child = start_family(tmp_path / "log", "deaf")
    pause(server)
    await_statuses(server, child, lambda statuses: statuses == {psutil.STATUS_STOPPED})
    kill(server)
    assert find(server) is None
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_paused_family_goes_on_when_it_is_resumed(tmp_path: Path) -> None:
    server, child = start_family(tmp_path / "log", "polite")
    pause(server)
    await_statuses(server, child, lambda statuses: statuses == {psutil.STATUS_STOPPED})
    resume(server)
    await_statuses(server, child, lambda statuses: psutil.STATUS_STOPPED not in statuses)
    kill(server)


def test_a_server_has_its_own_session_so_that_an_interrupted_terminal_does_not_end_it(tmp_path: Path) -> None:
    server, _ = start_family(tmp_path / "log", "polite")
    assert os.getsid(server.pid) == server.pid != os.getsid(0)
    stop([(server, signal.SIGTERM)], patience=0.2)


def test_a_pid_that_now_belongs_to_somebody_else_is_left_alone(tmp_path: Path) -> None:
    server, _ = start_family(tmp_path / "log", "polite")
    earlier = replace(server, created=server.created - 60)
    stop([(earlier, signal.SIGKILL)])
    assert find(earlier) is None
    assert find(server) is not None
    stop([(server, signal.SIGTERM)], patience=0.2)


def test_a_process_that_ended_is_not_found_though_nobody_waited_for_it(tmp_path: Path) -> None:
    server, _ = start_family(tmp_path / "log", "polite")
    process = find(server)
    assert process
    os.killpg(server.pid, signal.SIGKILL)
    while find(server):
        pass
    assert find(server) is None


def test_a_port_that_answers_counts_only_when_the_server_itself_holds_it() -> None:
    me = ServerProcess(os.getpid(), psutil.Process().create_time())
    assert listens_on(me, [])
    assert not listens_on(me, [1])
