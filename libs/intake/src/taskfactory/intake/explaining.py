"""Explaining an event: read it as ingress would, ask every definition, and look up what is known. Nothing is written.

Used by `taskfactory explain` and by the Admin API; `explanation` has the pure part.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Engine

from taskfactory.definitions import DefinitionSet, Documents, RegisteredDefinition
from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.decisions import DecisionLimits
from taskfactory.intake.executions import Executions
from taskfactory.intake.explanation import Answered, Facts, asked_for, explain_event, explain_shadows
from taskfactory.intake.history import History
from taskfactory.intake.in_force import InForce
from taskfactory.intake.loading import load_in_force
from taskfactory.intake.positions import AtOffset, Earliest, Latest
from taskfactory.intake.reading import EventReader, ReadEvent, ReadResult
from taskfactory.intake.records import Record
from taskfactory.intake.schema_registry import schema_registry
from taskfactory.registry import Evidence, claim_keys
from taskfactory.runtime import SchemaRegistrySettings

STRUCTURED: Final = (("content-type", b"application/cloudevents+json"),)


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be explained."""

    record: Record
    topic: str | None
    """None when nobody said where the event would be read."""
    placed: bool
    """The record is in Kafka; otherwise somebody gave it."""

    @property
    def title(self) -> str:
        """How the record is called in sentences."""
        record = self.record
        return f"record {record.topic}/{record.partition}/{record.offset}" if self.placed else "the event"


@dataclass(frozen=True, slots=True)
class Explained:
    """What there is to say."""

    reading: ReadResult
    answers: Sequence[Answered] = ()
    """Every definition's, if there is an event."""
    resolution: str | None = None
    """How the dead letter of the record itself was resolved, if it was."""


class NoRecord(LookupError):  # noqa: N818 -- it names what is missing
    """There is no record at the coordinates; the message says why, and which there are."""


class NobodyToAsk(LookupError):  # noqa: N818 -- it names what is missing
    """No definition has the name that the question is narrowed down to.

    Attributes:
        name: that was asked for.
        known: the names that there are.
    """

    def __init__(self, name: str, known: Sequence[str]) -> None:
        """Keep both."""
        self.name = name
        self.known = tuple(known)
        super().__init__(f"there is no definition named {name!r}")


def given_event(content: bytes, topic: str | None) -> Question:
    """A question about an event that is not in Kafka: one CloudEvent in JSON, or a mapped record's value."""
    return Question(Record(topic or "", 0, 0, None, None, content, STRUCTURED), topic, placed=False)


def record_at(history: History, topic: str, partition: int, offset: int) -> Question:
    """A question about the record at an offset.

    Raises:
        NoRecord: there is none.
        UnknownTopic: there is no such topic or partition.
        KafkaException: the cluster did not answer, or refused.
    """
    for batch in history.read(history.spans(topic, AtOffset(offset), AtOffset(offset + 1), [partition])):
        return Question(batch[0], topic, placed=True)
    there = next((span.offsets for span in history.spans(topic, Earliest(), Latest(), [partition])), None)
    place = f"{topic}/{partition}/{offset}"
    if there is None or not len(there):
        raise NoRecord(f"There is no record {place}: the partition is empty.")
    exist = f"offsets {there.start} to {there.end - 1} exist"
    if offset < there.start:
        raise NoRecord(f"Record {place} was removed by the topic's retention; {exist}.")
    if offset >= there.end:
        raise NoRecord(f"There is no record {place} yet; {exist}.")
    raise NoRecord(f"There is no record {place}: compaction removed it, or a transaction left a mark there.")


@asynccontextmanager
async def open_reader(settings: SchemaRegistrySettings, max_event_bytes: int) -> AsyncIterator[EventReader]:
    """Reads events, with the schemas of the registry that the settings name, for the length of the block.

    Raises:
        ValueError: the schema registry's settings are wrong.
        OSError: a certificate or key can't be read.
    """
    schemas = schema_registry(settings)
    try:
        yield EventReader(max_event_bytes, schemas)
    finally:
        if schemas is not None:
            await schemas.close()


async def read_question(reader: EventReader, question: Question, in_force: InForce) -> ReadResult:
    """The event in the record, as ingress would read it.

    Raises:
        Unavailable: the schema registry gives no answer now.
    """
    return await reader.read(_as_on_topic(question, in_force), in_force)


def drafts_in_force(documents: Documents) -> tuple[list[RegisteredDefinition], InForce]:
    """Definitions of files as if they were all there is, with their mappings; no version, and ids that are none."""
    registered = [RegisteredDefinition(f"draft-{draft.name}", 0, draft) for draft in documents.definitions]
    mappings = {each.topic: each for each in documents.mappings}
    return registered, InForce(0, DefinitionSet(registered), mappings=mappings)


