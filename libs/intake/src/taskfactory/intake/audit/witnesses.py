"""What names a partition's records: runs that say they came from there, and dead letters, in the order of offsets."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from taskfactory.intake.audit.entries import Letter, Place
from taskfactory.intake.history import OffsetRange
from taskfactory.intake.records import Record, moment_of
from taskfactory.registry import Evidence, RunFact

CLOCKS: Final = timedelta(days=1)
"""A run does not start before its record was written; producers' clocks may be this wrong."""


@dataclass(frozen=True, slots=True)
class Witness:
    """What names a record: runs and letters of it, by definition id (None: of the record itself)."""

    runs: Sequence[RunFact] = ()
    letters: Sequence[Letter] = ()

    def about(self, timestamp: int | None) -> "Witness":
        """Without the letters of the record that an earlier topic of the name had at this place."""
        return replace(self, letters=[letter for letter in self.letters if letter.is_about(timestamp)])


class TriggeredRuns:
    """A partition's runs in the order of the records that they name; asked for once the first record is known."""

    def __init__(self, evidence: Evidence, offsets: OffsetRange, definition_id: str | None) -> None:
        """Look at a range of offsets, for one definition or (None) for all."""
        self._evidence = evidence
        self._offsets = offsets
        self._definition_id = definition_id
        self._runs: Iterator[RunFact] | None = None
        self._next: RunFact | None = None

    def since(self, first: Record) -> None:
        """Begin, with runs that can have come of the first record or a later one."""
        if self._runs is None:
            written = None if first.timestamp is None else moment_of(first.timestamp)
            self._begin(None if written is None else written - CLOCKS)

    def _begin(self, since: datetime | None) -> Iterator[RunFact]:
        offsets = self._offsets
        runs = self._evidence.runs_triggered_in(
            offsets.topic,
            offsets.partition,
            offsets.start,
            offsets.end - 1,
            activity_id=self._definition_id,
            since=since,
        )
        self._runs, self._next = runs, next(runs, None)
        return runs

    def up_to(self, offset: int) -> list[RunFact]:
        """The runs of records up to this one, that were not handed out yet."""
        runs = self._runs or self._begin(None)
        found: list[RunFact] = []
        while self._next is not None and (self._next.offset or 0) <= offset:
            found.append(self._next)
            self._next = next(runs, None)
        return found

    def close(self) -> None:
        """Give the database's snapshot back."""
        if self._runs is not None and hasattr(self._runs, "close"):
            self._runs.close()


@dataclass(slots=True)
class Witnesses:
    """A partition's letters by place, and what was not handed out yet."""

    letters: Iterable[Letter]
    partition: int
    _sorted: list[Letter] = field(init=False)

    def __post_init__(self) -> None:
        mine = (letter for letter in self.letters if letter.place.partition == self.partition)
        self._sorted = sorted(mine, key=lambda letter: letter.place, reverse=True)

    def up_to(self, offset: int, runs: Iterable[RunFact]) -> dict[Place, Witness]:
        """What names the records up to this one: its letters, together with these runs."""
        by_place: dict[Place, tuple[list[RunFact], list[Letter]]] = defaultdict(lambda: ([], []))
        for run in runs:
            by_place[Place(self.partition, run.offset or 0)][0].append(run)
        while self._sorted and self._sorted[-1].place.offset <= offset:
            letter = self._sorted.pop()
            by_place[letter.place][1].append(letter)
        return {place: Witness(found, letters) for place, (found, letters) in by_place.items()}
