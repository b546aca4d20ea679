"""Replaying history for one definition: what arrived while it was disabled or paused, or before there was one.

The definition's present version decides; whether a record is older than its activation does not matter, and whether it
is paused neither: whoever replays has asked. A run that exists already is not started again.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from taskfactory.definitions import RegisteredDefinition
from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.disposer import Disposer
from taskfactory.intake.in_force import InForce
from taskfactory.intake.loading import applied_to_the_past
from taskfactory.intake.pacing import in_parallel
from taskfactory.intake.records import Record
from taskfactory.intake.redrive import Resolutions, counted_on


class Replay:
    """Asks one definition about every record and starts what matches; trouble becomes its dead letters."""

    def __init__(self, definition: RegisteredDefinition, in_force: InForce, resolutions: Resolutions) -> None:
        """Wire it.

        Args:
            definition: enabled; it is asked even if it is paused.
            in_force: what decides besides, such as released keys.
            resolutions: knows of letters that were resolved before.
        """
        self._definition = definition
        self._asked = applied_to_the_past(in_force, [replace(definition, paused=False)])
        self._resolutions = resolutions
        self.tally: Counter[str] = Counter()
        """Records by what became of them: `started`, `already_started`, `filtered`, `dead_lettered`. Counted as things
        are done, so it is right whenever the replay is interrupted."""

    async def run(self, batches: Iterator[Sequence[Record]], disposer: Disposer) -> None:
        """Work through the batches of a `Reading`, which is read in a thread.

        Raises:
            Unavailable: Temporal or Kafka is away. Doing it again is safe.
            WriterFailed: the producer of dead letters is broken for good.
            KafkaException: the history can't be read on.
        """
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            await in_parallel(batch, lambda record: self._one(record, disposer))

    async def _one(self, record: Record, disposer: Disposer) -> None:
        dispositions = await disposer.dispose(record, self._asked, self._revise)
        self.tally[dispositions[0].kind if dispositions else "filtered"] += 1

    async def _revise(self, letter: DeadLetter) -> DeadLetter:
        # What is wrong with the record itself is told for this definition: the others were not asked.
        return await counted_on(self._resolutions, replace(letter, definition=self._definition))
