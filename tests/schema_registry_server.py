"""A real schema registry for tests, which can be stopped and started again with its schemas kept."""

import json
import time
from pathlib import Path
from typing import Protocol
from urllib.request import Request, urlopen

from testcontainers.core.container import DockerContainer

from taskfactory.dev import probes
from taskfactory.dev.endpoints import HOST, Endpoints
from taskfactory.dev.ports import choose
from taskfactory.dev.processes import ServerProcess, find, spawn, stop
from taskfactory.dev.schema_registry import SchemaRegistry

_PATIENCE_S = 120.0
_IMAGE = "apicurio/apicurio-registry-mem:2.6.13.Final"
_IN_A_FILE = "jdbc:h2:file:/tmp/registry"


class Server(Protocol):
    """What runs the registry."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class RegistryServer:
    """A registry on a port that stays the same.

    Attributes:
        url: Base URL of its Confluent API.
    """

    def __init__(self, server: Server, port: int) -> None:
        self.url = f"http://{HOST}:{port}/apis/ccompat/v7"
        self._server = server
        self._endpoints = Endpoints("", "", "", "", schema_registry_url=self.url)

    def start(self) -> None:
        self._server.start()
        deadline = time.monotonic() + _PATIENCE_S
        while (problem := probes.schema_registry(self._endpoints)) is not None:
            assert time.monotonic() < deadline, f"the schema registry {problem}"
            time.sleep(0.1)

    def stop(self) -> None:
        self._server.stop()

    def register(
        self, subject: str, schema: str, kind: str = "AVRO", references: list[dict[str, object]] | None = None
    ) -> int:
        """Register a schema the way every client does; give its id."""
        body = {"schema": schema, "schemaType": kind, "references": references or []}
        request = Request(
            f"{self.url}/subjects/{subject}/versions",
            json.dumps(body).encode(),
            {"Content-Type": "application/vnd.schemaregistry.v1+json"},
        )
        with urlopen(request, timeout=30) as answer:
            schema_id: int = json.load(answer)["id"]
            return schema_id


class NativeServer:
    """The local stack's registry as a process of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self._part = SchemaRegistry(folder / "registry")
        self._log = folder / "registry.log"
        self._port = port
        self._process: ServerProcess | None = None

    def start(self) -> None:
        self._part.require()
        launch = self._part.launch({"schema_registry": self._port}, lambda _: None)
        self._process = spawn(launch, self._log)

    def stop(self) -> None:
        if self._process is not None:
            stop([(self._process, self._part.stop_signal)])
            assert find(self._process) is None


class ContainerServer:
    """The same release as a container; its file lives as long as the container, stopped or not."""

    def __init__(self, port: int) -> None:
        self._container = (
            DockerContainer(_IMAGE).with_env("REGISTRY_DATASOURCE_URL", _IN_A_FILE).with_bind_ports(8080, port)
        )
        self._created = False

    def start(self) -> None:
        if self._created:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._created = True

    def stop(self) -> None:
        self._container.get_wrapped_container().stop()

    def remove(self) -> None:
        self._container.stop()


def free_port() -> int:
    return choose(["schema_registry"], {}, {})["schema_registry"]
