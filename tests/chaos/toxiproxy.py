"""toxiproxy as the tests drive it: named proxies, which can be cut or made toxic."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

import httpx

from taskfactory.dev.endpoints import HOST
from taskfactory.dev.processes import Launch, find, kill, spawn
from taskfactory.dev.toxiproxy import toxiproxy

Stream = Literal["upstream", "downstream"]
"""Towards the server, or back from it."""
PATIENCE = 20.0


class Toxiproxy:
    """A running toxiproxy; a context manager."""

    def __init__(self, port: int, folder: Path, seed: int) -> None:
        """Start it.

        Args:
            port: where its HTTP API listens.
            folder: for its log.
            seed: of what it does at random.
        """
        binary = toxiproxy().binary(lambda _: None)
        argv = (str(binary), "-host", HOST, "-port", str(port), "-seed", str(seed))
        self._server = spawn(Launch(argv, folder, env={"LOG_LEVEL": "error"}), folder / "toxiproxy.log")
        self._http = httpx.Client(base_url=f"http://{HOST}:{port}", timeout=10)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert find(self._server), "toxiproxy has ended; see its log"
            assert time.monotonic() < deadline, f"toxiproxy does not answer within {PATIENCE:.0f} s"
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        kill(self._server)  # it keeps nothing, and asked politely it waits for its connections

    def add(self, name: str, listen: int, upstream: int) -> None:
        """Forward one port of ours to another."""
        proxy = {"name": name, "listen": f"{HOST}:{listen}", "upstream": f"{HOST}:{upstream}", "enabled": True}
        self._ask("POST", "/proxies", proxy)

    def cut(self, name: str) -> None:
        """Close the proxy's port and all its connections: connection refused."""
        self._ask("POST", f"/proxies/{name}", {"enabled": False})

    def mend(self, name: str) -> None:
        """Open it again."""
        self._ask("POST", f"/proxies/{name}", {"enabled": True})

    @contextmanager
    def toxic(self, name: str, kind: str, attributes: Mapping[str, int], stream: Stream) -> Iterator[None]:
        """Make a proxy toxic for the length of a block.

        Args:
            name: the proxy.
            kind: `latency` (latency, jitter: ms), `bandwidth` (rate: KB/s), `slicer` (average_size, size_variation:
                bytes; delay: µs), `reset_peer` (timeout: ms), or `timeout` (timeout: ms; 0: bytes vanish and the
                connection stays, which is a half-open connection).
            attributes: the kind's.
            stream: the direction.
        """
        toxic = {"name": kind, "type": kind, "stream": stream, "attributes": dict(attributes)}
        self._ask("POST", f"/proxies/{name}/toxics", toxic)
        try:
            yield
        finally:
            self._ask("DELETE", f"/proxies/{name}/toxics/{kind}")

    def reset(self) -> None:
        """Mend every proxy and remove every toxic."""
        self._ask("POST", "/reset")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        answer = self._http.request(method, path, json=body)
        assert answer.is_success, f"toxiproxy answered {answer.status_code} to {method} {path}: {answer.text}"

    def _answers(self) -> bool:
        try:
            return self._http.get("/version").is_success
        except httpx.HTTPError:
            return False
