"""A part that tests break comes back on the same ports, whatever was done to it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped,unused-ignore]  # ships no types
import pytest

from taskfactory.dev.errors import PartStartError
from taskfactory.dev.faulty import FaultyPart
from taskfactory.dev.ports import choose
from tests.dev.conftest import FakePart

NAMES = ("kafka", "temporal", "ui", "postgres")


@pytest.fixture
def fake(tmp_path: Path) -> FakePart:
    return FakePart("postgres", ("postgres",), tmp_path / "postgres")


@pytest.fixture
def part(fake: FakePart, tmp_path: Path) -> Iterator[FaultyPart]:
    part = FaultyPart(fake, choose(NAMES, {}, {}), tmp_path / "log")
    yield part
    part.wipe()


@pytest.mark.parametrize("end", [FaultyPart.stop, FaultyPart.kill])
@pytest.mark.parametrize("frozen", [False, True])
def test_it_comes_back_on_its_ports_after_any_end(
    part: FaultyPart, fake: FakePart, end: Callable[[FaultyPart], None], *, frozen: bool
) -> None:
    part.start()
    first = part.pid
    if frozen:
        part.pause()
    end(part)
    between = part.pid
    part.start()
    assert between is None
    assert part.pid not in {None, first}
    assert fake.launched_on[0] == fake.launched_on[1]


def test_starting_what_runs_changes_nothing(part: FaultyPart) -> None:
    part.start()
    pid = part.pid
    part.start()
    assert part.pid == pid


def test_a_port_that_its_predecessor_still_holds_is_tried_again(part: FaultyPart, fake: FakePart) -> None:
    fake.failures = 2
    part.start()
    assert len(fake.launched_on) == 3


def test_a_part_that_does_not_start_says_what_it_printed(part: FaultyPart, fake: FakePart) -> None:
    fake.failures, fake.complaint = 1, "no such option"
    with pytest.raises(PartStartError, match="no such option"):
        part.start()


def test_wiping_leaves_neither_process_nor_data(part: FaultyPart, fake: FakePart) -> None:
    part.start()
    pid = part.pid
    part.wipe()
    assert pid is not None
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert not fake.home.exists()
