"""What has to come of a stream of events, said by the generator that made them: the demo's oracle.

Nothing here asks the product. Whoever makes an event knows which definitions it is meant for, which tasks a run has and
how they end; the numbers follow by counting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

TaskEnding = Literal["completed", "failed"]


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that a handler must have done in the shop, once."""

    name: str
    """As the journal has it."""
    step: str | None = None
    """The step of a child workflow that did it."""


@dataclass(frozen=True, slots=True)
class ExpectedTask:
    """One task of a run."""

    path: str
    """What follows the run's id in the task's id: `reserve/0`."""
    effects: tuple[Effect, ...]
    """What it does; nothing when it fails for good."""
    attempts: int = 1

    @property
    def status(self) -> TaskEnding:
        """How it ends. In this shop a task fails by having no effect."""
        return "completed" if self.effects else "failed"


@dataclass(frozen=True, slots=True)
class ExpectedRun:
    """One run of a definition: for each definition and key there is one, however many events ask for it."""

    definition: str
    strategy: Literal["event_id", "expression"]
    parts: tuple[str, ...]
    """What the dedupe key is made of: source and id of the event, or the value of the expression."""
    tasks: tuple[ExpectedTask, ...]

    @property
    def status(self) -> TaskEnding:
        """A run failed when one of its tasks did."""
        return "failed" if any(task.status == "failed" for task in self.tasks) else "completed"


@dataclass(frozen=True, slots=True)
class ExpectedDeadLetter:
    """A record that has to be found among the dead letters."""

    reason: str
    """The code in its headers."""
    definition: str | None = None
    """The one definition that stumbled over the event; None when the record is no event at all."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """What has to come of one record."""

    identity: tuple[str, str] | None
    """Source and id; None when the record is no event."""
    runs: tuple[ExpectedRun, ...] = ()
    """Every run that the event asks for."""
    dead_letter: ExpectedDeadLetter | None = None


@dataclass(frozen=True)
class Expectation:
    """What has to come of a whole stream, record by record in the order of sending."""

    records: Sequence[Consequence]

    @property
    def sent(self) -> int:
        """Number of records."""
        return len(self.records)

    @cached_property
    def distinct(self) -> int:
        """Number of different events among them."""
        return len({record.identity for record in self.records if record.identity})

    @cached_property
    def matched(self) -> int:
        """Number of pairs of an event, copies included, and a definition that it is meant for."""
        return sum(len(record.runs) for record in self.records)

    @cached_property
    def runs(self) -> frozenset[ExpectedRun]:
        """One run for each definition and key."""
        return frozenset(run for record in self.records for run in record.runs)

    @cached_property
    def duplicates(self) -> int:
        """Number of times that a run was asked for again."""
        return self.matched - len(self.runs)

    @cached_property
    def filtered(self) -> int:
        """Number of events that no definition is meant for."""
        return sum(1 for record in self.records if not record.runs and not record.dead_letter)

    @cached_property
    def dead_letters(self) -> dict[int, ExpectedDeadLetter]:
        """By the record's position in the order of sending."""
        return {place: record.dead_letter for place, record in enumerate(self.records) if record.dead_letter}

    def tasks(self, status: TaskEnding) -> int:
        """Number of tasks that end so."""
        return sum(1 for run in self.runs for task in run.tasks if task.status == status)

    @cached_property
    def retried(self) -> int:
        """Number of tasks that need more than one attempt."""
        return sum(1 for run in self.runs for task in run.tasks if task.attempts > 1)

    @cached_property
    def outcomes(self) -> int:
        """Number of outcomes: one for every task and one for every run."""
        return sum(1 + len(run.tasks) for run in self.runs)

    @cached_property
    def effects(self) -> int:
        """Number of things that the handlers must have done, each once."""
        return sum(len(task.effects) for run in self.runs for task in run.tasks)
