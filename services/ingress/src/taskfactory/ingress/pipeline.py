"""Records in, dispositions out: decide, then make every decision durable, then give the record back.

Invariants:
- A record is disposed only when every decision about it was acknowledged by Temporal or by Kafka (architecture, I1).
- A dependency that is away is waited for; nothing is dropped and nothing advances meanwhile.
- What a record makes the pure part stumble over is that record's dead letter; any other unexpected error ends the
  process.
- Above the cap on dead letters nothing of a topic is disposed any more, and the consumer is told to halt it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from taskfactory.ingress import metrics
from taskfactory.ingress.dead_letter_share import DeadLetterShare, ShareLimit
from taskfactory.ingress.decision_room import MAX_DECISIONS, DecisionRoom
from taskfactory.ingress.deliveries import Assignment, Delivery
from taskfactory.ingress.effects import Abandoned, Effects, Unless
from taskfactory.ingress.in_flight_decisions import InFlightDecisions
from taskfactory.ingress.pin_log import PinLog
from taskfactory.ingress.pins import Pin, Pins
from taskfactory.ingress.slices import Slices
from taskfactory.intake import (
    BeforeActivation,
    DeadLetter,
    Decided,
    Decision,
    DecisionLimits,
    Disposition,
    InForce,
    Paused,
    ReadEvent,
    ReadResult,
    Record,
    Refused,
    StartRun,
    Unavailable,
    decisions_of,
    shadow_matches,
)

FILTERED: Final = "filtered"
LEFT: Final = "left"

log = structlog.get_logger("taskfactory.ingress")


class Consumer(Protocol):
    """What the pipeline asks of the consumer. See `RecordConsumer`."""

    def settle(self, delivery: Delivery, *, disposed: bool) -> None:
        """Give a record back, exactly once."""

    def halt(self, topic: str, reason: str) -> None:
        """Stop consuming a topic, stay in the group, and say why."""


@dataclass(frozen=True, slots=True)
class PipelineLimits:
    """Bounds of one pipeline."""

    decisions: DecisionLimits
    dead_letters: ShareLimit
    decisions_in_flight: int = MAX_DECISIONS
    """Above it no further record is decided; see `decision_room`."""


class Pipeline:
    """Takes records and disposes of them, in no particular order; whoever hands them in bounds how many."""

    def __init__(
        self,
        in_force: Callable[[], InForce],
        effects: Effects,
        consumer: Consumer,
        pin_log: PinLog,
        limits: PipelineLimits,
    ) -> None:
        """Wire the pipeline; `run` makes it work.

        Args:
            in_force: what decides now, asked for once per batch of records.
            effects: make decisions durable.
            consumer: told when a record is disposed or left undone, and when to halt.
            pin_log: is told which revision decides from where on.
            limits: bounds.
        """
        self._in_force = in_force
        self._effects = effects
        self._consumer = consumer
        self._pin_log = pin_log
        self._limits = limits
        self._shares = defaultdict[str, DeadLetterShare](lambda: DeadLetterShare(limits.dead_letters))
        self._halted: set[str] = set()  # topics
        self._pins = Pins()
        self._slices = Slices()
        self._room = DecisionRoom(limits.decisions_in_flight)
        self._in_flight = InFlightDecisions()
        metrics.OLDEST_IN_FLIGHT.follow_times(self._in_flight.oldest)
        metrics.DEFINITION_IN_FLIGHT.follow(self._in_flight.records)
        self._batches: asyncio.Queue[Sequence[Delivery]] = asyncio.Queue()

    def accept(self, deliveries: Sequence[Delivery]) -> None:
        """Queue records. In the event loop's thread."""
        self._batches.put_nowait(deliveries)

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            ExceptionGroup: a bug, or a producer that is broken for good.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while True:
                pinned, new = self._pins.pin(await self._batches.get(), self._in_force(), loop.create_future)
                if new:
                    group.create_task(self._pin_log.log(new))
                for delivery, pin in pinned:
                    group.create_task(self._work(delivery, pin))

    async def _work(self, delivery: Delivery, pin: Pin) -> None:
        disposed = await self._dispose(delivery.record, delivery.assignment, pin)
        if not disposed:
            metrics.DECISIONS.labels(LEFT).inc()
        self._consumer.settle(delivery, disposed=disposed)

    async def _dispose(self, record: Record, assignment: Assignment, pin: Pin) -> bool:
        """Make every decision durable; False if the record's next owner is to do that.

        A record of a withdrawn assignment is read again anyway. Leaving it keeps rebalances and shutdowns short, also
        while a dependency is away.
        """
        logged = pin.logged.done() or await asyncio.shield(pin.logged)
        await self._slices.turn()
        await self._room.wait(lambda: assignment.withdrawn)  # last: what is decided next, without a wait, counts
        if not logged or assignment.withdrawn or self._has_halted(record):
            return False
        try:
            reading, decisions = await self._decide(record, pin.in_force, assignment)
            number = self._note(record, decisions)
            dispositions = []
            with (
                self._room.taken(len(decisions)),
                self._in_flight.waiting(map(_definition_of, decisions), record.timestamp) as durable,
            ):
                for decision in decisions:
                    dispositions.append(await self._carry_out(record, decision, assignment))
                    durable()
            self._amend(record, number, dispositions)
            if self._has_halted(record):
                return False

            def left() -> bool:
                return assignment.withdrawn or self._has_halted(record)

            shadowed = await self._shadow(reading, decisions, pin.in_force, left)
            event = reading.event if isinstance(reading, ReadEvent) else None
            decided = Decided(record, event, pin.in_force.revision, [*dispositions, *shadowed])
            await self._effects.tell(decided, left)
        except (Unavailable, Abandoned):
            return False
        if self._has_halted(record):
            return False
        for disposition in (*dispositions, *shadowed):
            metrics.DECISIONS.labels(disposition.kind).inc()
        if not dispositions:
            metrics.DECISIONS.labels(FILTERED).inc()
        return True

    async def _decide(
        self, record: Record, in_force: InForce, assignment: Assignment
    ) -> tuple[ReadResult, Sequence[Decision]]:
        reading: ReadResult
        try:
            reading = await self._effects.read(record, in_force, lambda: assignment.withdrawn)
            return reading, decisions_of(reading, in_force, self._limits.decisions)
        except Unavailable:
            raise
        except Exception as error:
            # Deciding is a pure function of the record: it would fail again, in a crash loop that stops the partition.
            log.exception("record_undecidable", topic=record.topic, partition=record.partition, offset=record.offset)
            reading = DeadLetter(record, "internal_error", f"{type(error).__name__}: {error}")
        return reading, [reading]

    async def _shadow(
        self, reading: ReadResult, decisions: Sequence[Decision], in_force: InForce, unless: Unless
    ) -> Sequence[Disposition]:
        """Ask the shadow versions, and write down what they would have done; whatever they say, nothing follows."""
        if not in_force.shadows or not isinstance(reading, ReadEvent):
            return ()
        try:
            matches = shadow_matches(reading, in_force, decisions)
        except Exception:
            record = reading.record
            log.exception("shadow_undecidable", topic=record.topic, partition=record.partition, offset=record.offset)
            return ()
        if matches:
            await self._effects.write_shadows(matches, unless)
        return [
            Disposition("shadowed", in_force.shadows.get(match.definition_id), trouble=match.message)
            for match in matches
            if match.verdict != "none"
        ]

    async def _carry_out(self, record: Record, decision: Decision, assignment: Assignment) -> Disposition:
        match decision:
            case StartRun(run, definition):
                try:
                    start = await self._effects.start(run, lambda: assignment.withdrawn)
                except Refused as refused:
                    letter = DeadLetter(record, refused.reason, refused.message, definition)
                    return await self._dead_letter(letter, assignment)
                return Disposition(start.value, definition, run.run_id)
            case Paused(run, definition):
                return Disposition("paused", definition, run.run_id)
            case BeforeActivation(definition):
                return Disposition("before_activation", definition)
            case DeadLetter():
                return await self._dead_letter(decision, assignment)

    async def _dead_letter(self, letter: DeadLetter, assignment: Assignment) -> Disposition:
        if not self._has_halted(letter.record):
            await self._effects.dead_letter(letter, lambda: assignment.withdrawn or self._has_halted(letter.record))
        return Disposition("dead_lettered", letter.definition, letter=letter)

    def _note(self, record: Record, decisions: Sequence[Decision]) -> int:
        """Count a record that comes to nothing but dead letters; one definition's trouble beside others is none."""
        reasons = [decision.reason for decision in decisions if isinstance(decision, DeadLetter)]
        number = self._shares[record.topic].note(reasons[0] if reasons and len(reasons) == len(decisions) else None)
        self._halt_if_too_many(record.topic)
        return number

    def _amend(self, record: Record, number: int, dispositions: Sequence[Disposition]) -> None:
        """Count it after all if Temporal refused what was to be started."""
        letters = [disposition.letter for disposition in dispositions if disposition.letter is not None]
        if letters and len(letters) == len(dispositions):
            self._shares[record.topic].amend(number, letters[0].reason)
            self._halt_if_too_many(record.topic)

    def _halt_if_too_many(self, topic: str) -> None:
        if topic not in self._halted and (problem := self._shares[topic].problem()) is not None:
            self._halted.add(topic)
            log.error("halted", topic=topic, problem=problem)
            self._consumer.halt(topic, problem)

    def _has_halted(self, record: Record) -> bool:
        return record.topic in self._halted


def _definition_of(decision: Decision) -> str | None:
    registered = decision.definition
    return None if registered is None else registered.definition.name
