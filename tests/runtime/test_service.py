"""How a process with services starts and ends, seen from outside."""

import os
import signal
import socket
import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
import asyncio
from taskfactory.runtime import ProcessSettings, Shared, serve

class One:
    name = "one"
    settings = ProcessSettings(metrics_port=0, metrics_host="127.0.0.1", drain_timeout=0.2, log_format="json")
    async def run(self, shared: Shared) -> None:
        print("running", flush=True)
        {body}

import taskfactory.runtime.service as service
service.GRACE_SECONDS = 1.5
serve([One()])
"""


def start(body: str) -> subprocess.Popen[str]:
    program = textwrap.dedent(PROGRAM).replace("{body}", body)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    return process


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_drains_ends_with_0(signum: signal.Signals) -> None:
    process = start("await shared.stop.wait()")
    process.send_signal(signum)
    assert process.wait(10) == 0


def test_a_service_that_does_not_drain_is_ended_in_bounded_time() -> None:
    process = start("await asyncio.sleep(3600)")
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "drain_overrun" in log


def test_a_service_that_fails_ends_the_process_and_says_why() -> None:
    process = start("raise ValueError('broken inside')")
    _, log = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "broken inside" in log


def test_a_service_that_just_ends_is_a_failure() -> None:
    process = start("return")
    process.wait(10)
    assert process.returncode == 1


def test_a_metrics_port_that_is_taken_is_told_with_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        program = PROGRAM.replace("metrics_port=0", f"metrics_port={taken.getsockname()[1]}")
        ended = subprocess.run(
            [sys.executable, "-c", program.replace("{body}", "pass")], capture_output=True, text=True, check=False
        )
    assert ended.returncode == 1
    assert "start_failed" in ended.stderr
    assert "TASKFACTORY_METRICS_PORT" in ended.stderr
