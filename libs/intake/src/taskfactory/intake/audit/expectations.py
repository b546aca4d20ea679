"""What should have come of a record: the code that decides, with the definitions of then."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from taskfactory.definitions import DefinitionSet, Matched
from taskfactory.intake.audit.entries import Entry, Expectation, Expected, Place
from taskfactory.intake.audit.timeline import Deciders
from taskfactory.intake.audit.versions import Versions
from taskfactory.intake.audit.witnesses import Witness
from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.decisions import (
    BeforeActivation,
    Decision,
    DecisionLimits,
    Paused,
    StartRun,
    decide,
    decision_of,
)
from taskfactory.intake.in_force import InForce
from taskfactory.intake.reading import READING_REASONS, EventReader, ReadEvent
from taskfactory.intake.records import Record
from taskfactory.intake.unavailable import Unavailable
from taskfactory.registry import claim_keys

RECORD: Final = "(every definition)"
"""How the books call what concerns the record itself."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A record's entries."""

    readable: bool
    """Whether definitions were asked; otherwise the record itself is a dead letter."""
    entries: Sequence[Entry]
    """Those of definitions, or that of the record; and one for each stray letter or run."""

    def counts(self, entry: Entry) -> bool:
        """Whether the books count the entry; the others can only be wrong."""
        return (entry.definition_id is not None) is self.readable


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What one revision makes of a record; with neither event nor letter, the topic's mapping passes it over."""

    read: ReadEvent | None = None
    expected: Mapping[str, Expected] = field(default_factory=dict)
    """By definition id."""
    letter: DeadLetter | None = None
    """The record itself is one."""


