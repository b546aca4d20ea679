"""The real stack, once per test session, and fresh names on it for every test."""

import itertools
import logging
import os
import secrets
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
import structlog
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic  # the admin module does not export it
from hypothesis import settings

from taskfactory.dev import Endpoints, Stack
from taskfactory.dev.compose import engine_answers
from taskfactory.dev.state import Mode
from tests.containers import containers
from tests.schema_registry_server import ContainerServer, NativeServer, RegistryServer, free_port

# Quick for every run; `pytest --hypothesis-profile thorough` looks longer. No deadlines: machines are shared.
settings.register_profile("quick", max_examples=40, deadline=None)
settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.load_profile("quick")


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command that ran within a test has told the process how to log; the next test starts from what was."""
    root = logging.getLogger()
    before, handlers, level = structlog.get_config(), root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


@dataclass
class RunningStack:
    """The stack's addresses, and a supply of topics, databases, queues and groups that no other test uses."""

    endpoints: Endpoints
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def name(self, hint: str) -> str:
        """A name that is unique across tests and across test runs."""
        return f"{hint}-{secrets.token_hex(4)}-{next(self._numbers)}"

    def topic(self, hint: str = "topic", partitions: int = 1, config: dict[str, str] | None = None) -> str:
        """A new topic's name."""
        name = self.name(hint)
        admin = AdminClient({"bootstrap.servers": self.endpoints.kafka_bootstrap_servers})
        for future in admin.create_topics([NewTopic(name, partitions, 1, config=config or {})]).values():
            future.result(30)
        return name

    def database(self, options: str = "") -> str:
        """The URL of a new, empty database.

        Args:
            options: further ones of `CREATE DATABASE`.
        """
        name = self.name("db").replace("-", "_")
        base, _, _ = self.endpoints.database_url.rpartition("/")
        with psycopg.connect(self.endpoints.database_url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" {options}')  # type: ignore[arg-type,unused-ignore]
        return f"{base}/{name}"


def pytest_configure() -> None:
    """A session that is told to end takes its stack down first; what it starts can be interrupted."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    # A shell without job control starts what it runs in the background with SIGINT ignored, and children inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for a stack is marked, so that `-m "not stack"` is the unit part."""
    for item in items:
        if {"stack", "schema_registry", "chaos_stack", "own_temporal"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("stack")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Figures that a test recorded with `record_property` are shown, not only kept."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {name}: {value}")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Real Kafka, Temporal and PostgreSQL; started for this session and gone after it.

    Containers where a Docker engine answers, else native processes. `TASKFACTORY_TEST_STACK=DIR` uses (and leaves up)
    the stack whose state is in DIR, which makes single tests quick.
    """
    kept = os.environ.get("TASKFACTORY_TEST_STACK")
    if kept:
        yield RunningStack(Stack(Path(kept)).up())
    elif engine_answers():
        with containers() as endpoints:
            yield RunningStack(endpoints)
    else:
        native = Stack(tmp_path_factory.mktemp("stack"), mode=Mode.NATIVE)
        try:
            yield RunningStack(native.up())
        finally:
            native.down(wipe=True)


@pytest.fixture(scope="session")
def schema_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A real schema registry of this session's own, also beside a kept stack; it starts when a test first asks."""
    port = free_port()
    if engine_answers():
        container = ContainerServer(port)
        try:
            registry = RegistryServer(container, port)
            registry.start()
            yield registry
        finally:
            container.remove()
        return
    native = NativeServer(tmp_path_factory.mktemp("schema-registry"), port)
    try:
        registry = RegistryServer(native, port)
        registry.start()
        yield registry
    finally:
        native.stop()
