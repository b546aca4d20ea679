import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from taskfactory.definitions import DefinitionSet
from taskfactory.envelope import SchemaNeeded
from taskfactory.ingress import metrics
from taskfactory.ingress.dead_letter_share import ShareLimit
from taskfactory.ingress.decision_room import DecisionRoom
from taskfactory.ingress.deliveries import Assignment, Delivery
from taskfactory.ingress.effects import Dependencies, Effects, Ports
from taskfactory.ingress.pin_log import Member, PinLog
from taskfactory.ingress.pipeline import Pipeline, PipelineLimits
from taskfactory.ingress.retrying import Dependency, backoff_seconds
from taskfactory.intake import (
    DeadLetter,
    Decided,
    DecisionLimits,
    EventReader,
    InForce,
    ReadResult,
    Record,
    Refused,
    Unavailable,
)
from tests.ingress.fakes import (
    PATIENCE,
    FakeDeadLetters,
    FakeDecisionStream,
    FakeRevisionLog,
    FakeShadowLog,
    FakeStarter,
    delivery,
    record,
    run_input,
    unavailable,
)
from tests.intake.test_decisions import definition

ORDERS = definition("orders", {"type": ["order"]})
PICKY = definition("picky", {"type": ["order"]}, when="event.data.missing > 1")


def order(number: int) -> bytes:
    return json.dumps({"specversion": "1.0", "id": f"e-{number}", "source": "/shop", "type": "order"}).encode()


class Workshop:
    """A running pipeline with stand-ins around it; it is the pipeline's consumer itself."""

    def __init__(
        self,
        starter: FakeStarter | None = None,
        dead_letters: FakeDeadLetters | None = None,
        revisions: FakeRevisionLog | None = None,
        reader: EventReader | None = None,
        decisions: FakeDecisionStream | None = None,
    ) -> None:
        self.definitions = DefinitionSet([ORDERS])
        self.shadows = DefinitionSet([])
        self.shadow_log = FakeShadowLog()
        self.starter = starter or FakeStarter()
        self.dead_letters = dead_letters or FakeDeadLetters()
        self.reader = reader or EventReader(1000, None)
        self.revisions = revisions or FakeRevisionLog()
        self.decisions = decisions or FakeDecisionStream()
        self.settled: list[tuple[Delivery, bool]] = []
        self.halted: list[str] = []
        self.waits: list[float] = []
        self.temporal = Dependency("temporal", self._backoff)
        self._changed = asyncio.Condition()
        others = {
            name: Dependency(name, self._backoff)
            for name in ("schema_registry", "dead_letters", "decisions", "registry")
        }
        self._in_force = InForce(1, self.definitions, shadows=self.shadows)
        self.pipeline = Pipeline(
            self._now_in_force,
            Effects(
                Ports(self.reader, self.starter, self.dead_letters, self.decisions, self.shadow_log),
                Dependencies(temporal=self.temporal, **others),
                concurrent_starts=4,
            ),
            self,
            PinLog(self.revisions, Dependency("registry", self._backoff), Member("group", "member")),
            PipelineLimits(DecisionLimits(max_hops=10), ShareLimit(0.5, window=20, at_least=4)),
        )

    def _now_in_force(self) -> InForce:
        if self._in_force.definitions is not self.definitions or self._in_force.shadows is not self.shadows:
            self._in_force = InForce(self._in_force.revision + 1, self.definitions, shadows=self.shadows)
        return self._in_force

    def _backoff(self, failures: int, waiting: int) -> float:
        self.waits.append(backoff_seconds(failures, waiting))
        return 0.0

    def settle(self, delivery: Delivery, *, disposed: bool) -> None:
        self.settled.append((delivery, disposed))
        asyncio.get_running_loop().create_task(self._notify())

    def halt(self, topic: str, reason: str) -> None:
        assert topic == "events"
        self.halted.append(reason)

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
    measured = counted("taskfactory_ingress_start_seconds_count")
    await workshop.process(delivery(0, order(1)), delivery(1, order(2)), delivery(2, order(1)))
    assert len(workshop.starter.runs) == 2
    assert (started(), duplicates()) == (2, 1)
    assert measured() == 3
    assert all(disposed for _, disposed in workshop.settled)


async def test_an_event_that_nothing_matches_is_disposed_as_filtered(workshop: Workshop) -> None:
    filtered = counted("taskfactory_ingress_decisions_total", decision="filtered")
    workshop.definitions = DefinitionSet([])
    await workshop.process(delivery(0, order(1)))
    assert filtered() == 1
    assert not workshop.starter.attempts


