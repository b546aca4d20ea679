import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from taskfactory.definitions import DefinitionSet
from taskfactory.ingress.deliveries import Assignment, Delivery
from taskfactory.ingress.pipeline import Pipeline, PipelineLimits
from taskfactory.ingress.retrying import Dependency
from taskfactory.intake import DeadLetter, DecisionLimits, InForce, Refused
from tests.ingress.fakes import PATIENCE, FakeDeadLetters, FakeStarter, delivery, run_input, unavailable
from tests.intake.test_decisions import definition

ORDERS = definition("orders", {"type": ["order"]})
PICKY = definition("picky", {"type": ["order"]}, when="event.data.missing > 1")


def order(number: int) -> bytes:
    return json.dumps({"specversion": "1.0", "id": f"e-{number}", "source": "/shop", "type": "order"}).encode()


class Workshop:
    """A running pipeline with stand-ins around it."""

    def __init__(self) -> None:
        self.definitions = DefinitionSet([ORDERS])
        self.starter = FakeStarter()
        self.dead_letters = FakeDeadLetters()
        self.settled: list[tuple[Delivery, bool]] = []
        self.waits: list[float] = []
        self.temporal = Dependency("temporal", self._sleep)
        self.kafka = Dependency("dead_letters", self._sleep)
        self._changed = asyncio.Condition()
        self.pipeline = Pipeline(
            lambda: InForce(1, self.definitions),
            self.starter,
            self.dead_letters,
            self._settle,
            PipelineLimits(DecisionLimits(max_event_bytes=1000, max_hops=10), concurrency=4),
            temporal=self.temporal,
            kafka=self.kafka,
        )

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)

    def _settle(self, delivery: Delivery, *, disposed: bool) -> None:
        self.settled.append((delivery, disposed))
        asyncio.get_running_loop().create_task(self._notify())

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def process(self, *deliveries: Delivery) -> None:
        """Hand records in and wait until all of them came back; raises what ends the pipeline."""
        expected = len(self.settled) + len(deliveries)
        running = asyncio.create_task(self.pipeline.run())
        self.pipeline.accept(deliveries)
        settled = asyncio.create_task(self._until_settled(expected))
        await asyncio.wait({running, settled}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            settled.cancel()
            running.result()
        await settled
        running.cancel()
        await asyncio.wait({running})

    async def _until_settled(self, expected: int) -> None:
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: len(self.settled) == expected)


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


def counted(name: str, **labels: str) -> Callable[[], float]:
    before = REGISTRY.get_sample_value(name, labels) or 0
    return lambda: (REGISTRY.get_sample_value(name, labels) or 0) - before


async def test_a_matching_event_starts_one_run_and_a_duplicate_none(workshop: Workshop) -> None:
    started = counted("taskfactory_ingress_decisions_total", decision="started")
    duplicates = counted("taskfactory_ingress_decisions_total", decision="already_started")
    await workshop.process(delivery(0, order(1)), delivery(1, order(2)), delivery(2, order(1)))
    assert len(workshop.starter.runs) == 2
    assert (started(), duplicates()) == (2, 1)
    assert all(disposed for _, disposed in workshop.settled)


async def test_an_event_that_nothing_matches_is_disposed_as_filtered(workshop: Workshop) -> None:
    filtered = counted("taskfactory_ingress_decisions_total", decision="filtered")
    workshop.definitions = DefinitionSet([])
    await workshop.process(delivery(0, order(1)))
    assert filtered() == 1
    assert not workshop.starter.attempts


async def test_a_broken_record_is_disposed_once_its_dead_letter_is_acknowledged(workshop: Workshop) -> None:
    workshop.dead_letters.fail_with(unavailable(), unavailable())
    await workshop.process(delivery(0, b"broken"))
    [letter] = workshop.dead_letters.letters
    assert letter.record.value == b"broken"
    assert len(workshop.waits) == 2


async def test_a_broken_record_is_not_disposed_while_its_dead_letter_is_being_written(workshop: Workshop) -> None:
    writing, acknowledged = asyncio.Event(), asyncio.Event()

    class Slow(FakeDeadLetters):
        async def write(self, letter: DeadLetter) -> None:
            writing.set()
            await acknowledged.wait()
            await super().write(letter)

    workshop.pipeline._dead_letters = Slow()
    processing = asyncio.create_task(workshop.process(delivery(0, b"broken"), delivery(1, order(1))))
    async with asyncio.timeout(PATIENCE):
        await writing.wait()
        await workshop._until_settled(1)  # the sound record does not wait for the broken one's letter
    assert [settled.record.offset for settled, _ in workshop.settled] == [1]
    acknowledged.set()
    await processing
    assert [(settled.record.offset, disposed) for settled, disposed in workshop.settled] == [(1, True), (0, True)]


