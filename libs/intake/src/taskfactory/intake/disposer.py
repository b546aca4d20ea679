"""One record, decided about and disposed of, for commands: what ingress does per record, with bounded patience."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from taskfactory.intake.dead_letter_topic import DeadLetterSink
from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.decisions import Decision, DecisionLimits, Paused, StartRun, decisions_of
from taskfactory.intake.disposition import Disposition
from taskfactory.intake.in_force import InForce
from taskfactory.intake.pacing import Pace
from taskfactory.intake.reading import EventReader
from taskfactory.intake.records import Record
from taskfactory.intake.starter import Refused, Starter, new_request_id
from taskfactory.intake.unavailable import Unavailable

PATIENCE_SECONDS: Final = 20.0
"""How long one start or letter may fail for now before the command gives up; what was done stays done."""

T = TypeVar("T")

_log = logging.getLogger("taskfactory.intake")

Revise = Callable[[DeadLetter], Awaitable[DeadLetter]]
"""What the caller knows of a new dead letter that the decision does not: earlier attempts, whose it is."""


class Disposer:
    """Makes decisions durable, at a rate."""

    def __init__(
        self, reader: EventReader, starter: Starter, dead_letters: DeadLetterSink, limits: DecisionLimits, pace: Pace
    ) -> None:
        """Wire it.

        Args:
            reader: reads the events in records.
            starter: starts runs.
            dead_letters: keeps what can't be started.
            limits: what `decide` is to heed.
            pace: of starts and dead letters together.
        """
        self._reader = reader
        self._starter = starter
        self._dead_letters = dead_letters
        self._limits = limits
        self._pace = pace

    async def dispose(self, record: Record, in_force: InForce, revise: Revise) -> Sequence[Disposition]:
        """Decide, and return when every decision is durable; nothing for a record that no definition takes.

        Args:
            record: as it was consumed, at its own coordinates.
            in_force: the definitions to ask; their activation is not to bound them (`applied_to_the_past`).
            revise: asked about every dead letter before it is written.

        Raises:
            Unavailable: Temporal, Kafka or the schema registry was away for longer than `PATIENCE_SECONDS`. Doing it
                again is safe.
            WriterFailed: the producer of dead letters is broken for good.
        """
        found: list[Disposition] = []
        for decision in await self._decide(record, in_force):
            match decision:
                case StartRun():
                    found.append(await self._start(record, decision, revise))
                case DeadLetter():
                    found.append(await self._dead_letter(await revise(decision)))
                case Paused(run, definition):
                    found.append(Disposition("paused", definition, run.run_id))
        return found

    async def _decide(self, record: Record, in_force: InForce) -> Sequence[Decision]:
        try:
            result = await _insist(lambda: self._reader.read(record, in_force))
            return decisions_of(result, in_force, self._limits)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 -- told in the log and in the letter
            # As in ingress: a record that the pure part stumbles over is that record's trouble, not everybody's.
            _log.exception("%s/%d/%d can't be decided about", record.topic, record.partition, record.offset)
            return [DeadLetter(record, "internal_error", f"{type(error).__name__}: {error}")]

    async def _start(self, record: Record, decision: StartRun, revise: Revise) -> Disposition:
        request_id = new_request_id()
        await self._pace.turn()
        try:
            start = await _insist(lambda: self._starter.start(decision.run, request_id))
        except Refused as refused:
            letter = DeadLetter(record, refused.reason, refused.message, decision.definition)
            return await self._dead_letter(await revise(letter))
        return Disposition(start.value, decision.definition, decision.run.run_id)

    async def _dead_letter(self, letter: DeadLetter) -> Disposition:
        await self._pace.turn()
        await _insist(lambda: self._dead_letters.write(letter))
        return Disposition("dead_lettered", letter.definition, letter=letter)


async def _insist(attempt: Callable[[], Awaitable[T]]) -> T:
    async def once() -> T:
        return await attempt()

    retrying = AsyncRetrying(
        wait=wait_random_exponential(multiplier=0.1, max=2),
        retry=retry_if_exception_type(Unavailable),
        stop=stop_after_delay(PATIENCE_SECONDS),
        reraise=True,
    )
    result: T = await retrying(once)
    return result
