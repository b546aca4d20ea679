from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import RunningStack
from tests.e2e.platform import Platform


@pytest.fixture
def make_platform(stack: RunningStack, tmp_path: Path) -> Iterator[Callable[..., Platform]]:
    """Makes platforms that are torn down with the test."""
    made: list[Platform] = []

    def make(topic_config: dict[str, str] | None = None, **settings: str) -> Platform:
        folder = tmp_path / f"platform-{len(made)}"
        folder.mkdir()
        platform = Platform(stack, folder, settings=settings, topic_config=topic_config or {})
        made.append(platform)
        return platform

    yield make
    for platform in made:
        platform.close()


@pytest.fixture
def platform(make_platform: Callable[..., Platform]) -> Platform:
    return make_platform()
