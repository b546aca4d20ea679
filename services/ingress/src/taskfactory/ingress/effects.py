"""What a decision is made durable with: each effect is insisted on for as long as somebody waits for it.

A call to Temporal takes one of a bounded number of slots, but only while it is under way: a record that waits for
something that is away holds none, so it is in nobody's way.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from taskfactory.definitions import RunInput
from taskfactory.envelope import SchemaNeeded
from taskfactory.ingress import metrics
from taskfactory.ingress.retrying import Dependency
from taskfactory.ingress.shadow_log import ShadowLog
from taskfactory.intake import (
    DeadLetter,
    DeadLetterSink,
    Decided,
    DecisionStream,
    EventReader,
    InForce,
    ReadResult,
    Record,
    Start,
    Starter,
    new_request_id,
)
from taskfactory.registry import ShadowMatch
from taskfactory.runtime import failpoint

Unless = Callable[[], bool]
"""Asked after each failed attempt: True means that nobody waits for the effect any longer."""

log = structlog.get_logger("taskfactory.ingress")


class Abandoned(Exception):  # noqa: N818 -- it says what happened
    """Nobody waits for the effect any longer, and it was not begun."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where effects go."""

    reader: EventReader
    starter: Starter
    dead_letters: DeadLetterSink
    decisions: DecisionStream | None
    """None: decisions are not told."""
    shadows: ShadowLog


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What may be away, and is waited for."""

    schema_registry: Dependency
    temporal: Dependency
    dead_letters: Dependency
    decisions: Dependency
    registry: Dependency


class Effects:
    """Carries effects out. Every method raises `Unavailable` once `unless` says that nobody waits any longer."""

    def __init__(self, ports: Ports, dependencies: Dependencies, concurrent_starts: int) -> None:
        """Wire the ports; at most `concurrent_starts` calls to Temporal are under way at the same time."""
        self._ports = ports
        self._dependencies = dependencies
        self._slots = asyncio.Semaphore(concurrent_starts)

    async def read(self, record: Record, in_force: InForce, unless: Unless) -> ReadResult:
        """Read the event in a record, with the schemas that it takes."""
        try:
            return self._ports.reader.read_known(record, in_force)
        except SchemaNeeded:
            return await self._dependencies.schema_registry.insist(
                lambda: self._ports.reader.read(record, in_force), unless=unless
            )

    async def start(self, run: RunInput, unless: Unless) -> Start:
        """Start a run.

        Raises:
            Refused: Temporal will never take it.
            Abandoned: `unless` said so before a slot was free.
        """
        request_id = new_request_id()
        began = time.perf_counter()

        async def attempt() -> Start:
            async with self._slots:
                if unless():
                    raise Abandoned
                return await self._ports.starter.start(run, request_id)

        failpoint("ingress.before_start")
        start = await self._dependencies.temporal.insist(attempt, unless=unless)
        failpoint("ingress.after_start")
        metrics.START_SECONDS.observe(time.perf_counter() - began)
        if start is Start.ALREADY_STARTED:
            log.debug("duplicate_refused", run=run.run_id, event_id=run.trigger.id)
        return start

    async def dead_letter(self, letter: DeadLetter, unless: Unless) -> None:
        """Write a dead letter."""
        await self._dependencies.dead_letters.insist(lambda: self._ports.dead_letters.write(letter), unless=unless)
        metrics.DEAD_LETTERS.labels(letter.reason).inc()
        log.warning("dead_lettered", id=letter.id, reason=letter.reason, message=letter.message)

    async def write_shadows(self, matches: Sequence[ShadowMatch], unless: Unless) -> None:
        """Write down what shadow versions would have done."""
        await self._dependencies.registry.insist(lambda: self._ports.shadows.put(matches), unless=unless)

    async def tell(self, decided: Decided, unless: Unless) -> None:
        """Publish what was decided, where that is wanted."""
        stream = self._ports.decisions
        if stream is not None:
            await self._dependencies.decisions.insist(lambda: stream.publish(decided), unless=unless)