async def test_a_broken_record_is_disposed_once_its_dead_letter_is_acknowledged(workshop: Workshop) -> None:
    counted_letters = counted("taskfactory_ingress_dead_letters_total", reason="not_an_envelope")
    workshop.dead_letters.fail_with(unavailable(), unavailable())
    await workshop.process(delivery(0, b"broken"))
    [letter] = workshop.dead_letters.letters
    assert letter.record.value == b"broken"
    assert len(workshop.waits) == 2
    assert counted_letters() == 1


async def test_a_broken_record_is_not_disposed_while_its_dead_letter_is_being_written() -> None:
    writing, acknowledged = asyncio.Event(), asyncio.Event()

    class Slow(FakeDeadLetters):
        async def write(self, letter: DeadLetter) -> None:
            writing.set()
            await acknowledged.wait()
            await super().write(letter)

    workshop = Workshop(dead_letters=Slow())
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


async def test_a_definition_has_an_age_while_its_run_can_not_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    ages: list[tuple[float | None, float | None]] = []

    class Away(FakeStarter):
        async def start(self, run: Any, request_id: str) -> Any:
            ages.append((age("orders"), age("audit")))
            return await super().start(run, request_id)

    def age(name: str) -> float | None:
        metric = "taskfactory_ingress_definition_oldest_event_seconds"
        return REGISTRY.get_sample_value(metric, {"definition": name})

    workshop = Workshop(starter=Away())
    monkeypatch.setattr(metrics.OLDEST_IN_FLIGHT, "_clock", lambda: 1_700_000_030.0)
    workshop.definitions = DefinitionSet([ORDERS, definition("audit", {"type": ["order"]})])
    await workshop.process(delivery(0, order(1)))
    assert ages[0] == (30.0, 30.0)
    assert ages[1] in {(None, 30.0), (30.0, None)}, "the one that is started is in flight no longer"
    assert (age("orders"), age("audit")) == (None, None)


async def test_a_dependency_that_is_away_is_a_problem_until_it_is_back() -> None:
    problems: list[str | None] = []

    def note(_failures: int, _waiting: int) -> float:
        problems.append(temporal.problem())
        return 0.0

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


async def test_an_assignment_that_is_withdrawn_while_temporal_is_away_is_left_too() -> None:
    assignment = Assignment(("events", 0), epoch=1)

    class Away(FakeStarter):
        async def start(self, run: Any, request_id: str) -> Any:  # noqa: ARG002 -- as the real one
            assignment.withdrawn = True
            raise unavailable()

    workshop = Workshop(Away())
    await workshop.process(delivery(0, order(1), assignment=assignment))
    assert [disposed for _, disposed in workshop.settled] == [False]


async def test_a_start_that_has_no_slot_yet_when_its_assignment_is_withdrawn_is_not_begun() -> None:
    assignment, release = Assignment(("events", 0), epoch=1), asyncio.Event()

    class Slow(FakeStarter):
        async def start(self, run: Any, request_id: str) -> Any:
            started = await super().start(run, request_id)
            if len(self.attempts) == 4:
                assignment.withdrawn = True
                release.set()
            await release.wait()
            return started

    workshop = Workshop(Slow())
    await workshop.process(*(delivery(number, order(number), assignment=assignment) for number in range(20)))
    assert len(workshop.starter.attempts) == 4
    assert sum(disposed for _, disposed in workshop.settled) == 4


async def test_records_of_a_withdrawn_assignment_are_left_undone(workshop: Workshop) -> None:
    left = counted("taskfactory_ingress_decisions_total", decision="left")
    gone = Assignment(("events", 0), epoch=1, withdrawn=True)
    await workshop.process(delivery(0, order(1), assignment=gone))
    assert [disposed for _, disposed in workshop.settled] == [False]
    assert not workshop.starter.attempts
    assert left() == 1


