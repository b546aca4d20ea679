"""What a record came to for a definition, and what does not add up about it. Pure.

`settle` compares an entry with the facts. It demands:

- what should have been started has its run, which names this record or another one, and the run has its claims;
- what should have been dead-lettered has its letter;
- a run or a letter that names this record follows from it.

A topic that was deleted and created again gives its offsets out anew, so what an earlier topic of the name led to names
records of the present one. It is told by what can't be otherwise: a letter whose original has another time than the
record, and a run of another event that started before the record was written. That proves nothing and is only counted.
"""

from collections.abc import Collection, Sequence
from typing import Final

from taskfactory.intake.audit.entries import (
    Discrepancy,
    Disposition,
    Entry,
    Expectation,
    Expected,
    Facts,
    Settled,
    Trouble,
    Undecided,
)
from taskfactory.intake.executions import Execution
from taskfactory.registry import ClaimKeys, LedgerKey, RunFact

NO_EFFECT: Final = frozenset({Disposition.FILTERED, Disposition.PAUSED, Disposition.BEFORE_ACTIVATION})


def settle(entry: Entry, facts: Facts) -> Settled | Undecided:
    """Compare an entry with the facts.

    Where it is certain which revision decided, what that one demands has to be there, and what others may have done
    before it is explained by them. Otherwise, of all that is possible, what the facts show is taken.
    """
    possible = _Settling(entry, facts, entry.expected)
    if not entry.certain:
        return _with(possible.proven(), possible)
    first, *others = entry.expected
    due = _Settling(entry, facts, [first, *(item for item in others if item is not None and item.later)]).proven()
    if isinstance(due, Settled) and due.disposition in NO_EFFECT:
        due = possible.own_run() or possible.lettered() or due
    return _with(due, possible)


def _with(found: Settled | Undecided, possible: "_Settling") -> Settled | Undecided:
    if isinstance(found, Undecided):
        return found
    return Settled(found.disposition, found.troubles + possible.strays(), len(possible.earlier_runs()))


