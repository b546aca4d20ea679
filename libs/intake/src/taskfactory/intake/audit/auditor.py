"""The audit: a topic read again, partition by partition, and every record compared with what is known of it.

Order matters while ingress is at work: first what it has committed, then where the topic ends, then the dead letters,
then runs, then claims. So whatever a committed record has led to is there by the time it is looked for; what comes
later is in flight.

Memory is bounded by `CHUNK` records, the number of dead letters and that of discrepancies.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final

from taskfactory.intake.audit.books import Books, Regime, Row
from taskfactory.intake.audit.entries import (
    Discrepancy,
    Entry,
    Expectation,
    Facts,
    Place,
    Settled,
    Trouble,
    Undecided,
)
from taskfactory.intake.audit.expectations import RECORD, Expectations, Judged
from taskfactory.intake.audit.letters import Letters
from taskfactory.intake.audit.settling import settle, started_before, told_event, told_run
from taskfactory.intake.audit.timeline import Timeline
from taskfactory.intake.audit.versions import Versions
from taskfactory.intake.audit.witnesses import TriggeredRuns, Witness, Witnesses
from taskfactory.intake.executions import Executions
from taskfactory.intake.history import History, OffsetRange, Progress, Span
from taskfactory.intake.records import Record
from taskfactory.registry import Evidence, RunFact

CHUNK: Final = 5_000
"""Records whose facts are looked up together."""


@dataclass(frozen=True, slots=True)
class PartitionRead:
    """What there was of a partition."""

    partition: int
    offsets: OffsetRange
    records: int
    unlogged: int
    """Records that no line of the log of revisions covers: written before there was a log, or by another group."""
    unreadable: Sequence[OffsetRange]
    """Offsets that were asked for and that retention has removed."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit found."""

    partitions: Sequence[PartitionRead]
    rows: Sequence[Row]
    discrepancies: Sequence[Discrepancy]
    letters_lost: bool
    """The dead letter topic has lost letters, so a missing one proves nothing."""
    earlier: int
    """Runs and dead letters that name offsets of the topic and came of an earlier topic of its name."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is audited."""

    topic: str
    spans: Sequence[Span]
    committed: Mapping[int, int]
    """By partition: what the group had committed before anything else was looked at."""
    timelines: Mapping[int, Timeline]
    letters: Letters
    definition_id: str | None = None
    """None: every definition."""


