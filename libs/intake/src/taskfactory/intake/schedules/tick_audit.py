"""The audit of schedules: every tick that was to be expected, and what it came to.

What was to be expected follows from the versions and states that were in force, as the log of activations has them, and
from the calendar; Temporal is not asked for that. Memory is bounded by the ticks of `CHUNK` definitions.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, TypeVar

from taskfactory.definitions import SkipReason, Tick, tick_workflow_id, workflow_id
from taskfactory.intake.executions import Execution, Executions
from taskfactory.intake.schedules.outages import DecidedSecond, Outages
from taskfactory.intake.schedules.periods import ExpectedTick, ScheduleHistory, expected, histories
from taskfactory.intake.schedules.ports import Ledger, ScheduleEvidence
from taskfactory.intake.schedules.settling import (
    Came,
    TickDiscrepancy,
    TickTrouble,
    Unknown,
    counts_most,
    ledger_key,
    settle,
    settle_anything,
    settle_run,
    tick_id,
    told_expected,
)
from taskfactory.registry import LedgerKey, TickFact

CHUNK: Final = 100
"""Definitions whose ticks are compared together."""
SHORTEST_CATCHUP: Final = timedelta(seconds=10)
"""Temporal's own bound: it brings ticks that are late by this, however small the misfire window."""
SLACK: Final = timedelta(minutes=1)
"""A tick that fires so shortly after its schedule was changed is none of the new one's, and no discrepancy."""
LONGEST_OUTAGE: Final = timedelta(days=2)
"""How long after the range the end of an outage is looked for."""
SHOWN: Final = 10_000
"""Discrepancies that a report names; all are counted."""

T = TypeVar("T")


@dataclass(slots=True)
class TickReport:
    """What an audit of schedules found."""

    after: datetime
    until: datetime
    books: dict[str, Counter[str]] = field(default_factory=dict)
    """By name, of definitions that fired by schedule in the range: how many ticks were expected and came to `started`,
    `waiting`, `pending`, `missing` or the reason of a skip."""
    discrepancies: list[TickDiscrepancy] = field(default_factory=list)
    """At most `SHOWN`."""
    alarms: int = 0
    """How many discrepancies there are."""
    outages: Outages | None = None
    """Read when the first tick is missing."""

    def count(self, definition: str, tick: ExpectedTick, came: Came) -> None:
        """Enter what a tick came to."""
        self.books[definition][came.to] += 1
        if came.trouble is not None:
            told = told_expected(tick)
            self.note(TickDiscrepancy(definition, tick_id(tick.nominal), came.trouble, told, came.found))

    def note(self, discrepancy: TickDiscrepancy) -> None:
        """Count a discrepancy."""
        self.alarms += 1
        if len(self.discrepancies) < SHOWN:
            self.discrepancies.append(discrepancy)