class _Settling:
    """One entry's comparison: an attempt after the other, in the order of what proves most."""

    def __init__(self, entry: Entry, facts: Facts, expected: Sequence[Expected | None]) -> None:
        self._entry = entry
        self._facts = facts
        self._expected = expected
        self._starts = [item for item in expected if item is not None and item.kind is Expectation.START]
        letter = facts.letters.get(entry.letter_id)
        self._letter = letter if letter is not None and letter.is_about(entry.timestamp) else None

    def proven(self) -> Settled | Undecided:
        """What the facts show of the expectations."""
        return self.own_run() or self._held() or self.lettered() or self._without_effect()

    def strays(self) -> tuple[Discrepancy, ...]:
        """Runs and letters that name the record and follow from no expectation."""
        return self._stray_runs() + self._stray_letter()

    def own_run(self) -> Settled | None:
        """A run that names this record, and follows from it."""
        for item, run in self._own_runs():
            if missing := self._missing_claims(item):
                return Settled(Disposition.STARTED, (self._claim_missing(run, missing),))
            return Settled(Disposition.STARTED)
        return None

    def _own_runs(self) -> list[tuple[Expected, RunFact]]:
        named = {run.run_id: run for run in self._named()}
        # A run that came after the partition's runs were read is found by its id.
        for item in self._starts:
            run = self._facts.runs.get(item.run_id or "")
            if run is not None and (run.topic, run.partition, run.offset) == (self._entry.topic, *self._entry.place):
                named.setdefault(run.run_id, run)
        return [(item, named[item.run_id]) for item in self._starts if item.run_id in named]

    def _named(self) -> Sequence[RunFact]:
        return self._facts.triggered.get((self._entry.place, self._entry.definition_id or ""), ())

    def _held(self) -> Settled | None:
        """Another record's run has the key."""
        for item in self._starts:
            assert item.keys is not None  # noqa: S101 -- a start has its keys
            run = self._facts.runs.get(item.run_id or "")
            if run is not None:
                missing = self._missing_claims(item, strategy_only=True)
                troubles = (self._claim_missing(run, missing),) if missing else ()
                return Settled(Disposition.ALREADY_STARTED, troubles)
            held = self._windowed(item, item.keys) if item.keys.windowed else self._forever(item, item.keys)
            if held is not None:
                return held
        return None

    def _forever(self, item: Expected, keys: ClaimKeys) -> Settled | None:
        if keys.identity in self._facts.runs_of_events:
            return Settled(Disposition.ALREADY_STARTED)
        if keys.strategy in self._facts.claimed:
            return self._claimed_without_row(item)
        # The event was decided about under an earlier strategy, and lost or has a run that is known by that.
        return Settled(Disposition.ALREADY_STARTED) if keys.identity in self._facts.claimed else None

    def _windowed(self, item: Expected, keys: ClaimKeys) -> Settled | None:
        """An event that was admitted has opened a window, or falls into one, whosever that is."""
        if keys.admission not in self._facts.claimed:
            return None
        if item.run_id in self._facts.windows_opened:
            return self._claimed_without_row(item)
        return Settled(Disposition.ALREADY_STARTED)

    def _claimed_without_row(self, item: Expected) -> Settled:
        since, timestamp = self._facts.rows_kept_since, self._entry.timestamp
        if since is None or (timestamp is not None and timestamp < since.timestamp() * 1000):
            return Settled(Disposition.ROWS_EXPIRED)
        return self._missing(Trouble.RUN_MISSING, f"run {item.run_id}", "its key is claimed, but the run has no row")

    def lettered(self) -> Settled | None:
        """A letter, of an expectation that is one, or of a start that Temporal refused."""
        if self._letter is None:
            return None
        if self._starts or self._expects(Expectation.DEAD_LETTER):
            return Settled(Disposition.DEAD_LETTERED)
        return None

    def _without_effect(self) -> Settled | Undecided:
        """What leaves no trace, or no trace yet."""
        if self._facts.open(self._entry.place):
            return Settled(Disposition.IN_FLIGHT)
        if self._expects(Expectation.PAUSE):
            return Settled(Disposition.PAUSED)
        if self._expects(Expectation.LEAVE):
            return Settled(Disposition.BEFORE_ACTIVATION)
        if None in self._expected:
            return Settled(Disposition.FILTERED)
        if self._starts:
            return self._in_temporal([item.run_id or "" for item in self._starts])
        return self._without_letter()

    def _without_letter(self) -> Settled:
        if self._facts.letters_lost:
            return Settled(Disposition.UNPROVEN)
        reason = next((item.reason for item in self._expected if item is not None and item.reason), "")
        expected = f"dead letter {self._entry.letter_id} ({reason})"
        return self._missing(Trouble.LETTER_MISSING, expected, "it is not on the dead letter topic")

    def _in_temporal(self, run_ids: Sequence[str]) -> Settled | Undecided:
        known = self._facts.executions
        if unasked := tuple(run_id for run_id in run_ids if run_id not in known):
            return Undecided(unasked)
        states = {known[run_id] for run_id in run_ids}
        if states & {Execution.OPEN, Execution.STOPPED}:
            return Settled(Disposition.IN_FLIGHT)
        if Execution.COMPLETED in states:
            found = "its execution has completed, but there is neither a claim nor a row"
        else:
            found = "no claim, no row, no execution and no dead letter"
        expected = f"run {' or '.join(run_ids)}"
        return self._missing(Trouble.RUN_LOST, expected, found)

    def _stray_runs(self) -> tuple[Discrepancy, ...]:
        """Runs that name this record and do not follow from it."""
        wanted = {item.run_id for item in self._starts} | {run.run_id for run in self.earlier_runs()}
        return tuple(
            self._discrepancy(Trouble.RUN_UNEXPLAINED, "no such run", told_run(run))
            for run in self._named()
            if run.run_id not in wanted
        )

    def earlier_runs(self) -> list[RunFact]:
        """Runs that name the record and came of one that an earlier topic of this name had there."""
        entry = self._entry
        wanted = {item.run_id for item in self._starts}
        return [
            run
            for run in self._named()
            if run.run_id not in wanted and told_event(run) != entry.event and started_before(run, entry.timestamp)
        ]

    def _stray_letter(self) -> tuple[Discrepancy, ...]:
        if self._letter is None or self._starts or self._expects(Expectation.DEAD_LETTER):
            return ()
        found = f"letter {self._letter.id} ({self._letter.reason})"
        return (self._discrepancy(Trouble.LETTER_UNEXPLAINED, "no dead letter", found),)

    def _expects(self, kind: Expectation) -> bool:
        return any(item is not None and item.kind is kind for item in self._expected)

    def _missing_claims(self, item: Expected, *, strategy_only: bool = False) -> frozenset[LedgerKey]:
        assert item.keys is not None  # noqa: S101 -- a start has its keys
        wanted = {item.keys.strategy} if strategy_only else item.keys.all
        return frozenset(wanted - self._facts.claimed)

    def _missing(self, trouble: Trouble, expected: str, found: str) -> Settled:
        return Settled(Disposition.MISSING, (self._discrepancy(trouble, expected, found),))

    def _claim_missing(self, run: RunFact, missing: Collection[LedgerKey]) -> Discrepancy:
        digests = ", ".join(sorted(key.digest.hex() for key in missing))
        return self._discrepancy(
            Trouble.CLAIM_MISSING, f"claims of run {run.run_id} ({run.state})", f"not in the ledger: {digests}"
        )

    def _discrepancy(self, trouble: Trouble, expected: str, found: str) -> Discrepancy:
        entry = self._entry
        return Discrepancy(entry.place, entry.event, entry.definition, trouble, expected, found)


def started_before(run: RunFact, timestamp: int | None) -> bool:
    """Whether the run started before a record of this time, in milliseconds, was written; false where none is known."""
    return timestamp is not None and run.started_at.timestamp() * 1000 < timestamp


def told_event(run: RunFact) -> str:
    """A run's event as entries call it."""
    return f"{run.event_id} from {run.event_source}"


def told_run(run: RunFact) -> str:
    """A run in words."""
    return f"run {run.run_id} of event {told_event(run)} (version {run.version}, {run.state})"
