"""`taskfactory` commands as a user would start them: processes of their own, with their logs in the run's folder."""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from examples.shop.stage import ROOT, DemoFailed, Stage

TASKFACTORY: Final = str(Path(sys.executable).with_name("taskfactory"))
"""The command that is installed beside this Python."""
READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 45.0
"""Longer than a service's own bound, after which it leaves by itself."""
LOG_LINES_SHOWN: Final = 12


def call(stage: Stage, *arguments: str) -> str:
    """Run a short command to its end and return what it printed.

    Raises:
        DemoFailed: it did not exit with 0.
    """
    done = subprocess.run(  # noqa: S603 -- our own command
        [TASKFACTORY, *arguments], env=stage.env(), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise DemoFailed(f"`taskfactory {' '.join(arguments)}` exited with {done.returncode}:\n{done.stderr.strip()}")
    return done.stdout


@dataclass
class Service:
    """One long-running command."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    _metrics_url: str | None = field(default=None, init=False)

    def check(self) -> None:
        """Notice an end that nobody asked for.

        Raises:
            DemoFailed: the process ended.
        """
        if self.process.poll() is not None:
            raise DemoFailed(f"`taskfactory {self.name}` ended with {self.process.returncode}:\n{self._log_end()}")

    def wait_ready(self) -> None:
        """Wait until `/readyz` says yes.

        Raises:
            DemoFailed: the process ended, or did not become ready in time.
        """
        self._wait(self._is_ready, "ready")

    def wait_for(self, metric: str, value: int) -> None:
        """Wait until a metric has at least this value.

        Raises:
            DemoFailed: the process ended, or the metric did not get there in time.
        """
        self._wait(lambda: self.counts(metric)[""] >= value, f"at {metric} {value}")

    def counts(self, metric: str, label: str = "") -> Mapping[str, int]:
        """A metric's samples out of `/metrics`, added up by one label; zero for what was never counted."""
        with urllib.request.urlopen(f"{self._metrics()}/metrics", timeout=10) as answer:  # noqa: S310 -- loopback
            families = text_string_to_metric_families(answer.read().decode())
        found: Counter[str] = Counter()
        for family in families:
            for sample in family.samples:
                if sample.name == metric:
                    found[sample.labels.get(label, "")] += int(sample.value)
        return found

    def stop(self) -> int:
        """Ask the process to end and wait for it; what does not end in time is killed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            if self.process.poll() is None:  # whoever waits was interrupted once more
                self.process.kill()

    def _wait(self, condition: Callable[[], bool], state: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise DemoFailed(f"`taskfactory {self.name}` is not {state} in {READY_SECONDS:.0f} s: see {self.log}")
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        url = self._metrics()
        if url is None:
            return False
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:  # noqa: S310 -- loopback
                return bool(answer.status == 200)  # noqa: PLR2004 -- HTTP
        except (urllib.error.URLError, OSError):
            return False

    def _metrics(self) -> str | None:
        """The service takes a free port and logs it."""
        if self._metrics_url is None:
            for line in self.log.read_text(errors="replace").splitlines():
                if '"metrics_port"' in line:
                    self._metrics_url = f"http://127.0.0.1:{json.loads(line)['metrics_port']}"
                    break
        return self._metrics_url

    def _log_end(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join([*lines[-LOG_LINES_SHOWN:], f"(all of it: {self.log})"])


@contextmanager
def service(stage: Stage, name: str, *options: str) -> Iterator[Service]:
    """Start a service; whatever happens, it has ended when the block is left."""
    log = stage.folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 -- our own command
            [TASKFACTORY, name, *options],
            env=stage.env(),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C is for the demo, which then stops its services in order
        )
    running = Service(name, process, log)
    try:
        yield running
    finally:
        running.stop()
