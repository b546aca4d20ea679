"""The native stack on fake servers: reuse, healing, lost ports, and all or nothing."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskfactory.dev.errors import PartStartError, PortFixedError, ToolMissingError
from taskfactory.dev.native import NativeStack
from taskfactory.dev.ports import FREE, Ports
from taskfactory.dev.processes import find
from taskfactory.dev.progress import Silent
from taskfactory.dev.state import StateFolder
from tests.dev.conftest import FakePart

Parts = dict[str, FakePart]


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    (tmp_path / "state").mkdir()
    return StateFolder(tmp_path / "state")


@pytest.fixture
def stack_of_fakes(folder: StateFolder, parts: Parts) -> Iterator[NativeStack]:
    native = NativeStack(folder, list(parts.values()))
    yield native
    native.down()


def pids(folder: StateFolder) -> dict[str, int]:
    return {name: server.pid for name, server in folder.read().servers.items()}


def test_up_starts_and_provisions_every_part(stack_of_fakes: NativeStack, parts: Parts) -> None:
    endpoints = stack_of_fakes.up(FREE, Silent())
    assert all(part.problem(endpoints) is None and part.provisioned == 1 for part in parts.values())
    assert [status.problem for status in stack_of_fakes.status()] == [None, None, None]


def test_a_part_that_is_not_asked_for_any_more_has_no_address(
    folder: StateFolder, parts: Parts, stack_of_fakes: NativeStack, tmp_path: Path
) -> None:
    extra = FakePart("schema-registry", ("schema_registry",), tmp_path / "state" / "schema-registry")
    with_extra = NativeStack(folder, [*parts.values(), extra])
    url = with_extra.up(FREE, Silent()).schema_registry_url
    assert url is not None
    assert with_extra.down()[-1] == "schema-registry"
    assert stack_of_fakes.up(FREE, Silent()).schema_registry_url is None
    try:
        assert with_extra.up(FREE, Silent()).schema_registry_url == url
    finally:
        with_extra.down()


def test_a_second_up_reuses_what_runs(stack_of_fakes: NativeStack, folder: StateFolder) -> None:
    first, before = stack_of_fakes.up(FREE, Silent()), pids(folder)
    assert stack_of_fakes.up(FREE, Silent()) == first
    assert pids(folder) == before


def test_up_replaces_a_dead_part_on_its_port_and_leaves_the_others(
    stack_of_fakes: NativeStack, folder: StateFolder
) -> None:
    first, before = stack_of_fakes.up(FREE, Silent()), pids(folder)
    os.kill(before["temporal"], signal.SIGKILL)
    while find(folder.read().servers["temporal"]):
        pass
    assert [bool(status.problem) for status in stack_of_fakes.status()] == [False, True, False]
    assert stack_of_fakes.up(FREE, Silent()) == first
    after = pids(folder)
    assert after.pop("temporal") != before.pop("temporal")
    assert after == before


def test_down_leaves_no_process_and_the_next_up_has_the_same_addresses(
    stack_of_fakes: NativeStack, folder: StateFolder
) -> None:
    first = stack_of_fakes.up(FREE, Silent())
    servers = folder.read().servers
    assert stack_of_fakes.down() == ["kafka", "temporal", "postgres"]
    assert not any(find(server) for server in servers.values())
    assert stack_of_fakes.down() == []
    assert stack_of_fakes.up(FREE, Silent()) == first


def test_a_lost_port_is_tried_again(stack_of_fakes: NativeStack, parts: Parts) -> None:
    parts["kafka"].failures = 2
    stack_of_fakes.up(FREE, Silent())
    assert len(parts["kafka"].launched_on) == 3


def test_a_part_that_fails_is_quoted_and_the_others_are_stopped(
    stack_of_fakes: NativeStack, folder: StateFolder, parts: Parts
) -> None:
    parts["kafka"].failures, parts["kafka"].complaint = 1, "no space left on device"
    with pytest.raises(PartStartError, match="kafka did not start: its process ended") as caught:
        stack_of_fakes.up(FREE, Silent())
    assert caught.value.output == "no space left on device"
    assert caught.value.log == folder.log("kafka")
    assert folder.read().servers == {}
    assert all(status.pid is None for status in stack_of_fakes.status())


def test_a_missing_tool_is_told_before_anything_starts(stack_of_fakes: NativeStack, parts: Parts) -> None:
    parts["postgres"].missing = "a server"
    with pytest.raises(ToolMissingError):
        stack_of_fakes.up(FREE, Silent())
    assert all(part.launched_on == [] for part in parts.values())


def test_a_running_stack_is_not_moved_to_other_ports(stack_of_fakes: NativeStack) -> None:
    stack_of_fakes.up(FREE, Silent())
    with pytest.raises(PortFixedError):
        stack_of_fakes.up(Ports(postgres=1), Silent())


def test_wiping_removes_the_parts_data(stack_of_fakes: NativeStack, parts: Parts) -> None:
    stack_of_fakes.up(FREE, Silent())
    stack_of_fakes.down()
    stack_of_fakes.wipe()
    assert not any(part.home.exists() for part in parts.values())