class Auditor:
    """Audits one scope."""

    def __init__(
        self, scope: Scope, expectations: Expectations, versions: Versions, evidence: Evidence, executions: Executions
    ) -> None:
        """Wire what is asked."""
        self._scope = scope
        self._expectations = expectations
        self._versions = versions
        self._evidence = evidence
        self._executions = executions
        self._books = Books()
        self._discrepancies: list[Discrepancy] = []
        self._earlier = 0
        self._letters = {
            letter.id: letter
            for letter in scope.letters.by_id.values()
            if scope.definition_id is None or letter.definition_id in {None, scope.definition_id}
        }
        self._facts = Facts(
            letters=self._letters,
            committed=scope.committed,
            rows_kept_since=evidence.rows_kept_since(),
            letters_lost=scope.letters.lost,
        )

    async def audit(self, past: History, progress: Progress | None = None) -> Report:
        """Read everything and balance the books.

        Raises:
            KafkaException: the cluster refused, or went silent.
            Unavailable: Temporal or the schema registry does not answer.
        """
        done, total = 0, sum(len(span.offsets) for span in self._scope.spans)
        partitions: list[PartitionRead] = []
        for span in self._scope.spans:
            before = done

            def report(passed: int, _: int, before: int = before) -> None:
                if progress is not None:
                    progress(before + passed, total)

            partitions.append(await self._partition(past, span, report))
            done += len(span.offsets)
        rows = self._books.rows(self._versions.ids, self._versions.names)
        return Report(partitions, rows, self._discrepancies, self._scope.letters.lost, self._earlier)

    async def _partition(self, past: History, span: Span, progress: Progress) -> PartitionRead:
        offsets = span.offsets
        reading = past.read([span], progress)
        named = Witnesses(self._letters.values(), offsets.partition)
        records = unlogged = 0
        oldest: int | None = None
        with closing(TriggeredRuns(self._evidence, offsets, self._scope.definition_id)) as runs:
            for chunk in _chunks(reading):
                runs.since(chunk[0])
                last = chunk[-1].offset
                witnesses = named.up_to(last, runs.up_to(last))
                oldest = chunk[0].timestamp if records == 0 else oldest
                records += len(chunk)
                unlogged += await self._chunk(chunk, witnesses, oldest)
            left = named.up_to(offsets.end, runs.up_to(offsets.end))
        self._without_record(left, reading.unreadable, oldest)
        return PartitionRead(offsets.partition, offsets, records, unlogged, reading.unreadable)

    async def _chunk(self, chunk: Sequence[Record], witnesses: Mapping[Place, Witness], oldest: int | None) -> int:
        """Settle a chunk's records; the number of those that the log does not cover."""
        judged: list[tuple[Judged, Regime]] = []
        timeline = self._scope.timelines.get(chunk[0].partition, Timeline(()))
        unlogged = 0
        for record in chunk:
            place = Place(record.partition, record.offset)
            deciders = timeline.deciders(record.offset, record.timestamp)
            if not deciders.revisions:
                unlogged += 1
                continue
            regime = Regime(deciders.revisions, self._facts.open(place))
            witness = witnesses.get(place, Witness())
            about = witness.about(record.timestamp)
            self._earlier += len(witness.letters) - len(about.letters)
            judged.append((await self._expectations.judge(record, deciders, about), regime))
        seen = {Place(record.partition, record.offset) for record in chunk}
        self._without_record({place: found for place, found in witnesses.items() if place not in seen}, (), oldest)
        await self._settle(chunk[0].partition, judged, witnesses)
        return unlogged

    async def _settle(
        self, partition: int, judged: Sequence[tuple[Judged, Regime]], witnesses: Mapping[Place, Witness]
    ) -> None:
        entries = [entry for item, _ in judged for entry in item.entries]
        facts = self._look_up(entries, witnesses)
        found = {id(entry): settle(entry, facts) for entry in entries}
        if asked := {run_id for item in found.values() if isinstance(item, Undecided) for run_id in item.run_ids}:
            facts = replace(facts, executions=await self._executions.find(sorted(asked)))
        for item, regime in judged:
            if item.readable:
                self._books.record(partition, regime)
            for entry in item.entries:
                settled = found[id(entry)]
                settled = settle(entry, facts) if isinstance(settled, Undecided) else settled
                assert isinstance(settled, Settled)  # noqa: S101 -- every run was asked about
                self._discrepancies += settled.troubles
                self._earlier += settled.earlier
                self._count(item, entry, regime, settled)

    def _count(self, item: Judged, entry: Entry, regime: Regime, settled: Settled) -> None:
        if not item.counts(entry):
            return
        if item.readable:
            self._books.entry(entry, regime, settled.disposition)
        else:
            self._books.unreadable_record(entry.place.partition, regime, settled.disposition)

    def _look_up(self, entries: Sequence[Entry], witnesses: Mapping[Place, Witness]) -> Facts:
        triggered: dict[tuple[Place, str], list[RunFact]] = defaultdict(list)
        for place, witness in witnesses.items():
            for run in witness.runs:
                triggered[place, run.activity_id].append(run)
        starts = [
            (item.run_id, item.keys)
            for entry in entries
            for item in entry.expected
            if item is not None and item.kind is Expectation.START and item.run_id and item.keys
        ]
        # Claims first: a claim and its run's row are committed together, so the row of one that was seen is seen too.
        claimed = self._evidence.claimed({key for _, keys in starts for key in keys.all})
        named = {run.run_id: run for runs in triggered.values() for run in runs}
        runs = named | self._evidence.runs({run_id for run_id, _ in starts} - named.keys())
        unknown = {keys.identity for run_id, keys in starts if run_id not in runs and keys.identity in claimed}
        return replace(
            self._facts,
            triggered=triggered,
            runs=runs,
            claimed=claimed,
            windows_opened=self._evidence.windows_opened(
                {run_id: keys.strategy for run_id, keys in starts if keys.windowed and run_id not in runs}
            ),
            runs_of_events=self._evidence.runs_of_events(unknown),
        )

    def _without_record(
        self, witnesses: Mapping[Place, Witness], unreadable: Iterable[OffsetRange], oldest: int | None
    ) -> None:
        """Runs and letters of offsets at which there is no record.

        Those that are older than the partition's first record that was read came of an earlier topic.
        """
        removed = list(unreadable)
        for place, witness in sorted(witnesses.items()):
            if any(offsets.start <= place.offset < offsets.end for offsets in removed):
                continue
            for run in witness.runs:
                if started_before(run, oldest):
                    self._earlier += 1
                    continue
                self._discrepancies.append(
                    Discrepancy(
                        place,
                        told_event(run),
                        run.activity_name,
                        Trouble.RUN_UNEXPLAINED,
                        "no run: there is no record at this offset",
                        told_run(run),
                    )
                )
            for letter in witness.letters:
                if None not in {letter.timestamp, oldest} and (letter.timestamp or 0) < (oldest or 0):
                    self._earlier += 1
                    continue
                name = RECORD if letter.definition_id is None else self._versions.names.get(letter.definition_id, "?")
                found = f"letter {letter.id} ({letter.reason})"
                expected = "no dead letter: there is no record at this offset"
                self._discrepancies.append(Discrepancy(place, "-", name, Trouble.LETTER_UNEXPLAINED, expected, found))


def _chunks(reading: Iterable[Sequence[Record]]) -> Iterator[list[Record]]:
    chunk: list[Record] = []
    for batch in reading:
        chunk += batch
        if len(chunk) >= CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