class TickAuditor:
    """Compares ticks with what is known of them."""

    def __init__(self, ticks: ScheduleEvidence, ledger: Ledger, executions: Executions) -> None:
        """Wire it."""
        self._ticks = ticks
        self._ledger = ledger
        self._executions = executions

    async def audit(
        self, after: datetime, until: datetime, now: datetime, names: Sequence[str] | None = None
    ) -> TickReport:
        """Account for every tick of a range.

        Args:
            after: aware, exclusive.
            until: aware, inclusive.
            now: aware.
            names: of definitions; None for all.

        Raises:
            Unavailable: Temporal does not answer.
            sqlalchemy.exc.DBAPIError: the registry did not answer.
        """
        report = TickReport(after, until)
        lines = await asyncio.to_thread(self._ticks.lines, after, until, names)
        for chunk in _chunks(histories(lines, after, until)):
            await self._chunk(chunk, report, now)
        return report

    async def _chunk(self, chunk: Sequence[ScheduleHistory], report: TickReport, now: datetime) -> None:
        questions = await asyncio.to_thread(self._compare, chunk, report, now)
        if not questions:
            return
        claimed = await asyncio.to_thread(self._ledger.claimed, [question.key for question in questions])
        asked = {question.asked for question in questions if question.key not in claimed}
        known = await self._executions.find(sorted(asked))
        for question in questions:
            is_claimed, execution = question.key in claimed, known.get(question.asked)
            came = (
                settle_anything(claimed=is_claimed, asked=execution is Execution.OPEN)
                if question.fact is None
                else settle_run(question.fact, claimed=is_claimed, known_to_temporal=execution is not None, now=now)
            )
            if came.trouble is TickTrouble.TICK_MISSING and (await self._outages(report, now)).outlasted(
                question.due, question.window
            ):
                came = Came(SkipReason.OUTSIDE_WINDOW)
            report.count(question.history.name, question.tick, came)

    async def _outages(self, report: TickReport, now: datetime) -> Outages:
        if report.outages is None:
            until = min(report.until + LONGEST_OUTAGE, now)
            seconds = await asyncio.to_thread(self._ticks.decided_seconds, report.after, until)
            report.outages = Outages(DecidedSecond(*each) for each in seconds)
        return report.outages

    def _compare(self, chunk: Sequence[ScheduleHistory], report: TickReport, now: datetime) -> list["_Question"]:
        """Count what came of the ticks, as far as decisions tell; the rest is asked about."""
        # Decisions before runs: a run that begins in between has its decision already, and is not looked for.
        facts: dict[str, dict[datetime, list[TickFact]]] = defaultdict(dict)
        for fact in self._ticks.facts([each.activity_id for each in chunk], report.after, report.until):
            facts[fact.activity_id].setdefault(fact.scheduled_for, []).append(fact)
        activities = {each.activity_id: each for each in chunk}
        without = self._ticks.runs_without_decision(
            [(each.activity_id, each.name) for each in chunk], report.after, report.until
        )
        questions: list[_Question] = []
        for history in chunk:
            decided = facts[history.activity_id]
            report.books.setdefault(history.name, Counter())
            for tick in expected(history):
                known = decided.pop(tick.nominal, None)
                decision = counts_most(known) if known else None
                came = settle(tick, decision, now)
                if isinstance(came, Unknown):
                    questions.append(_Question(history, tick, decision))
                else:
                    report.count(history.name, tick, came)
            self._unexpected(history, decided, report)
        for run in without:
            history = activities[run.activity_id]
            if not history.had(datetime.fromisoformat(run.tick.removeprefix("tick:")), SLACK):
                report.note(_unexpected(history, run.tick, f"run {run.run_id}, and no decision"))
        return questions

    def _unexpected(
        self, history: ScheduleHistory, decided: Mapping[datetime, list[TickFact]], report: TickReport
    ) -> None:
        for nominal, facts in sorted(decided.items()):
            fact = counts_most(facts)
            # Who backfills asks the present schedule about a time that may have had another.
            if fact.decision != "skipped" and fact.kind == "scheduled" and not history.had(nominal, SLACK):
                report.note(_unexpected(history, tick_id(nominal), f"{fact.decision}, run {fact.run_id or '-'}"))


@dataclass(frozen=True, slots=True)
class _Question:
    """A tick that the decisions alone don't settle."""

    history: ScheduleHistory
    tick: ExpectedTick
    fact: TickFact | None

    @property
    def key(self) -> LedgerKey:
        """What its run claims."""
        return ledger_key(self.history.activity_id, self.tick.nominal)

    @property
    def due(self) -> datetime:
        """When it was to fire at the latest."""
        trigger = self.tick.period.trigger
        return self.tick.nominal + (trigger.spec.jitter if trigger else timedelta(0))

    @property
    def window(self) -> timedelta:
        """How late Temporal still brings it."""
        trigger = self.tick.period.trigger
        return max(trigger.misfire_window if trigger else timedelta(0), SHORTEST_CATCHUP)

    @property
    def asked(self) -> str:
        """The workflow that Temporal is asked about: the run, or before a decision the one that decides."""
        if self.fact is None:
            return tick_workflow_id(self.history.activity_id, self._tick)
        return workflow_id(self.history.activity_id, self._tick.key)

    @property
    def _tick(self) -> Tick:
        return Tick("scheduled", self.tick.nominal)


def _unexpected(history: ScheduleHistory, tick: str, found: str) -> TickDiscrepancy:
    return TickDiscrepancy(history.name, tick, TickTrouble.TICK_UNEXPECTED, "no tick: no schedule has it", found)


def _chunks(items: Sequence[T]) -> Iterator[list[T]]:
    left = iter(items)
    while chunk := list(islice(left, CHUNK)):
        yield chunk