@pytest.mark.parametrize("away", ["schema registry", "dead letters", "decision stream"])
async def test_a_withdrawn_record_waits_for_nothing_that_is_away_and_leaves_no_letter(away: str) -> None:
    assignment = Assignment(("events", 0), epoch=1)

    def absent() -> Unavailable:
        assignment.withdrawn = True
        return unavailable()

    class Reader(EventReader):
        def read_known(self, record: Record, in_force: InForce) -> ReadResult:
            if away == "schema registry":
                raise SchemaNeeded(7)
            return super().read_known(record, in_force)

        async def read(self, record: Record, in_force: InForce) -> ReadResult:  # noqa: ARG002 -- as the real one
            raise absent()

    class Letters(FakeDeadLetters):
        async def write(self, letter: DeadLetter) -> None:
            if away == "dead letters":
                raise absent()
            await super().write(letter)

    class Stream(FakeDecisionStream):
        async def publish(self, decided: Decided) -> None:  # noqa: ARG002 -- as the real one
            raise absent()

    workshop = Workshop(dead_letters=Letters(), reader=Reader(1000, None), decisions=Stream())
    value = b"broken" if away == "dead letters" else order(1)
    await workshop.process(delivery(0, value, assignment=assignment))
    assert [disposed for _, disposed in workshop.settled] == [False]
    assert not workshop.dead_letters.letters


async def test_any_other_error_of_the_starter_ends_the_pipeline(workshop: Workshop) -> None:
    workshop.starter.fail_with(ZeroDivisionError())
    with pytest.raises(ExceptionGroup):
        await workshop.process(delivery(0, order(1)))
    assert not workshop.settled


async def test_only_so_many_starts_are_under_way_at_the_same_time() -> None:
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

    workshop = Workshop(Slow())
    await workshop.process(*(delivery(number, order(number)) for number in range(20)))
    assert most == 4


async def test_a_record_whose_schema_cannot_be_had_now_waits_and_holds_up_no_other() -> None:
    back = asyncio.Event()

    class Reader(EventReader):
        def read_known(self, record: Record, in_force: InForce) -> ReadResult:
            if record.value == b"avro" and not back.is_set():
                raise SchemaNeeded(7)
            return super().read_known(replace(record, value=order(1)), in_force)

        async def read(self, record: Record, in_force: InForce) -> ReadResult:
            if not back.is_set():
                raise Unavailable("SCHEMA_REGISTRY", "connection refused")
            return self.read_known(record, in_force)

    workshop = Workshop(reader=Reader(1000, None))
    running = asyncio.create_task(workshop.pipeline.run())
    workshop.pipeline.accept([delivery(0, b"avro"), delivery(1, order(1))])
    await workshop._until_settled(1)
    assert [(settled.record.offset, disposed) for settled, disposed in workshop.settled] == [(1, True)]
    back.set()
    await workshop._until_settled(2)
    assert all(disposed for _, disposed in workshop.settled)
    running.cancel()
    await asyncio.wait({running})


async def test_a_record_that_waits_for_temporal_is_in_nobodys_way() -> None:
    class PartlyAway(FakeStarter):
        async def start(self, run: Any, request_id: str) -> Any:
            if run.event["id"].startswith("e-9"):
                raise unavailable()
            return await super().start(run, request_id)

    workshop = Workshop(PartlyAway())
    stuck = Assignment(("events", 1), epoch=1)
    running = asyncio.create_task(workshop.pipeline.run())
    workshop.pipeline.accept([delivery(n, order(90 + n), assignment=stuck) for n in range(10)])
    workshop.pipeline.accept([delivery(n, order(n)) for n in range(9)])
    await workshop._until_settled(9)
    assert all(disposed for _, disposed in workshop.settled)
    running.cancel()
    await asyncio.wait({running})


async def test_a_paused_definition_records_the_match_and_starts_nothing(workshop: Workshop) -> None:
    paused = counted("taskfactory_ingress_decisions_total", decision="paused")
    workshop.definitions = DefinitionSet([replace(ORDERS, paused=True)])
    await workshop.process(delivery(0, order(1)))
    assert paused() == 1
    assert not workshop.starter.attempts
    [told] = workshop.decisions.told
    assert [each.kind for each in told.dispositions] == ["paused"]


async def test_the_log_says_which_revision_decides_before_it_decides(workshop: Workshop) -> None:
    workshop.revisions.fail_with(unavailable(), unavailable())
    first, read_again = (Assignment(("events", 0), epoch=epoch) for epoch in (1, 2))
    await workshop.process(delivery(7, order(1), assignment=first), delivery(8, order(2), assignment=first))
    assert len(workshop.waits) == 2
    workshop.definitions = DefinitionSet([ORDERS, PICKY])
    await workshop.process(delivery(9, order(3), assignment=first), delivery(10, order(4), assignment=first))
    await workshop.process(delivery(9, order(3), assignment=read_again))
    assert [(line.group_id, line.topic, line.partition) for line in workshop.revisions.lines] == [
        ("group", "events", 0)
    ] * 3
    assert [(line.from_offset, line.revision) for line in workshop.revisions.lines] == [(7, 1), (9, 2), (9, 2)]