async def test_a_start_is_repeated_under_one_request_id_until_temporal_is_back(workshop: Workshop) -> None:
    workshop.starter.fail_with(*[unavailable()] * 20)
    await workshop.process(delivery(0, order(1)))
    assert len(workshop.starter.attempts) == 21
    assert len({request_id for _, request_id in workshop.starter.attempts}) == 1
    assert max(workshop.waits) <= 5.0
    assert workshop.temporal.problem() is None


async def test_a_dependency_that_is_away_is_a_problem_until_it_is_back() -> None:
    problems: list[str | None] = []

    async def note(_seconds: float) -> None:
        problems.append(temporal.problem())

    temporal = Dependency("temporal", note)
    starter = FakeStarter()
    starter.fail_with(unavailable())
    run = run_input()
    await temporal.insist(lambda: starter.start(run, "request"), unless=lambda: False)
    assert problems == ["UNAVAILABLE: connection refused"]
    assert temporal.problem() is None


async def test_a_run_that_temporal_will_never_take_is_a_dead_letter_of_its_definition(workshop: Workshop) -> None:
    workshop.starter.fail_with(Refused("refused_by_temporal", "bad input"))
    await workshop.process(delivery(0, order(1)))
    [letter] = workshop.dead_letters.letters
    assert (letter.reason, letter.definition) == ("refused_by_temporal", ORDERS)


async def test_an_evaluation_error_harms_no_other_definition(workshop: Workshop) -> None:
    workshop.definitions = DefinitionSet([ORDERS, PICKY])
    await workshop.process(delivery(0, order(1)))
    assert [letter.definition for letter in workshop.dead_letters.letters] == [PICKY]
    assert len(workshop.starter.runs) == 1


async def test_a_record_that_deciding_stumbles_over_is_a_dead_letter_and_the_next_one_goes_on(
    workshop: Workshop,
) -> None:
    class Stumbling(DefinitionSet):
        def evaluate(self, event: Any, topic: str | None) -> Any:
            if event["id"] == "e-1":
                raise KeyError("a bug")
            return super().evaluate(event, topic)

    workshop.definitions = Stumbling([ORDERS])
    await workshop.process(delivery(0, order(1)), delivery(1, order(2)))
    assert [letter.reason for letter in workshop.dead_letters.letters] == ["internal_error"]
    assert len(workshop.starter.runs) == 1


async def test_an_assignment_that_is_withdrawn_while_temporal_is_away_is_left_too(workshop: Workshop) -> None:
    assignment = Assignment(("events", 0), epoch=1)

    class Away(FakeStarter):
        async def start(self, run: Any, request_id: str) -> Any:  # noqa: ARG002 -- as the real one
            assignment.withdrawn = True
            raise unavailable()

    workshop.pipeline._starter = Away()
    await workshop.process(delivery(0, order(1), assignment=assignment))
    assert [disposed for _, disposed in workshop.settled] == [False]


async def test_records_of_a_withdrawn_assignment_are_left_undone(workshop: Workshop) -> None:
    gone = Assignment(("events", 0), epoch=1, withdrawn=True)
    await workshop.process(delivery(0, order(1), assignment=gone))
    assert [disposed for _, disposed in workshop.settled] == [False]
    assert not workshop.starter.attempts


async def test_any_other_error_of_the_starter_ends_the_pipeline(workshop: Workshop) -> None:
    workshop.starter.fail_with(ZeroDivisionError())
    with pytest.raises(ExceptionGroup):
        await workshop.process(delivery(0, order(1)))
    assert not workshop.settled


async def test_only_so_many_records_are_worked_on_at_the_same_time() -> None:
    under_way, most = 0, 0
    release = asyncio.Event()

    class Slow(FakeStarter):
        async def start(self, run: Any, request_id: str) -> Any:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            if under_way == 4:
                release.set()
            await release.wait()
            under_way -= 1
            return await super().start(run, request_id)

    workshop = Workshop()
    workshop.pipeline._starter = Slow()
    await workshop.process(*(delivery(number, order(number)) for number in range(20)))
    assert most == 4