class Expectations:
    """Works out entries."""

    def __init__(self, versions: Versions, reader: EventReader, limits: DecisionLimits) -> None:
        """Use definitions as they were, and ingress's limits."""
        self._versions = versions
        self._reader = reader
        self._limits = limits

    async def judge(self, record: Record, deciders: Deciders, witness: Witness) -> Judged:
        """What follows from a record, or is said to.

        Args:
            record: as it is on the topic.
            deciders: the revisions that may have decided about it, at least one.
            witness: what names the record.

        Raises:
            Unavailable: the schema registry gives no answer now.
        """
        judgements = [await self._judgement(record, self._versions.at(number)) for number in deciders.revisions]
        letters = [item.letter for item in judgements if item.letter is not None]
        of_record = [
            None if item.letter is None else Expected(Expectation.DEAD_LETTER, reason=item.letter.reason)
            for item in judgements
        ]
        if len(letters) == len(judgements):
            entries = [self._entry(record, "-", None, of_record)]
            # Nothing comes of such a record, so whatever names it for a definition is not explained.
            return Judged(readable=False, entries=[*entries, *self._entries(record, None, (), witness)])
        read = next((item.read for item in judgements if item.read is not None), None)
        entries = self._entries(record, read, [item.expected for item in judgements], witness)
        if letters or any(letter.definition_id is None for letter in witness.letters):
            entries.append(self._entry(record, _event(read), None, of_record))
        return Judged(readable=True, entries=[replace(entry, certain=deciders.certain) for entry in entries])

    async def _judgement(self, record: Record, in_force: InForce) -> _Judgement:
        try:
            reading = await self._reader.read(record, in_force)
            match reading:
                case ReadEvent():
                    return _Judgement(reading, self._expected(decide(reading, in_force, self._limits)))
                case DeadLetter():
                    return _Judgement(letter=reading)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 -- as ingress does: deciding is pure, and would fail again
            return _Judgement(letter=DeadLetter(record, "internal_error", f"{type(error).__name__}: {error}"))
        return _Judgement()

    def _entries(
        self, record: Record, read: ReadEvent | None, decided: Sequence[Mapping[str, Expected]], witness: Witness
    ) -> list[Entry]:
        concerned = dict.fromkeys(id_ for expected in decided for id_ in expected)
        concerned |= dict.fromkeys(run.activity_id for run in witness.runs)
        concerned |= dict.fromkeys(letter.definition_id for letter in witness.letters if letter.definition_id)
        entries: list[Entry] = []
        for id_ in concerned:
            then = [expected.get(id_) for expected in decided] or [None]
            later = [] if read is None else self._later(read, id_, then, witness)
            later += self._unread(id_, witness)
            entries.append(self._entry(record, _event(read), id_, [*then, *later]))
        return entries

    def _entry(
        self, record: Record, event: str, definition_id: str | None, expected: Iterable[Expected | None]
    ) -> Entry:
        parts = [record.topic, str(record.partition), str(record.offset)]
        return Entry(
            topic=record.topic,
            place=Place(record.partition, record.offset),
            timestamp=record.timestamp,
            event=event,
            definition_id=definition_id,
            definition=RECORD if definition_id is None else self._versions.names.get(definition_id, definition_id),
            letter_id="/".join(parts if definition_id is None else [*parts, definition_id]),
            expected=tuple(dict.fromkeys(expected)),
        )

    def _expected(self, decisions: Iterable[Decision], *, later: bool = False) -> dict[str, Expected]:
        found: dict[str, Expected] = {}
        for decision in decisions:
            match decision:
                case StartRun(run, registered):
                    found[registered.id] = Expected(Expectation.START, run.run_id, claim_keys(run), later=later)
                case Paused(run, registered):
                    found[registered.id] = Expected(Expectation.PAUSE, run.run_id, later=later)
                case BeforeActivation(registered):
                    found[registered.id] = Expected(Expectation.LEAVE, later=later)
                case DeadLetter(_, reason, _, registered) if registered is not None:
                    found[registered.id] = Expected(Expectation.DEAD_LETTER, reason=reason, later=later)
        return found

    def _later(
        self, read: ReadEvent, definition_id: str, then: Sequence[Expected | None], witness: Witness
    ) -> list[Expected]:
        """What a replay, a redrive or a rerun may have made of the record, with the version that it names."""
        starts = {item.run_id for item in then if item is not None and item.kind is Expectation.START}
        lettered = bool(starts) or any(item is not None and item.kind is Expectation.DEAD_LETTER for item in then)
        found: list[Expected] = []
        for run in witness.runs:
            if run.activity_id == definition_id and run.run_id not in starts:
                again = self._replayed(read, definition_id, run.version, generation=run.generation)
                found += [item for item in again if item.run_id == run.run_id and item.kind is Expectation.START]
        for letter in witness.letters:
            if letter.definition_id == definition_id and letter.version is not None and not lettered:
                again = self._replayed(read, definition_id, letter.version)
                found += [item for item in again if item.kind in {Expectation.START, Expectation.DEAD_LETTER}]
        return found

    def _unread(self, definition_id: str, witness: Witness) -> list[Expected]:
        """Letters of a replay that could not read the record, perhaps by another mapping or schema than ingress had."""
        return [
            Expected(Expectation.DEAD_LETTER, reason=letter.reason, later=True)
            for letter in witness.letters
            if letter.definition_id == definition_id
            and letter.reason in READING_REASONS
            and letter.version is not None
            and self._versions.version(definition_id, letter.version) is not None
        ]

    def _replayed(self, read: ReadEvent, definition_id: str, version: int, generation: int = 1) -> Collection[Expected]:
        registered = self._versions.version(definition_id, version)
        if registered is None:
            return ()
        self._versions.names.setdefault(definition_id, registered.definition.name)
        alone = DefinitionSet([registered])
        decisions: list[Decision | None] = []
        for verdict in alone.evaluate(read.event, read.record.topic):
            fires = {(definition_id, verdict.key.digest): generation} if isinstance(verdict, Matched) else {}
            decisions.append(decision_of(verdict, read, InForce(0, alone, fires), self._limits))
        return self._expected([item for item in decisions if item is not None], later=True).values()


def _event(read: ReadEvent | None) -> str:
    return "-" if read is None else f"{read.envelope.id} from {read.envelope.source}"
