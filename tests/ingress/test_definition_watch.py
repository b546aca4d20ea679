import asyncio
import gc
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

import pytest
from sqlalchemy.exc import OperationalError

from taskfactory.definitions import DedupeKey, RegisteredDefinition
from taskfactory.ingress.definition_watch import DefinitionWatch
from taskfactory.registry import DefinitionChanges
from tests.ingress.fakes import PATIENCE
from tests.intake.test_decisions import definition

FIRST = definition("first", {"type": ["order"]})
SECOND = definition("second", {"type": ["order"]})


class FakeRegistry:
    """Definitions in memory; every `publish` is a revision."""

    def __init__(self) -> None:
        self._revisions: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[DefinitionChanges | Exception] = queue.SimpleQueue()
        self.asked: list[int | None] = []
        self._revision = 0

    def publish(
        self,
        *answers: list[RegisteredDefinition] | Exception,
        gone: Sequence[str] = (),
        released: Mapping[tuple[str, bytes], int] | None = None,
    ) -> None:
        """A change, and what the loads that follow it find, in order."""
        self._revision += 1
        for answer in answers:
            if isinstance(answer, Exception):
                self._answers.put(answer)
            else:
                self._answers.put(DefinitionChanges(self._revision, answer, gone, released or {}))
        self._revisions.put(self._revision)

    def changes(self, since: int | None) -> DefinitionChanges:
        self.asked.append(since)
        answer = self._answers.get(timeout=PATIENCE)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def revisions(self, stop: threading.Event) -> Iterator[int]:
        while not stop.is_set():
            try:
                yield self._revisions.get(timeout=0.01)
            except queue.Empty:
                continue


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry()


@pytest.fixture
async def watch(registry: FakeRegistry) -> AsyncIterator[DefinitionWatch]:
    watch = DefinitionWatch(registry.changes, registry)
    following = asyncio.create_task(watch.follow())
    yield watch
    following.cancel()
    await asyncio.wait({following})


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 -- see below
            await asyncio.sleep(0.005)  # the set is swapped by a thread that tells nobody but its readers


async def test_nothing_is_ready_before_the_first_set(registry: FakeRegistry, watch: DefinitionWatch) -> None:
    assert watch.problem() == "no definitions loaded yet"
    registry.publish([])
    await asyncio.wait_for(watch.loaded.wait(), PATIENCE)
    assert watch.problem() is None


async def test_only_what_changed_is_read_and_readers_keep_the_set_they_have(
    registry: FakeRegistry, watch: DefinitionWatch
) -> None:
    registry.publish([FIRST])
    await asyncio.wait_for(watch.loaded.wait(), PATIENCE)
    before = watch.current
    registry.publish([SECOND])
    await until(lambda: len(watch.current.definitions) == 2)
    assert len(before.definitions) == 1
    assert registry.asked == [None, 1]


async def test_a_set_that_does_not_compile_never_replaces_a_good_one(
    registry: FakeRegistry, watch: DefinitionWatch
) -> None:
    registry.publish([FIRST])
    registry.publish(ValueError("made by a newer version"))
    registry.publish([SECOND], gone=[FIRST.id])
    await until(lambda: watch.current.definitions.definitions == (SECOND,))
    registry.publish(ValueError("made by a newer version"))
    registry.publish([FIRST, SECOND])
    await until(lambda: len(watch.current.definitions) == 2)


async def test_a_database_that_is_away_is_asked_again(
    registry: FakeRegistry, watch: DefinitionWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskfactory.ingress.definition_watch.RETRY_SECONDS", 0.01)
    registry.publish(OperationalError("SELECT", {}, Exception("away")), [FIRST])
    await asyncio.wait_for(watch.loaded.wait(), PATIENCE)
    assert watch.current.definitions.definitions == (FIRST,)


async def test_released_keys_are_kept_and_the_newest_generation_counts(
    registry: FakeRegistry, watch: DefinitionWatch
) -> None:
    key, other = DedupeKey("subject", ("o-1",)), DedupeKey("subject", ("o-2",))
    registry.publish([FIRST])
    registry.publish([], released={(FIRST.id, key.digest): 2})
    registry.publish([], released={(FIRST.id, key.digest): 3, (FIRST.id, other.digest): 2})
    registry.publish([SECOND])
    await until(lambda: len(watch.current.definitions) == 2)
    assert [watch.current.generation(FIRST.id, asked) for asked in (key, other)] == [3, 2]
    assert watch.current.generation(SECOND.id, key) == 1


async def test_the_first_load_is_out_of_the_garbage_collectors_way_and_later_ones_are_not(
    watch: DefinitionWatch, registry: FakeRegistry
) -> None:
    gc.unfreeze()
    registry.publish([FIRST])
    await until(lambda: len(watch.current.definitions) == 1)
    frozen = gc.get_freeze_count()
    try:
        assert frozen > 0
        registry.publish([SECOND])
        await until(lambda: len(watch.current.definitions) == 2)
        assert gc.get_freeze_count() <= frozen
    finally:
        gc.unfreeze()
