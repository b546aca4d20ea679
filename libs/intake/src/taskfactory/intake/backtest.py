"""What a definition would have done with history, beside the version of it that is in force. Pure, and without traces.

`Backtest.add` is given what was read, one record after the other; `reports` says what came together. Both versions are
asked by the code that decides, and tasks are rendered by the code that plans. What a definition has started before
plays no part: only records of the history itself are each other's duplicates.

Memory grows with the number of different dedupe keys (about 200 bytes each), not with the number of records.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from taskfactory.definitions import (
    ActivityDefinition,
    DedupeKey,
    DefinitionSet,
    Duplicate,
    EventTrigger,
    RegisteredDefinition,
    RenderFailed,
    RunInput,
    Standing,
    decide_window,
    event_identity,
    event_moment,
    event_occurrence,
    render_tasks,
)
from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.decisions import Decision, DecisionLimits, Paused, StartRun, decide
from taskfactory.intake.in_force import InForce
from taskfactory.intake.reading import NoEvent, ReadEvent, ReadResult
from taskfactory.intake.records import moment_of

HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Example:
    """A record that something happened to."""

    partition: int
    offset: int
    event_id: str
    source: str
    subject: str | None
    told: str | None = None
    """A sentence, where there is more to say."""


@dataclass(slots=True)
class Examples:
    """How often something happened, and the first few times."""

    limit: int
    count: int = 0
    first: list[Example] = field(default_factory=list)

    def add(self, read: ReadEvent, told: str | None = None) -> None:
        """Count one."""
        self.count += 1
        if len(self.first) < self.limit:
            envelope, record = read.envelope, read.record
            self.first.append(
                Example(record.partition, record.offset, envelope.id, envelope.source, envelope.subject, told)
            )


@dataclass(frozen=True, slots=True)
class Peak:
    """The hour with most tasks."""

    hour: datetime | None
    """None: the records' time is none of the calendar's, which ends with the year 9999."""
    tasks: int


@dataclass(slots=True)
class Tally:
    """What one version did."""

    limit: int
    matched: int = 0
    """Records that it takes, duplicates included."""
    runs: int = 0
    """Runs that would have been started: matched without duplicates."""
    duplicates: int = 0
    """Records that an earlier one of the history has the dedupe key of."""
    tasks: int = 0
    """Tasks of all runs, without those that their `when` skips."""
    errors: dict[str, Examples] = field(default_factory=dict)
    """By reason: records about which it could not decide, and runs whose tasks could not be rendered."""
    _claimed: set[bytes] = field(default_factory=set)
    _windows: dict[bytes, Standing] = field(default_factory=dict)
    _hours: Counter[int] = field(default_factory=Counter)

    @property
    def peak(self) -> Peak | None:
        """The hour of the records' time in which most tasks would have been due; None if there were none."""
        if not self._hours:
            return None
        hour, tasks = max(self._hours.items(), key=lambda item: (item[1], -item[0]))
        return Peak(moment_of(hour * HOUR_MS), tasks)

    def take(self, decision: Decision | None, definition: ActivityDefinition, read: ReadEvent) -> bool:
        """Count a decision; whether the version takes the record."""
        match decision:
            case DeadLetter(_, reason, message, _):
                self._error(reason, read, message)
                return False
            case StartRun(run) | Paused(run):
                self.matched += 1
                if self._is_duplicate(run):
                    self.duplicates += 1
                else:
                    self._start(run, definition, read)
                return True
        return False

    def _start(self, run: RunInput, definition: ActivityDefinition, read: ReadEvent) -> None:
        self.runs += 1
        try:
            planned = render_tasks(definition, read.event, run_id=run.run_id)
        except RenderFailed as failed:
            self._error(failed.code, read, str(failed))
            return
        due = sum(not task.skipped for task in planned)
        self.tasks += due
        if due:
            self._hours[(read.record.timestamp or 0) // HOUR_MS] += due

    def _is_duplicate(self, run: RunInput) -> bool:
        """Whether the run would not win its keys; if it would, it has them from now on. As planning does it."""
        identity, key = event_identity(run.event).digest, DedupeKey(run.dedupe_strategy, tuple(run.dedupe_parts)).digest
        if run.window is None:
            if not self._claimed.isdisjoint({identity, key}):
                return True
            self._claimed |= {identity, key}
            return False
        admission = event_occurrence(run.event).digest if key == identity else identity
        if admission in self._claimed:
            return True
        self._claimed |= {identity, admission}
        at, standing = event_moment(run.event), self._windows.get(key, Standing())
        if isinstance(decide_window(standing, at, timedelta(seconds=run.window)), Duplicate):
            return True
        self._windows[key] = standing.opened(at)
        return False

    def _error(self, reason: str, read: ReadEvent, message: str) -> None:
        self.errors.setdefault(reason, Examples(self.limit)).add(read, message)


@dataclass(frozen=True, slots=True)
class Draft:
    """A definition to try, and what is in force under its name."""

    definition: ActivityDefinition
    active: RegisteredDefinition | None = None
    """None: nothing of this name is in force."""


@dataclass(slots=True)
class Report:
    """What a draft would have done with the history."""

    draft: Draft
    reads_topic: bool
    """Whether the draft reads the topic at all; if not, it would have done nothing."""
    proposed: Tally
    """What the draft did."""
    present: Tally | None
    """What the version in force did; None if there is none."""
    added: Examples
    """Records that the draft takes and the version in force does not."""
    removed: Examples
    """Records that the version in force takes and the draft does not, nor fails on."""


class Backtest:
    """Tries drafts on records."""

    def __init__(self, drafts: Sequence[Draft], topic: str, limits: DecisionLimits, examples: int) -> None:
        """Compile the drafts and what is in force.

        Args:
            drafts: with distinct names; one that is not enabled is tried as if it were.
            topic: whose history it is.
            limits: ingress's.
            examples: how many examples of each kind are kept.

        Raises:
            InvalidPattern: A definition that did not go through `load_definitions` or `parse_definition`.
        """
        self.records = 0
        """Records that were added, unreadable ones included."""
        self.unreadable: dict[str, int] = {}
        """By reason: records that are dead letters whatever is defined."""
        self.passed_over = 0
        """Records that the topic's mapping says are no events."""
        self._limits = limits
        self._proposed = _alone([_registered(draft) for draft in drafts])
        self._present = _alone([draft.active for draft in drafts if draft.active is not None])
        self._reports = {
            draft.definition.name: Report(
                draft,
                reads_topic=_reads(draft.definition, topic),
                proposed=Tally(examples),
                present=None if draft.active is None else Tally(examples),
                added=Examples(examples),
                removed=Examples(examples),
            )
            for draft in drafts
        }

    @property
    def evaluated(self) -> int:
        """Events that the definitions were asked about."""
        return self.records - self.passed_over - sum(self.unreadable.values())

    @property
    def reports(self) -> list[Report]:
        """One for each draft, in their order; they grow as records are added."""
        return list(self._reports.values())

    def add(self, reading: ReadResult) -> None:
        """Try a record, or what was read of it."""
        self.records += 1
        match reading:
            case DeadLetter(_, reason):
                self.unreadable[reason] = self.unreadable.get(reason, 0) + 1
            case NoEvent():
                self.passed_over += 1
            case ReadEvent():
                proposed, present = self._decide(reading, self._proposed), self._decide(reading, self._present)
                for name in proposed.keys() | present.keys():
                    _compare(self._reports[name], proposed.get(name), present.get(name), reading)

    def _decide(self, read: ReadEvent, in_force: InForce) -> dict[str, Decision]:
        return {_name(decision): decision for decision in decide(read, in_force, self._limits)}


def _compare(report: Report, proposed: Decision | None, present: Decision | None, read: ReadEvent) -> None:
    takes = report.proposed.take(proposed, report.draft.definition, read)
    active = report.draft.active
    took = active is not None and report.present is not None and report.present.take(present, active.definition, read)
    if takes and not took:
        report.added.add(read)
    if took and proposed is None:
        report.removed.add(read)


def _reads(definition: ActivityDefinition, topic: str) -> bool:
    trigger = definition.trigger
    return isinstance(trigger, EventTrigger) and (trigger.topics is None or topic in trigger.topics)


def _registered(draft: Draft) -> RegisteredDefinition:
    enabled = draft.definition.model_copy(update={"enabled": True})
    known_as = f"draft-{enabled.name}" if draft.active is None else draft.active.id
    return RegisteredDefinition(known_as, 0 if draft.active is None else draft.active.version + 1, enabled)


def _alone(registered: Sequence[RegisteredDefinition]) -> InForce:
    """Without pauses and activations: history is tried as if all had been in force all the time."""
    return InForce(0, DefinitionSet([replace(item, paused=False, active_since=None) for item in registered]))


def _name(decision: Decision) -> str:
    if decision.definition is None:
        raise AssertionError("an event that was read is decided about for a definition")
    return decision.definition.definition.name
