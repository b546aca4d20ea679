"""Records in, dispositions out: decide, then make every decision durable, then give the record back.

Invariants:
- A record is disposed only when every decision about it was acknowledged by Temporal or by Kafka (architecture, I1).
- A dependency that is away is waited for; nothing is dropped and nothing advances meanwhile.
- What a record makes the pure part stumble over is that record's dead letter; any other unexpected error ends the
  process.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from taskfactory.ingress import metrics
from taskfactory.ingress.deliveries import Assignment, Delivery
from taskfactory.ingress.retrying import Dependency
from taskfactory.intake import (
    BeforeActivation,
    DeadLetter,
    DeadLetterSink,
    Decision,
    DecisionLimits,
    InForce,
    Paused,
    Record,
    Refused,
    Start,
    Starter,
    StartRun,
    Unavailable,
    decide,
    new_request_id,
)
from taskfactory.runtime import failpoint

FILTERED: Final = "filtered"
PAUSED: Final = "paused"
BEFORE_ACTIVATION: Final = "before_activation"
LEFT: Final = "left"
DEAD_LETTERED: Final = "dead_lettered"

log = structlog.get_logger("taskfactory.ingress")


class Settle(Protocol):
    """How a record is given back, exactly once."""

    def __call__(self, delivery: Delivery, *, disposed: bool) -> None:
        """See `RecordConsumer.settle`."""


@dataclass(frozen=True, slots=True)
class PipelineLimits:
    """Bounds of one pipeline."""

    decisions: DecisionLimits
    concurrency: int
    """Records worked on at the same time; each has at most one call to Temporal or Kafka under way."""


class Pipeline:
    """Takes records and disposes of them, a bounded number at a time, in no particular order."""

    def __init__(  # noqa: PLR0913 -- the two ports come with the dependency whose absence they may report
        self,
        in_force: Callable[[], InForce],
        starter: Starter,
        dead_letters: DeadLetterSink,
        settle: Settle,
        limits: PipelineLimits,
        *,
        temporal: Dependency,
        kafka: Dependency,
    ) -> None:
        """Wire the pipeline; `run` makes it work.

        Args:
            in_force: what decides now, asked for once per record.
            starter: starts runs.
            dead_letters: keeps what can't be started.
            settle: told when a record is disposed, or left undone.
            limits: bounds.
            temporal: is waited for when a start fails for now.
            kafka: is waited for when a dead letter fails for now.
        """
        self._in_force = in_force
        self._starter = starter
        self._dead_letters = dead_letters
        self._settle = settle
        self._limits = limits
        self._temporal = temporal
        self._kafka = kafka
        self._deliveries: asyncio.Queue[Delivery] = asyncio.Queue()

    def accept(self, deliveries: Sequence[Delivery]) -> None:
        """Queue records; whoever hands them in bounds how many. In the event loop's thread."""
        for delivery in deliveries:
            self._deliveries.put_nowait(delivery)

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            ExceptionGroup: a bug, or a producer that is broken for good.
        """
        async with asyncio.TaskGroup() as group:
            for _ in range(self._limits.concurrency):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            delivery = await self._deliveries.get()
            disposed = await self._dispose(delivery)
            if not disposed:
                metrics.DECISIONS.labels(LEFT).inc()
            self._settle(delivery, disposed=disposed)

    async def _dispose(self, delivery: Delivery) -> bool:
        """Make every decision durable; False if the record's next owner is to do that.

        A record of a withdrawn assignment is read again anyway. Leaving it keeps rebalances and shutdowns short, also
        while a dependency is away.
        """
        record, assignment = delivery.record, delivery.assignment
        if assignment.withdrawn:
            return False
        decisions = self._decide(record)
        try:
            for decision in decisions:
                match decision:
                    case StartRun():
                        await self._start(record, decision, assignment)
                    case DeadLetter():
                        await self._dead_letter(decision, assignment)
                    case Paused():
                        metrics.DECISIONS.labels(PAUSED).inc()
                    case BeforeActivation():
                        metrics.DECISIONS.labels(BEFORE_ACTIVATION).inc()
        except Unavailable:
            return False
        if not decisions:
            metrics.DECISIONS.labels(FILTERED).inc()
        return True

    def _decide(self, record: Record) -> Sequence[Decision]:
        try:
            return decide(record, self._in_force(), self._limits.decisions)
        except Exception as error:
            # Deciding is a pure function of the record: it would fail again, in a crash loop that stops the partition.
            log.exception("record_undecidable", topic=record.topic, partition=record.partition, offset=record.offset)
            return [DeadLetter(record, "internal_error", f"{type(error).__name__}: {error}")]

    async def _start(self, record: Record, decision: StartRun, assignment: Assignment) -> None:
        request_id = new_request_id()
        began = time.perf_counter()
        failpoint("ingress.before_start")
        try:
            start = await self._temporal.insist(
                lambda: self._starter.start(decision.run, request_id), unless=lambda: assignment.withdrawn
            )
        except Refused as refused:
            await self._dead_letter(
                DeadLetter(record, refused.reason, refused.message, decision.definition), assignment
            )
            return
        failpoint("ingress.after_start")
        metrics.START_SECONDS.observe(time.perf_counter() - began)
        metrics.DECISIONS.labels(start.value).inc()
        if start is Start.ALREADY_STARTED:
            log.debug("duplicate_refused", run=decision.run.run_id, event_id=decision.run.trigger.id)

    async def _dead_letter(self, letter: DeadLetter, assignment: Assignment) -> None:
        await self._kafka.insist(lambda: self._dead_letters.write(letter), unless=lambda: assignment.withdrawn)
        metrics.DECISIONS.labels(DEAD_LETTERED).inc()
        metrics.DEAD_LETTERS.labels(letter.reason).inc()
        log.warning("dead_lettered", id=letter.id, reason=letter.reason, message=letter.message)