async def test_nothing_is_decided_while_the_log_cannot_be_written() -> None:
    logged_then: list[int] = []

    class Watched(FakeStarter):
        async def start(self, run: Any, request_id: str) -> Any:
            logged_then.append(len(log.lines))
            return await super().start(run, request_id)

    log = FakeRevisionLog()
    log.fail_with(*[unavailable()] * 5)
    workshop, partition = Workshop(Watched(), revisions=log), Assignment(("events", 0), epoch=1)
    await workshop.process(*(delivery(number, order(number), assignment=partition) for number in range(2)))
    assert len(workshop.waits) == 5
    assert logged_then == [1, 1]


async def test_a_record_whose_partition_goes_away_before_the_log_can_be_written_is_left() -> None:
    gone = Assignment(("events", 0), epoch=1)

    class Away(FakeRevisionLog):
        async def put(self, lines: Any) -> None:  # noqa: ARG002 -- as the real one
            gone.withdrawn = True
            raise unavailable()

    workshop = Workshop(revisions=Away())
    await workshop.process(delivery(0, order(1), assignment=gone))
    assert [disposed for _, disposed in workshop.settled] == [False]
    assert not workshop.starter.attempts


async def test_a_partition_that_is_given_away_waits_for_no_other_ones_line_and_leaves_none() -> None:
    back, gone = asyncio.Event(), Assignment(("events", 0), epoch=1)

    class Away(FakeRevisionLog):
        async def put(self, lines: Any) -> None:
            if not back.is_set():
                raise unavailable()
            await super().put(lines)

    workshop = Workshop(revisions=Away())
    running = asyncio.create_task(workshop.pipeline.run())
    kept, later = Assignment(("events", 1), epoch=2), Assignment(("events", 2), epoch=3)
    workshop.pipeline.accept([delivery(0, order(1), assignment=gone), delivery(1, order(2), assignment=kept)])
    workshop.pipeline.accept([delivery(2, order(3), assignment=later)])
    async with asyncio.timeout(PATIENCE):
        while not workshop.waits:  # noqa: ASYNC110 -- it has no event for that
            await asyncio.sleep(0)
    gone.withdrawn = later.withdrawn = True
    await workshop._until_settled(2)
    assert sorted((left.record.offset, disposed) for left, disposed in workshop.settled) == [(0, False), (2, False)]
    back.set()
    await workshop._until_settled(3)
    assert [line.partition for line in workshop.revisions.lines] == [1]
    running.cancel()
    await asyncio.wait({running})


async def test_a_partition_that_goes_away_while_the_log_cannot_be_written_takes_no_other_with_it() -> None:
    gone, kept = Assignment(("events", 0), epoch=1), Assignment(("events", 1), epoch=2)

    class Away(FakeRevisionLog):
        async def put(self, lines: Any) -> None:
            gone.withdrawn = True
            await super().put(lines)

    log = Away()
    log.fail_with(unavailable(), unavailable())
    workshop = Workshop(revisions=log)
    await workshop.process(delivery(0, order(1), assignment=gone), delivery(0, order(2), assignment=kept))
    assert {settled.assignment.epoch: disposed for settled, disposed in workshop.settled} == {1: False, 2: True}


async def test_lines_reach_the_log_in_the_order_of_their_records_although_the_first_is_held_up() -> None:
    trying = asyncio.Event()

    class Away(FakeRevisionLog):
        async def put(self, lines: Any) -> None:
            trying.set()
            await super().put(lines)

    log = Away()
    log.fail_with(unavailable())
    workshop = Workshop(revisions=log)
    partition = Assignment(("events", 0), epoch=1)
    running = asyncio.create_task(workshop.pipeline.run())
    workshop.pipeline.accept([delivery(7, order(1), assignment=partition)])
    await trying.wait()
    workshop.definitions = DefinitionSet([ORDERS, PICKY])
    workshop.pipeline.accept([delivery(9, order(2), assignment=partition)])
    await workshop._until_settled(2)
    assert [(line.from_offset, line.revision) for line in log.lines] == [(7, 1), (9, 2)]
    running.cancel()
    await asyncio.wait({running})


