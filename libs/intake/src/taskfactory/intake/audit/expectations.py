"""What should have come of a record: the code that decides, with the definitions of then."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from taskfactory.definitions import DefinitionSet, Matched
from taskfactory.intake.audit.entries import Entry, Expectation, Expected, Place
from taskfactory.intake.audit.versions import Versions
from taskfactory.intake.audit.witnesses import Witness
from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.decisions import (
    BeforeActivation,
    Decision,
    DecisionLimits,
    Paused,
    ReadEvent,
    StartRun,
    decide_event,
    decision_of,
    read_event,
)
from taskfactory.intake.in_force import InForce
from taskfactory.intake.records import Record
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


class Expectations:
    """Works out entries."""

    def __init__(self, versions: Versions, limits: DecisionLimits) -> None:
        """Use definitions as they were, and ingress's limits."""
        self._versions = versions
        self._limits = limits

    def judge(self, record: Record, revisions: Sequence[int], witness: Witness) -> Judged:
        """What follows from a record, or is said to.

        Args:
            record: as it is on the topic.
            revisions: those that may have decided about it, at least one.
            witness: what names the record.
        """
        read = read_event(record, self._limits)
        if isinstance(read, DeadLetter):
            return self._unreadable(record, read.reason, witness)
        try:
            decided = [
                self._expected(decide_event(read, self._versions.at(number), self._limits)) for number in revisions
            ]
        except Exception:  # noqa: BLE001 -- as ingress does: deciding is pure, and would fail again
            return self._unreadable(record, "internal_error", witness)
        concerned = dict.fromkeys(id_ for expected in decided for id_ in expected)
        concerned |= dict.fromkeys(run.activity_id for run in witness.runs)
        concerned |= dict.fromkeys(letter.definition_id for letter in witness.letters if letter.definition_id)
        event = f"{read.envelope.id} from {read.envelope.source}"
        entries = [
            self._entry(
                record,
                event,
                id_,
                [*(expected.get(id_) for expected in decided), *self._later(read, id_, decided, witness)],
            )
            for id_ in concerned
        ]
        if any(letter.definition_id is None for letter in witness.letters):
            entries.append(self._entry(record, event, None, [None]))
        return Judged(readable=True, entries=entries)

    def _unreadable(self, record: Record, reason: str, witness: Witness) -> Judged:
        entries = [self._entry(record, "-", None, [Expected(Expectation.DEAD_LETTER, reason=reason)])]
        # Nothing comes of such a record, so whatever names it for a definition is not explained.
        named = {run.activity_id for run in witness.runs} | {
            letter.definition_id for letter in witness.letters if letter.definition_id
        }
        entries += [self._entry(record, "-", id_, [None]) for id_ in sorted(named)]
        return Judged(readable=False, entries=entries)

    def _entry(
        self, record: Record, event: str, definition_id: str | None, expected: Iterable[Expected | None]
    ) -> Entry:
        parts = [record.topic, str(record.partition), str(record.offset)]
        return Entry(
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
        self, read: ReadEvent, definition_id: str, decided: Sequence[dict[str, Expected]], witness: Witness
    ) -> list[Expected]:
        """What a replay or a redrive may have made of the record, with the version that a run or a letter names."""
        then = [expected[definition_id] for expected in decided if definition_id in expected]
        starts = {item.run_id for item in then if item.kind is Expectation.START}
        found: list[Expected] = []
        for run in witness.runs:
            if run.activity_id == definition_id and run.run_id not in starts:
                again = self._replayed(read, definition_id, run.version, generation=run.generation)
                found += [item for item in again if item.run_id == run.run_id and item.kind is Expectation.START]
        for letter in witness.letters:
            lettered = starts or any(item.kind is Expectation.DEAD_LETTER for item in then)
            if letter.definition_id == definition_id and letter.version is not None and not lettered:
                again = self._replayed(read, definition_id, letter.version)
                found += [item for item in again if item.kind in {Expectation.START, Expectation.DEAD_LETTER}]
        return found

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
