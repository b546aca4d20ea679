"""The books: for every partition and definition, how many records came to what. Pure.

Whatever no entry says of a definition that was asked is *filtered* (or in flight), so the books cost nothing for the
definitions that a record does not concern, and every row adds up to the number of records.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from taskfactory.intake.audit.entries import Disposition, Entry


class Regime(NamedTuple):
    """Under what a record was decided: definitions that were in force in one of the revisions were asked."""

    revisions: tuple[int, ...]
    is_open: bool
    """Ingress has not committed the record."""


@dataclass(frozen=True, slots=True)
class Row:
    """The books of one partition and one definition."""

    partition: int
    definition: str
    counts: Mapping[Disposition, int]
    """By disposition, those that are not 0; their sum is the number of records."""
    ambiguous: int
    """Records whose revisions differ in what they make of it; counted as what the facts show."""
    later: int
    """Of those started or dead-lettered: by a replay or a redrive, not by ingress at that time."""


@dataclass(slots=True)
class Books:
    """Counts what entries came to."""

    _regimes: dict[int, Counter[Regime]] = field(default_factory=lambda: defaultdict(Counter))
    _records: dict[tuple[int, Regime], Counter[Disposition]] = field(default_factory=lambda: defaultdict(Counter))
    _settled: dict[tuple[int, str], Counter[Disposition]] = field(default_factory=lambda: defaultdict(Counter))
    _accounted: dict[tuple[int, str], Counter[Regime]] = field(default_factory=lambda: defaultdict(Counter))
    _ambiguous: Counter[tuple[int, str]] = field(default_factory=Counter)
    _later: Counter[tuple[int, str]] = field(default_factory=Counter)

    def record(self, partition: int, regime: Regime) -> None:
        """Count a record that definitions were asked about."""
        self._regimes[partition][regime] += 1

    def unreadable_record(self, partition: int, regime: Regime, disposition: Disposition) -> None:
        """Count a record that no definition was asked about: its disposition is that of every definition."""
        self._records[partition, regime][disposition] += 1

    def entry(self, entry: Entry, regime: Regime, disposition: Disposition) -> None:
        """Count what an entry of a record that was counted came to."""
        key = (entry.place.partition, entry.definition_id or "")
        self._settled[key][disposition] += 1
        self._accounted[key][regime] += 1
        if len([item for item in entry.expected if item is None or not item.later]) > 1:
            self._ambiguous[key] += 1
        if any(item is not None and item.later for item in entry.expected):
            self._later[key] += 1

    def rows(self, in_force: Callable[[int], Collection[str]], names: Mapping[str, str]) -> list[Row]:
        """The balance of every partition and definition, by partition and name.

        Args:
            in_force: ids of the definitions that read the topic at a revision.
            names: of all definitions, by id.
        """
        asked = {
            regime: frozenset().union(*map(in_force, regime.revisions))
            for partition in self._partitions()
            for regime in self._all_regimes(partition)
        }
        rows = [
            self._row(partition, definition_id, name, asked)
            for partition in self._partitions()
            for definition_id, name in names.items()
        ]
        return sorted(rows, key=lambda row: (row.partition, row.definition))

    def _partitions(self) -> list[int]:
        return sorted({*self._regimes, *(partition for partition, _ in self._records)})

    def _all_regimes(self, partition: int) -> set[Regime]:
        return {*self._regimes[partition], *(regime for number, regime in self._records if number == partition)}

    def _row(self, partition: int, definition_id: str, name: str, asked: Mapping[Regime, Collection[str]]) -> Row:
        key = (partition, definition_id)
        counts = Counter(self._settled[key])
        for regime in self._all_regimes(partition):
            was_asked = definition_id in asked[regime]
            others = self._regimes[partition][regime] - self._accounted[key][regime]
            if not was_asked:
                counts[Disposition.NOT_IN_FORCE] += others + self._records[partition, regime].total()
                continue
            counts[Disposition.IN_FLIGHT if regime.is_open else Disposition.FILTERED] += others
            counts.update(self._records[partition, regime])
        return Row(partition, name, +counts, self._ambiguous[key], self._later[key])