async def test_decisions_are_told_before_a_record_is_disposed(workshop: Workshop) -> None:
    workshop.definitions = DefinitionSet([ORDERS, PICKY])
    workshop.decisions.fail_with(unavailable())
    await workshop.process(delivery(0, order(1)), delivery(1, b"broken"))
    told = {decided.record.offset: [each.kind for each in decided.dispositions] for decided in workshop.decisions.told}
    assert told == {0: ["started", "dead_lettered"], 1: ["dead_lettered"]}
    assert {decided.revision for decided in workshop.decisions.told} == {workshop._now_in_force().revision}


async def test_too_large_a_share_of_dead_letters_halts_the_consumer_and_disposes_of_nothing_more(
    workshop: Workshop,
) -> None:
    await workshop.process(*(delivery(number, order(number)) for number in range(5)))
    await workshop.process(*(delivery(number, b"broken") for number in range(5, 40)))
    [reason] = workshop.halted
    assert "6 of the latest 11 records were dead-lettered (6 not_an_envelope)" in reason
    disposed = {settled.record.offset for settled, disposed in workshop.settled if disposed}
    assert disposed <= set(range(10))
    assert len(workshop.dead_letters.letters) <= 5


async def test_one_record_that_many_definitions_stumble_over_halts_nothing(workshop: Workshop) -> None:
    workshop.definitions = DefinitionSet([definition(f"d-{number}", {"type": ["order"]}) for number in range(12)])
    workshop.starter.fail_with(*[Refused("run_input_too_large", "3 MB")] * 12)
    await workshop.process(delivery(0, order(1)))
    assert len(workshop.dead_letters.letters) == 12
    await workshop.process(*(delivery(number, order(number)) for number in range(1, 4)))
    assert not workshop.halted


async def test_runs_that_temporal_refuses_halt_the_consumer_as_broken_records_do(workshop: Workshop) -> None:
    workshop.starter.fail_with(*[Refused("refused_by_temporal", "bad input")] * 40)
    for number in range(40):
        await workshop.process(delivery(number, order(number)))
    [reason] = workshop.halted
    assert "4 of the latest 4 records were dead-lettered (4 refused_by_temporal)" in reason
    assert len(workshop.dead_letters.letters) <= 4


async def test_a_letter_that_is_not_written_because_of_the_halt_is_not_told(workshop: Workshop) -> None:
    await workshop.process(*(delivery(number, b"broken") for number in range(10)))
    assert workshop.halted
    written = {letter.record.offset for letter in workshop.dead_letters.letters}
    assert {decided.record.offset for decided in workshop.decisions.told} <= written


async def test_after_a_halt_nothing_is_begun_and_nothing_waits_for_letters_that_cannot_be_written(
    workshop: Workshop,
) -> None:
    workshop.dead_letters.fail_with(*[unavailable()] * 1000)
    await workshop.process(*(delivery(number, b"broken") for number in range(10)))
    assert workshop.halted
    assert not any(disposed for _, disposed in workshop.settled)
    await workshop.process(delivery(10, order(1)))
    assert not workshop.starter.attempts


async def test_a_share_of_dead_letters_below_the_limit_halts_nothing(workshop: Workshop) -> None:
    values = [b"broken" if number % 2 else order(number) for number in range(60)]
    await workshop.process(*(delivery(number, value) for number, value in enumerate(values)))
    assert not workshop.halted
    assert len(workshop.dead_letters.letters) == 30


async def test_the_event_loop_turns_between_records_that_take_long_to_decide() -> None:
    turns, at = 0, []

    class Slow(EventReader):
        def read_known(self, record: Record, in_force: InForce) -> ReadResult:
            at.append(turns)
            end = time.perf_counter() + 0.02
            while time.perf_counter() < end:
                pass
            return super().read_known(record, in_force)

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    turning = asyncio.create_task(turn())
    workshop = Workshop(reader=Slow(1000, None))
    await workshop.process(*(delivery(number, order(number)) for number in range(20)))
    turning.cancel()
    assert len(set(at)) == 20


async def test_a_definition_that_fails_on_what_others_take_halts_nothing(workshop: Workshop) -> None:
    workshop.definitions = DefinitionSet([ORDERS, PICKY])
    await workshop.process(*(delivery(number, order(number)) for number in range(60)))
    assert not workshop.halted
    assert len(workshop.dead_letters.letters) == 60
    assert all(disposed for _, disposed in workshop.settled)


