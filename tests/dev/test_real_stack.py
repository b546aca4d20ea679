"""The whole life of a native stack on the real servers."""

import os
import signal
from pathlib import Path

import psycopg
import pytest

from taskfactory.dev import Mode, Stack, probes
from taskfactory.dev.compose import engine_answers
from taskfactory.dev.probes import kafka_admin
from taskfactory.dev.processes import find
from taskfactory.dev.provision import PARTITIONS
from taskfactory.dev.state import StateFolder

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(engine_answers(), reason="a Docker engine answers: the stack runs as containers here"),
]


def test_up_reuse_heal_and_down(tmp_path: Path) -> None:
    folder, running = StateFolder(tmp_path / "stack"), Stack(tmp_path / "stack", mode=Mode.NATIVE)
    try:
        endpoints = running.up()
        servers = folder.read().servers
        topics = kafka_admin(endpoints).list_topics(timeout=10).topics
        assert {name: len(topics[name].partitions) for name in PARTITIONS} == PARTITIONS
        with psycopg.connect(endpoints.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS value")

        assert running.up() == endpoints
        assert folder.read().servers == servers

        with_registry = Stack(tmp_path / "stack", mode=Mode.NATIVE, with_schema_registry=True).up()
        assert probes.schema_registry(with_registry) is None
        assert with_registry.env()["TASKFACTORY_SCHEMA_REGISTRY_URL"] == with_registry.schema_registry_url
        assert endpoints.schema_registry_url is None
        assert {name: folder.read().servers[name] for name in servers} == servers
        endpoints = with_registry

        os.kill(servers["postgres"].pid, signal.SIGKILL)
        while find(servers["postgres"]):
            pass
        assert {part.name for part in running.status() if part.problem} == {"postgres"}
        assert running.up() == endpoints
        with psycopg.connect(endpoints.database_url) as connection:
            assert connection.execute("SELECT value FROM kept").fetchone() == (1,)
        assert all(part.problem is None for part in running.status())

        servers = folder.read().servers
        roots = [process for server in servers.values() if (process := find(server))]
        family = [*roots, *(child for process in roots for child in process.children(recursive=True))]
        assert len(family) > len(roots) == 4
        assert running.down() == ["kafka", "temporal", "postgres", "schema-registry"]
        assert not any(process.is_running() and process.status() != "zombie" for process in family)
        assert (tmp_path / "stack" / "postgres").exists()
        (tmp_path / "stack" / "demo" / "abcd").mkdir(parents=True)
    finally:
        running.down(wipe=True)
    assert not (tmp_path / "stack").exists()
