"""A missing or too old toolchain is one sentence that says what to install."""

from collections.abc import Callable
from pathlib import Path

import pytest

from taskfactory.dev.cache import Cache
from taskfactory.dev.errors import ToolMissingError
from taskfactory.dev.kafka import Kafka
from taskfactory.dev.part import Part
from taskfactory.dev.postgres import Postgres, recent
from taskfactory.dev.schema_registry import SchemaRegistry
from taskfactory.dev.temporal import Temporal
from taskfactory.dev.toxiproxy import toxiproxy
from taskfactory.dev.versions import parse_version, tool_version

Tool = Callable[[str, str], Path]
JAVA_17 = """echo 'openjdk version "17.0.15" 2025-04-15' >&2"""
JAVA_11 = """echo 'openjdk version "11.0.2"' >&2"""


def complaint(part: Part) -> str:
    with pytest.raises(ToolMissingError) as caught:
        part.require()
    message = str(caught.value)
    assert message.endswith(", or start a Docker engine.")
    assert "\n" not in message
    assert ". " not in message
    return message


@pytest.fixture
def kafka(tmp_path: Path) -> Kafka:
    return Kafka(tmp_path / "kafka", Cache(tmp_path / "cache"))


@pytest.fixture
def temporal(tmp_path: Path) -> Temporal:
    return Temporal(tmp_path / "temporal", Cache(tmp_path / "cache"))


def test_no_java(kafka: Kafka, tool: Tool) -> None:
    assert "Kafka needs Java 17 or later" in complaint(kafka)


def test_old_java(kafka: Kafka, tool: Tool) -> None:
    tool("java", JAVA_11)
    assert "Kafka needs Java 17 or later" in complaint(kafka)


def test_no_maven(kafka: Kafka, tool: Tool) -> None:
    tool("java", JAVA_17)
    assert "fetching Kafka's jars needs Maven" in complaint(kafka)


def test_maven_is_not_needed_beside_an_installed_kafka(kafka: Kafka, tool: Tool) -> None:
    tool("java", JAVA_17)
    libs = tool("kafka-server-start.sh", "").parent.parent / "libs"
    libs.mkdir()
    (libs / "kafka_2.13-4.0.0.jar").touch()
    complaint(kafka)  # too old
    (libs / "kafka_2.13-4.1.1.jar").touch()
    kafka.require()


def test_the_schema_registry_needs_java_and_maven(tmp_path: Path, tool: Tool) -> None:
    registry = SchemaRegistry(tmp_path / "registry", Cache(tmp_path / "cache"))
    assert "the schema registry needs Java 17 or later" in complaint(registry)
    tool("java", JAVA_17)
    assert "fetching the schema registry needs Maven" in complaint(registry)


def test_no_go(temporal: Temporal, tool: Tool) -> None:
    assert "building Temporal's CLI needs Go" in complaint(temporal)


def test_no_go_for_toxiproxy(tmp_path: Path, tool: Tool) -> None:
    with pytest.raises(ToolMissingError, match="building toxiproxy needs Go"):
        toxiproxy(Cache(tmp_path / "cache")).require()


def test_a_tool_is_built_once_and_needs_no_go_from_then_on(tmp_path: Path, tool: Tool) -> None:
    proxy = toxiproxy(Cache(tmp_path / "cache"))
    go = tool("go", "echo built > toxiproxy")
    binary = proxy.binary(lambda _: None)
    assert binary.read_text() == "built\n"
    assert {path.name for path in binary.parent.iterdir()} == {"toxiproxy", "go.mod", "go.sum"}
    go.unlink()
    proxy.require()
    assert proxy.binary(lambda _: None) == binary


def test_go_is_not_needed_beside_a_recent_temporal(temporal: Temporal, tool: Tool) -> None:
    tool("temporal", "echo 'temporal version 1.1.0 (Server 1.25.0, UI 2.30.0)'")
    complaint(temporal)  # too old
    tool("temporal", "echo 'temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)'")
    temporal.require()


def test_a_postgres_counts_from_version_15_and_with_its_initdb(tmp_path: Path, tool: Tool) -> None:
    server = tool("postgres", "echo 'postgres (PostgreSQL) 14.9'")
    initdb = tool("initdb", "")
    assert list(recent(iter([server.parent]))) == []
    tool("postgres", "echo 'postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)'")
    assert list(recent(iter([server.parent]))) == [server.parent]
    initdb.unlink()
    assert list(recent(iter([server.parent]))) == []


def test_postgres_is_asked_to_end_without_waiting_for_its_clients(tmp_path: Path) -> None:
    assert Postgres(tmp_path).stop_signal.name == "SIGINT"


@pytest.mark.parametrize(
    ("text", "after", "version"),
    [
        ("go1.26.8", "", (1, 26, 8)),
        ("temporal version 0.0.0-DEV (Server 1.29.1, UI 2)", "Server ", (1, 29, 1)),
        ("none", "", None),
    ],
)
def test_versions_are_read_from_what_tools_print(text: str, after: str, version: tuple[int, ...] | None) -> None:
    assert parse_version(text, after) == version


def test_a_tool_that_fails_has_no_version(tool: Tool) -> None:
    tool("java", "exit 1")
    assert tool_version(["java", "-version"]) is None
