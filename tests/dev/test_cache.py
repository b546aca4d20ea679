"""What is built is built once, by one process at a time, and is there whole or not at all."""

import threading
from pathlib import Path

import pytest

from taskfactory.dev.cache import Cache, run_tool
from taskfactory.dev.errors import BuildError


def unexpected() -> None:
    raise AssertionError("nobody holds the lock")


def test_a_second_request_uses_the_first_ones_work(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    entry = cache.entry("jars", b"recipe")
    cache.make(entry, lambda draft: (draft / "a.jar").touch(), unexpected)
    made = cache.make(entry, lambda _: unexpected(), unexpected)
    assert [path.name for path in made.iterdir()] == ["a.jar"]


def test_a_changed_recipe_is_another_entry(tmp_path: Path) -> None:
    assert Cache(tmp_path).entry("jars", b"1") != Cache(tmp_path).entry("jars", b"2")


def test_a_failed_build_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    entry = cache.entry("jars", b"recipe")

    def half(draft: Path) -> None:
        (draft / "half.jar").touch()
        raise BuildError("fetching", "mvn", "no network")

    with pytest.raises(BuildError, match="no network"):
        cache.make(entry, half, unexpected)
    assert not entry.exists()
    assert not list(tmp_path.glob(".*draft"))


def test_of_two_at_once_one_builds_and_the_other_waits(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    entry = cache.entry("jars", b"recipe")
    building, waiting, builds = threading.Event(), threading.Event(), []

    def slow(draft: Path) -> None:
        building.set()
        assert waiting.wait(10)
        builds.append(draft)

    first = threading.Thread(target=cache.make, args=(entry, slow, unexpected))
    first.start()
    assert building.wait(10)
    assert cache.make(entry, builds.append, waiting.set) == entry
    first.join()
    assert len(builds) == 1


def test_a_failing_tool_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"making tea failed; `sh -c echo no water; exit 3` said:\nno water"):
        run_tool("making tea", ["sh", "-c", "echo no water; exit 3"], tmp_path)
