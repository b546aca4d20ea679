"""What the audit compares: entries, which say what may follow from a record, and the facts. Frozen values.

An entry is a record and a definition with everything that may follow from the one for the other: one expectation for
each revision that may have decided about the record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from taskfactory.intake.executions import Execution
from taskfactory.registry import ClaimKeys, LedgerKey, RunFact


class Disposition(StrEnum):
    """What a record came to for a definition. Each record has exactly one for each."""

    STARTED = "started"
    ALREADY_STARTED = "already_started"
    ROWS_EXPIRED = "rows_expired"
    """Claimed, so a run there was; whether this record started it can't be told, for its row has expired."""
    FILTERED = "filtered"
    PAUSED = "paused"
    BEFORE_ACTIVATION = "before_activation"
    DEAD_LETTERED = "dead_lettered"
    IN_FLIGHT = "in_flight"
    NOT_IN_FORCE = "not_in_force"
    """The definition did not exist then, was disabled, or does not read the topic."""
    UNPROVEN = "unproven"
    """Its letter should be there, and the dead letter topic has lost letters."""
    MISSING = "missing"
    """What should be there is not: a discrepancy."""


class Expectation(StrEnum):
    """What a revision wants of a record for a definition; nothing at all is expressed by there being no expectation."""

    START = "start"
    PAUSE = "paused"
    LEAVE = "before_activation"
    DEAD_LETTER = "dead_letter"


@dataclass(frozen=True, slots=True)
class Expected:
    """What follows from a record for a definition."""

    kind: Expectation
    run_id: str | None = None
    """Of a start or a pause."""
    keys: ClaimKeys | None = None
    """Of a start."""
    reason: str | None = None
    """Of a dead letter."""
    later: bool = False
    """Not what ingress decided then, but what a replay, a redrive or a rerun made of it, with a version of its own."""


class Place(NamedTuple):
    """A record's coordinates within the topic."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter that is on its topic."""

    id: str
    place: Place
    definition_id: str | None
    version: int | None
    reason: str
    timestamp: int | None = None
    """The original record's, in milliseconds since the epoch; None when it had none."""

    def is_about(self, timestamp: int | None) -> bool:
        """Whether it may be about the record of this time at its place.

        A record's time never changes, so one of another time was there before: on an earlier topic of the name.
        """
        return None in {self.timestamp, timestamp} or self.timestamp == timestamp


@dataclass(frozen=True, slots=True)
class Entry:
    """A record and a definition, and what may follow."""

    topic: str
    place: Place
    timestamp: int | None
    """Milliseconds since the epoch."""
    event: str
    """For people: source and id; `-` where there is none."""
    definition_id: str | None
    """None: the record itself."""
    definition: str
    letter_id: str
    """The id that a dead letter of both has."""
    expected: tuple[Expected | None, ...]
    """Distinct; None where a revision makes nothing of the record. More than one that is not `later`: ambiguous."""
    certain: bool = True
    """The first expectation did decide, and the others may have; otherwise any of them may."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the entries' runs and letters."""

    triggered: Mapping[tuple[Place, str], Sequence[RunFact]] = field(default_factory=dict)
    """By place and definition id: runs that name the record."""
    runs: Mapping[str, RunFact] = field(default_factory=dict)
    runs_of_events: Mapping[LedgerKey, RunFact] = field(default_factory=dict)
    claimed: frozenset[LedgerKey] = frozenset()
    windows_opened: frozenset[str] = frozenset()
    """Ids of runs that opened a window of their key."""
    letters: Mapping[str, Letter] = field(default_factory=dict)
    executions: Mapping[str, Execution | None] = field(default_factory=dict)
    """Of runs of which nothing else is known; those that were not asked about are absent."""
    committed: Mapping[int, int] = field(default_factory=dict)
    """By partition: records from this offset on may be in flight. A partition without one was never committed."""
    rows_kept_since: datetime | None = None
    letters_lost: bool = False
    """The dead letter topic has lost letters."""

    def open(self, place: Place) -> bool:
        """Whether ingress has not said yet that it is done with the record."""
        return place.offset >= self.committed.get(place.partition, 0)


class Trouble(StrEnum):
    """What does not add up."""

    RUN_LOST = "run_lost"
    RUN_MISSING = "run_missing"
    CLAIM_MISSING = "claim_missing"
    LETTER_MISSING = "letter_missing"
    RUN_UNEXPLAINED = "run_unexplained"
    LETTER_UNEXPLAINED = "letter_unexplained"


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One thing that does not add up."""

    place: Place
    event: str
    definition: str
    trouble: Trouble
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What an entry came to."""

    disposition: Disposition
    troubles: tuple[Discrepancy, ...] = ()
    earlier: int = 0
    """Runs that name the record and came of another one: of an earlier topic of this name."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """Only Temporal can tell: whether it has one of these runs."""

    run_ids: tuple[str, ...]
