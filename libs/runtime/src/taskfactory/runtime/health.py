"""`/livez`, `/readyz` and `/metrics` on one port.

`/livez` looks at the process only: its event loop must have turned lately. `/readyz` asks the checks that services
registered about their dependencies. The server has a thread of its own, so that a stuck loop can still be reported.
"""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

LOOP_STALL_SECONDS: Final = 30.0
"""An event loop that has not turned for so long counts as dead."""

Check = Callable[[], str | None]
"""Returns None when all is well, otherwise a sentence that says what is not."""


class Health:
    """What the process knows about itself: the loop's last turn, and named readiness checks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_turn = clock()
        self._checks: dict[str, Check] = {}

    def turned(self) -> None:
        """Called from the event loop, about once a second."""
        self._last_turn = self._clock()

    def add_check(self, name: str, check: Check) -> None:
        """Make readiness depend on `check`; a later check of the same name replaces the earlier one."""
        self._checks[name] = check

    def alive(self) -> bool:
        """Whether the event loop turned within `LOOP_STALL_SECONDS`."""
        return self._clock() - self._last_turn < LOOP_STALL_SECONDS

    def problems(self) -> dict[str, str]:
        """What keeps the process from being ready, by check; empty when it is ready."""
        found: dict[str, str] = {}
        for name, check in list(self._checks.items()):
            problem = check()
            if problem is not None:
                found[name] = problem
        return found


class HealthServer:
    """Serves a `Health` and a Prometheus registry over HTTP until closed."""

    def __init__(self, health: Health, host: str, port: int, registry: CollectorRegistry = REGISTRY) -> None:
        """Bind the port.

        Args:
            health: what `/livez` and `/readyz` report.
            host: address to listen on.
            port: port to listen on; 0 takes a free one.
            registry: what `/metrics` exposes.

        Raises:
            OSError: the port is taken or may not be bound.
        """
        self._server = ThreadingHTTPServer((host, port), _handler(health, registry))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="health", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(health: Health, registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/livez":
                self._answer_json(200 if health.alive() else 503, {"alive": health.alive()})
            elif self.path == "/readyz":
                problems = health.problems()
                self._answer_json(503 if problems else 200, {"ready": not problems, "problems": problems})
            elif self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
            else:
                self._answer_json(404, {"error": "not found", "paths": ["/livez", "/readyz", "/metrics"]})

        def _answer_json(self, status: int, body: dict[str, object]) -> None:
            self._answer(status, "application/json", json.dumps(body).encode() + b"\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class names it so
            """Probes every few seconds are not worth a log line each."""

    return Handler
