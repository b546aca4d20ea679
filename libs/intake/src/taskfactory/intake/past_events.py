"""The events that started past runs, read from their records again."""

import asyncio

from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.history import History, UnknownTopic
from taskfactory.intake.in_force import InForce
from taskfactory.intake.past_inputs import InputGone, place_of
from taskfactory.intake.positions import AtOffset
from taskfactory.intake.reading import EventReader, NoEvent, ReadEvent
from taskfactory.intake.records import Record
from taskfactory.registry import PastRun


class PastEvents:
    """Reads single events from topics' histories, as ingress would read them now."""

    def __init__(self, history: History, reader: EventReader, in_force: InForce) -> None:
        """Read with this; `in_force` has the mappings of topics without envelopes."""
        self._history = history
        self._reader = reader
        self._in_force = in_force

    async def event_of(self, run: PastRun) -> ReadEvent:
        """The event in the record at the run's coordinates; whether it is the run's is not looked at.

        Raises:
            InputGone: there is no such record any more, or no event in it.
            Unavailable: the schema registry gives no answer now.
            KafkaException: the cluster did not answer.
        """
        record = await asyncio.to_thread(self._record_of, run)
        reading = await self._reader.read(record, self._in_force)
        match reading:
            case ReadEvent():
                return reading
            case DeadLetter():
                raise InputGone(f"the record at {place_of(record)} can't be read any more: {reading.message}")
            case NoEvent():
                raise InputGone(f"the record at {place_of(record)} is no event by its topic's mapping any more")

    def _record_of(self, run: PastRun) -> Record:
        trigger = run.trigger
        if trigger.topic is None or trigger.partition is None or trigger.offset is None:
            raise InputGone("its event was not read from a topic")
        first, behind = AtOffset(trigger.offset), AtOffset(trigger.offset + 1)
        try:
            spans = self._history.spans(trigger.topic, first, behind, [trigger.partition])
        except UnknownTopic as unknown:
            raise InputGone(str(unknown)) from unknown
        records = [record for batch in self._history.read(spans) for record in batch]
        if not records:
            place = f"{trigger.topic}/{trigger.partition}/{trigger.offset}"
            raise InputGone(f"there is no record at {place} any more")
        return records[0]