async def test_a_topic_that_is_halted_leaves_the_others_alone(workshop: Workshop) -> None:
    await workshop.process(*(delivery(number, b"broken") for number in range(40)))
    assert len(workshop.halted) == 1
    sound = Delivery(record(0, order(1), topic="sound"), Assignment(("sound", 0), epoch=1))
    await workshop.process(sound)
    assert workshop.settled[-1] == (sound, True)


async def test_a_record_whose_headers_cannot_be_read_is_a_dead_letter(workshop: Workshop) -> None:
    unreadable = replace(record(0, order(1)), headers=(), unreadable_headers=True)
    await workshop.process(Delivery(unreadable, Assignment(("events", 0), epoch=1)))
    [letter] = workshop.dead_letters.letters
    assert (letter.reason, letter.record.value) == ("invalid_headers", order(1))


async def test_no_further_record_is_decided_while_too_many_decisions_are_in_flight() -> None:
    release, deciding = asyncio.Event(), 0

    class Slow(FakeStarter):
        async def start(self, run: Any, request_id: str) -> Any:
            await release.wait()
            return await super().start(run, request_id)

    class Counting(EventReader):
        def read_known(self, record: Record, in_force: InForce) -> ReadResult:
            nonlocal deciding
            deciding += 1
            return super().read_known(record, in_force)

    workshop = Workshop(Slow(), reader=Counting(1000, None))
    workshop.pipeline._room = DecisionRoom(limit=3)
    processing = asyncio.create_task(workshop.process(*(delivery(number, order(number)) for number in range(50))))
    async with asyncio.timeout(PATIENCE):
        while deciding < 3:  # noqa: ASYNC110 -- deciding has no event
            await asyncio.sleep(0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert deciding <= 4
    release.set()
    await processing
    assert len(workshop.starter.runs) == 50


async def test_a_shadow_version_starts_nothing_and_what_it_would_have_done_is_written_down(workshop: Workshop) -> None:
    shadowed = counted("taskfactory_ingress_decisions_total", decision="shadowed")
    started = counted("taskfactory_ingress_decisions_total", decision="started")
    workshop.shadows = DefinitionSet([replace(ORDERS, version=8), definition("alone", {"type": ["order"]})])
    await workshop.process(delivery(0, order(1)))
    assert (started(), shadowed(), len(workshop.starter.runs)) == (1, 2, 1)
    assert {
        (match.definition_id, match.version, match.verdict, match.active_version, match.active_verdict, match.same_key)
        for match in workshop.shadow_log.matches
    } == {(ORDERS.id, 8, "matched", ORDERS.version, "matched", True), ("id-of-alone", 2, "matched", None, "none", None)}
    [told] = workshop.decisions.told
    assert [(item.kind, item.definition and item.definition.version) for item in told.dispositions][1:] == [
        ("shadowed", 8),
        ("shadowed", 2),
    ]


async def test_a_record_that_only_shadow_versions_take_counts_as_filtered(workshop: Workshop) -> None:
    filtered = counted("taskfactory_ingress_decisions_total", decision="filtered")
    workshop.definitions, workshop.shadows = DefinitionSet([]), DefinitionSet([ORDERS])
    await workshop.process(delivery(0, order(1)))
    assert filtered() == 1
    assert len(workshop.shadow_log.matches) == 1


async def test_a_shadow_version_that_fails_makes_no_dead_letter(workshop: Workshop) -> None:
    workshop.shadows = DefinitionSet([replace(PICKY, id=ORDERS.id)])
    await workshop.process(delivery(0, order(1)))
    [match] = workshop.shadow_log.matches
    assert (match.verdict, match.active_verdict) == ("error", "matched")
    assert "when_error" in (match.message or "")
    assert workshop.dead_letters.letters == []
    assert len(workshop.starter.runs) == 1


async def test_a_record_is_disposed_only_once_the_shadow_versions_part_is_written_down(workshop: Workshop) -> None:
    workshop.shadows = DefinitionSet([ORDERS])
    workshop.shadow_log.fail_with(unavailable(), unavailable())
    await workshop.process(delivery(0, order(1)))
    assert len(workshop.shadow_log.matches) == 1
    assert len(workshop.waits) == 2


async def test_a_record_that_no_shadow_version_is_concerned_with_waits_for_none(workshop: Workshop) -> None:
    workshop.shadows = DefinitionSet([definition("other", {"type": ["refund"]})])
    workshop.shadow_log.fail_with(AssertionError("nothing was to be written"))
    await workshop.process(delivery(0, order(1)))
    assert all(disposed for _, disposed in workshop.settled)
