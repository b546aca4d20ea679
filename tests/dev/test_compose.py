"""docker-compose.dev.yml is the same stack as the native one, and Compose is driven as it should be."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from taskfactory.dev.compose import PARTS, PORT_NAMES, ComposeStack, compose_file, engine_answers
from taskfactory.dev.errors import BuildError, ModeError
from taskfactory.dev.kafka import SETTINGS
from taskfactory.dev.ports import FREE
from taskfactory.dev.progress import Silent
from taskfactory.dev.stack import Stack
from taskfactory.dev.state import Mode, StackState, StateFolder
from taskfactory.dev.temporal import DYNAMIC_CONFIG

Tool = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return dict(YAML(typ="safe").load(compose_file())["services"])


def test_it_has_every_part_and_each_image_a_fixed_version(services: dict[str, dict[str, Any]]) -> None:
    assert set(PARTS) | {"temporal-ui"} <= set(services)
    for service in services.values():
        assert re.fullmatch(r"[a-z/-]+:\d[\w.]*", service["image"])


def test_every_variable_has_a_default() -> None:
    text = compose_file().read_text()
    assert re.findall(r"(?<!\$)\$(?:\{\w+\}|\w+)", text) == []


def test_it_publishes_the_ports_that_up_chooses_and_only_on_loopback(services: dict[str, dict[str, Any]]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    pattern = r"127\.0\.0\.1:\$\{TASKFACTORY_DEV_([A-Z_]+)_PORT:-\d+\}:\d+"
    matches = [re.fullmatch(pattern, port) for port in published]
    assert sorted(match[1].lower() for match in matches if match) == sorted(PORT_NAMES)
    assert all(matches)


def test_kafka_tells_clients_the_port_that_is_published(services: dict[str, dict[str, Any]]) -> None:
    variable = "${TASKFACTORY_DEV_KAFKA_PORT:-9092}"
    assert services["kafka"]["ports"] == [f"127.0.0.1:{variable}:9092"]
    assert f"HOST://127.0.0.1:{variable}" in services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]


def test_services_wait_for_services_that_exist(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        for name, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in services[name]


def test_kafka_has_the_settings_of_the_native_one(services: dict[str, dict[str, Any]]) -> None:
    listeners = {name for name in SETTINGS if "listener" in name}
    expected = {
        f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in SETTINGS.items() if name not in listeners
    }
    assert expected.items() <= services["kafka"]["environment"].items()


def test_temporal_reads_the_limits_of_the_native_one(services: dict[str, dict[str, Any]]) -> None:
    source, target, _ = services["temporal"]["volumes"][0].split(":")
    inside = services["temporal"]["environment"]["DYNAMIC_CONFIG_FILE_PATH"]
    assert inside.startswith(target)
    config = YAML(typ="safe").load(compose_file().parent / source / inside.removeprefix(f"{target}/"))
    assert DYNAMIC_CONFIG.items() <= {key: values[0]["value"] for key, values in config.items()}.items()


@pytest.mark.parametrize(
    ("script", "answers"),
    [
        ("exit 0", True),
        ("test $1 = compose || { echo 'Cannot connect to the Docker daemon' >&2; exit 1; }", False),
        ("test $1 = version", False),  # no Compose
    ],
)
def test_an_engine_counts_only_when_it_answers(tool: Tool, script: str, *, answers: bool) -> None:
    tool("docker", script)
    assert engine_answers() is answers


def test_no_client_is_no_engine(tool: Tool) -> None:
    assert not engine_answers()


def test_docker_can_be_demanded_but_not_conjured(tool: Tool, tmp_path: Path) -> None:
    with pytest.raises(ModeError, match="no Docker engine with Compose answers: start one, or use --native"):
        Stack(tmp_path / "state", mode=Mode.DOCKER).up()


def test_a_stack_stays_what_it_is(tmp_path: Path) -> None:
    StateFolder(tmp_path).write(StackState(mode=Mode.DOCKER))
    with pytest.raises(ModeError, match="is a docker one: `taskfactory dev down --wipe` removes it"):
        Stack(tmp_path, mode=Mode.NATIVE).up()


def test_a_port_lost_to_another_container_is_tried_again_with_another(tool: Tool, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    tool(
        "docker",
        f"""case "$*" in *" ps "*) exit 0;; esac
echo "$TASKFACTORY_DEV_KAFKA_PORT $*" >> {calls}
echo "Bind for 127.0.0.1 failed: port is already allocated" >&2; exit 1""",
    )
    with pytest.raises(BuildError, match="port is already allocated"):
        ComposeStack(StateFolder(tmp_path)).up(FREE, Silent())
    lines = calls.read_text().splitlines()
    assert len(lines) == 3
    assert all(
        re.fullmatch(r"\d{5} compose --project-name taskfactory-\w{8} --file \S+ up --detach", line) for line in lines
    )


def test_down_keeps_the_volumes_and_wiping_removes_them(tool: Tool, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    tool("docker", f"""echo "$*" >> {calls}; case "$*" in *" ps "*) echo kafka; echo postgres;; esac""")
    containers = ComposeStack(StateFolder(tmp_path))
    assert containers.down() == ["kafka", "postgres"]
    assert "--volumes" not in calls.read_text()
    containers.wipe()
    assert "down --volumes" in calls.read_text()
