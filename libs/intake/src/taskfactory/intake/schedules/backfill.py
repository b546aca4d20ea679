"""Backfilling: what a schedule left out in a range of time, started now.

The definition's present schedule says which ticks the range has, whatever was in force then. What ran is left alone: a
tick that started by its schedule or by an earlier backfill, also one of which only the ledger still knows. What was
skipped, for whatever reason, what nobody ever decided about, and what was to start and has no run is asked for, each
tick under an id that follows from its time; so a backfill that is repeated, or interrupted and repeated, starts nothing
twice.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, Literal

from taskfactory.definitions import CronTrigger, RegisteredDefinition, TickRequest, nominal_text
from taskfactory.definitions.calendar import ticks
from taskfactory.intake.pacing import Pace
from taskfactory.intake.schedules.asking import TickDesk
from taskfactory.intake.schedules.ports import DecidedTicks, Ledger
from taskfactory.intake.schedules.settling import counts_most, ledger_key
from taskfactory.intake.starter import Start
from taskfactory.registry import TickFact

MAX_TICKS: Final = 1_000
"""Ticks of one range. While their runs may not overlap, as many workflows wait."""

BackfillResult = Literal["ran", "waiting", "would_ask", "asked", "being_asked"]
"""`ran`: there is a run of it already; `waiting`: it was decided about, and waits for runs before it; `would_ask`: this
is a dry run; `asked`: somebody decides about it now; `being_asked`: the same, for an earlier backfill."""


class BackfillRefused(ValueError):  # noqa: N818 -- it says what happened
    """The range can't be backfilled; the message says what was found, what is allowed and what to do."""


@dataclass(frozen=True, slots=True)
class BackfillTick:
    """One tick of a backfill's range."""

    nominal: datetime
    result: BackfillResult
    run_id: str | None = None
    """Of one that ran, if it is known."""


class Backfill:
    """Asks for the ticks of one definition that are missing."""

    def __init__(self, definition: RegisteredDefinition, decided: DecidedTicks, ledger: Ledger) -> None:
        """Wire it.

        Args:
            definition: in its present version.
            decided: knows what was decided about ticks.
            ledger: knows what ran, for ever.

        Raises:
            BackfillRefused: the definition does not fire by schedule.
        """
        trigger = definition.definition.trigger
        if not isinstance(trigger, CronTrigger):
            raise BackfillRefused(f"{definition.definition.name} is started by events; see `taskfactory replay`")
        self._definition = definition
        self._trigger = trigger
        self._decided = decided
        self._ledger = ledger

    async def plan(self, first: datetime, last: datetime, now: datetime) -> list[BackfillTick]:
        """Every tick of a range, and whether it would be asked for. Nothing is done.

        Args:
            first: aware, inclusive.
            last: aware, inclusive.
            now: aware.

        Raises:
            BackfillRefused: the range is empty, reaches into the future or has more than `MAX_TICKS` ticks.
            sqlalchemy.exc.DBAPIError: the registry did not answer.
        """
        after = first - timedelta(seconds=1)
        due = self._due(first, last, after, now)
        if not due:
            return []
        activity_id = self._definition.id
        facts: dict[datetime, list[TickFact]] = {}
        for fact in await asyncio.to_thread(self._decided.facts, [activity_id], after, last):
            facts.setdefault(fact.scheduled_for, []).append(fact)
        keys = {nominal: ledger_key(activity_id, nominal) for nominal in due}
        claimed = await asyncio.to_thread(self._ledger.claimed, list(keys.values()))
        return [_planned(nominal, facts.get(nominal, []), keys[nominal] in claimed) for nominal in due]

    async def run(self, plan: Sequence[BackfillTick], desk: TickDesk, by: str, pace: Pace) -> list[BackfillTick]:
        """Ask for what is missing, the earliest first.

        Args:
            plan: what `plan` gave.
            desk: where to ask.
            by: who backfills.
            pace: how fast.

        Raises:
            Unavailable: Temporal does not answer. Doing it again is safe.
        """
        done: list[BackfillTick] = []
        for tick in plan:
            if tick.result != "would_ask":
                done.append(tick)
                continue
            await pace.turn()
            request = TickRequest(
                activity_id=self._definition.id, kind="backfill", scheduled_for=tick.nominal, asked_by=by
            )
            start = await desk.ask(request, self._definition.definition.name)
            done.append(replace(tick, result="asked" if start is Start.STARTED else "being_asked"))
        return done

    def _due(self, first: datetime, last: datetime, after: datetime, now: datetime) -> list[datetime]:
        if last > now:
            raise BackfillRefused(
                f"found a range up to {nominal_text(last)}, which is in the future; allowed is the past: what is to "
                "come, the schedule brings"
            )
        if first > last:
            raise BackfillRefused(f"found a range from {nominal_text(first)} back to {nominal_text(last)}; swap them")
        due = list(islice(ticks(self._trigger.spec, after, last), MAX_TICKS + 1))
        if len(due) > MAX_TICKS:
            raise BackfillRefused(
                f"found a range with more than {MAX_TICKS:,} ticks; the first {MAX_TICKS:,} end at "
                f"{nominal_text(due[-2])}: backfill up to there, then what follows"
            )
        return due


def _planned(nominal: datetime, facts: list[TickFact], is_claimed: bool) -> BackfillTick:  # noqa: FBT001
    fact = counts_most(facts) if facts else None
    if fact is not None and fact.decision == "waiting":
        return BackfillTick(nominal, "waiting")
    if is_claimed or (fact is not None and fact.run_known):
        return BackfillTick(nominal, "ran", fact.run_id if fact else None)
    return BackfillTick(nominal, "would_ask")
