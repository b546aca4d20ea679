"""What a fault test compares: records with their fates, and the books of what came out of them. Frozen values."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

Place = tuple[int, int]
"""Partition and offset of a record of the events topic."""


@dataclass(frozen=True, slots=True)
class Fires:
    """A definition is to run for the record, or to know it as a duplicate of another record with the same key."""

    key: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The record is to be dead-lettered with this reason, for one definition or as a whole."""

    reason: str


@dataclass(frozen=True, slots=True)
class Produced:
    """A record that Kafka acknowledged, and what must become of it."""

    place: Place
    name: str
    """What a reader of a failure recognises it by."""
    poison: Refused | None = None
    """It can't even be read."""
    fates: Mapping[str, Fires | Refused] = field(default_factory=dict)
    """By definition; those that are not named must filter it."""

    def __str__(self) -> str:
        return f"{self.name} at {self.place[0]}/{self.place[1]}"


@dataclass(frozen=True, slots=True)
class Run:
    """A row of `activity_runs`, and when Temporal began its execution (infinite if it knows none)."""

    run_id: str
    definition: str
    generation: int
    trigger: Place
    state: str
    owner: str
    began: float
    open: bool = False
    """Whether its execution has not ended."""


@dataclass(frozen=True, slots=True)
class Task:
    """A row of `tasks`."""

    task_id: str
    run_id: str
    state: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A record of the dead letter topic."""

    place: Place
    definition: str | None
    reason: str
    at: float
    """When the broker appended it, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The committed offsets by partition, as they were at or before a moment."""

    at: float
    committed: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that came out."""

    runs: Sequence[Run]
    tasks: Sequence[Task]
    claim_owners: Collection[str]
    """The owners in `dedupe_ledger`."""
    letters: Sequence[Letter]
    outcomes: Sequence[str]
    """Outcome ids on Kafka, repeats included."""
    premature: Sequence[str]
    """Outcome ids that were on Kafka while the database did not say so yet."""
    effects: Sequence[str]
    """Idempotency keys in the handlers' journal, repeats included."""
    committed: Mapping[int, int]
    ends: Mapping[int, int]
    samples: Sequence[Sample]
    peak_memory: int
    """The largest resident size that an ingress was seen with, in bytes."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a case allows."""

    memory: int = 256 * 1024 * 1024
    rewound_at: float = math.inf
    """When the test itself brought the committed offsets back."""
    late_commits: bool = False
    """A slow connection may deliver a commit after a later one was acknowledged on the next connection. The offset goes
    back then, which costs redelivery, never a record."""
    duplicates_claim: bool = False
    """Duplicates may reach the orchestrator, when Temporal does not know their runs: they claim their event's identity
    and lose the strategy's key, so that there are claims without a run."""