async def explain_by_drafts(
    reader: EventReader, limits: DecisionLimits, question: Question, documents: Documents, name: str | None = None
) -> Explained:
    """What the definitions of files make of an event; nothing is looked up.

    Raises:
        NobodyToAsk: none of them has the name.
        Unavailable: the schema registry gives no answer now.
    """
    registered, in_force = drafts_in_force(documents)
    asked = _named(registered, name)
    reading = await read_question(reader, question, in_force)
    if not isinstance(reading, ReadEvent):
        return Explained(reading)
    return Explained(reading, explain_event(reading, asked, in_force, limits, question.topic))


class Explainer:
    """Explains events by what is registered."""

    def __init__(
        self,
        engine: Engine,
        reader: EventReader,
        limits: DecisionLimits,
        executions: Callable[[], Awaitable[Executions]],
    ) -> None:
        """Wire it.

        Args:
            engine: of the registry; asked in threads.
            reader: reads the event.
            limits: those of ingress.
            executions: connects to Temporal; asked for only when there are runs of which the registry knows nothing.
        """
        self._engine = engine
        self._reader = reader
        self._limits = limits
        self._executions = executions

    async def explain(self, question: Question, name: str | None = None) -> Explained:
        """Every definition's answer by name, also of those that are disabled or fire by schedule; or one definition's.

        Raises:
            NobodyToAsk: none has the name.
            Unavailable: Temporal or the schema registry does not answer.
            sqlalchemy.exc.DBAPIError: the registry did not.
        """
        evidence = Evidence(self._engine)
        in_force = await asyncio.to_thread(load_in_force, self._engine)
        everybody = [*in_force.definitions.definitions, *await asyncio.to_thread(evidence.not_asked)]
        shadows = [item for item in in_force.shadows.definitions if name in {None, item.definition.name}]
        registered = _named(sorted(everybody, key=lambda item: item.definition.name), None if shadows else name)
        if name is not None:
            registered = [item for item in registered if item.definition.name == name]
        reading = await read_question(self._reader, question, in_force)
        if isinstance(reading, DeadLetter) and question.placed:
            resolutions = await asyncio.to_thread(evidence.resolutions, [reading.key])
            return Explained(reading, resolution=resolutions.get(reading.key))
        if not isinstance(reading, ReadEvent):
            return Explained(reading)
        answers = explain_event(reading, registered, in_force, self._limits, question.topic)
        facts = await self._facts(evidence, answers)
        settled = [answer.settle(facts, placed=question.placed) for answer in answers]
        return Explained(reading, [*settled, *explain_shadows(reading, shadows, question.topic)])

    async def _facts(self, evidence: Evidence, answers: Sequence[Answered]) -> Facts:
        facts = await asyncio.to_thread(facts_of, evidence, answers)
        keys = {run.run_id: claim_keys(run) for run in asked_for(answers)}
        unknown = [
            run_id for run_id, pair in keys.items() if run_id not in facts.runs and facts.claimed.isdisjoint(pair.all)
        ]
        if not unknown:
            return facts
        return replace(facts, executions=await (await self._executions()).find(unknown))


def facts_of(evidence: Evidence, answers: Sequence[Answered]) -> Facts:
    """What the registry knows about the runs and letters of some answers."""
    runs = asked_for(answers)
    keys = {run.run_id: claim_keys(run) for run in runs}
    windowed = [run for run in runs if run.window is not None]
    return Facts(
        # Claims first: a claim and its run's row are committed together, so the row of one that was seen is seen too.
        claimed=evidence.claimed({key for pair in keys.values() for key in pair.all}),
        runs=evidence.runs(keys),
        runs_of_events=evidence.runs_of_events({pair.identity for pair in keys.values()}),
        standings=evidence.window_standings(windowed),
        holders=evidence.window_holders(windowed),
        resolutions=evidence.resolutions([answer.letter.key for answer in answers if answer.letter is not None]),
    )


def _named(registered: Sequence[RegisteredDefinition], name: str | None) -> list[RegisteredDefinition]:
    found = [item for item in registered if name is None or item.definition.name == name]
    if name is not None and not found:
        raise NobodyToAsk(name, [item.definition.name for item in registered])
    return found


def _as_on_topic(question: Question, in_force: InForce) -> Record:
    """The record, or what was given as a record: with a mapping, what is no CloudEvent does not say it were one."""
    record = question.record
    plain = not question.placed and record.topic in in_force.mappings and not _is_cloudevent(record.value or b"")
    return replace(record, headers=()) if plain else record


def _is_cloudevent(content: bytes) -> bool:
    """Whether it is meant as one: JSON with a `specversion`, which every CloudEvent has to have."""
    try:
        parsed = json.loads(content)
    except ValueError:
        return False
    return isinstance(parsed, dict) and "specversion" in parsed
