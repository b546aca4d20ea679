"""What the registry knows of schedules and their ticks, for those who ask afterwards: lists, backfills, the audit."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Engine, text

from taskfactory.definitions import GRACE, CronTrigger, Tick, TickKind, nominal_text
from taskfactory.registry.present import DefinitionState
from taskfactory.registry.tick_rows import COLUMNS, Decision, TickRow, tick_row
from taskfactory.registry.transactions import in_transaction

# How each definition stood when the range began, and every change within it.
_LINES: Final = text("""
    SELECT d.id, d.name, a.at, a.version, a.state,
           CASE WHEN v.spec -> 'trigger' ->> 'type' = 'cron' THEN v.spec -> 'trigger' END AS trigger
    FROM activity_definitions d
    CROSS JOIN LATERAL (
        (SELECT revision, at, version, state FROM definition_activations
         WHERE definition_id = d.id AND at <= :after ORDER BY revision DESC LIMIT 1)
        UNION ALL
        (SELECT revision, at, version, state FROM definition_activations
         WHERE definition_id = d.id AND at > :after AND at <= :until)
    ) a
    JOIN activity_definition_versions v ON v.definition_id = d.id AND v.version = a.version
    WHERE CAST(:names AS text[]) IS NULL OR d.name = ANY(CAST(:names AS text[]))
    ORDER BY d.name, a.revision
""")
_FACTS: Final = text("""
    SELECT CAST(t.activity_id AS text), t.scheduled_for, t.kind, t.decision, t.reason, t.run_id, t.decided_at,
           t.run_id IS NOT NULL AND EXISTS (SELECT FROM activity_runs r WHERE r.run_id = t.run_id)
    FROM schedule_ticks t
    WHERE t.activity_id = ANY(CAST(:activity_ids AS uuid[])) AND t.tick > :first AND t.tick <= :last
    ORDER BY t.activity_id, t.tick
""")
_RUNS_WITHOUT: Final = text("""
    SELECT CAST(r.activity_id AS text), r.run_id, r.event_id FROM activity_runs r
    WHERE r.activity_name = ANY(CAST(:names AS text[])) AND r.started_at > :after
      AND r.activity_id = ANY(CAST(:activity_ids AS uuid[]))
      AND r.event_source = '/taskfactory/schedules/' || r.activity_name
      AND r.event_id COLLATE "C" > :first AND r.event_id COLLATE "C" <= :last
      AND NOT EXISTS (SELECT FROM schedule_ticks t WHERE t.activity_id = r.activity_id AND t.tick = r.event_id)
    ORDER BY r.activity_id, r.event_id
""")
# Where a definition has jitter, its row does not tell whether it was late.
_SECONDS: Final = text("""
    SELECT date_trunc('second', t.decided_at) AS second, (array_agg(
        t.reason IN ('misfire', 'outside_window')
        OR t.late_by > :grace AND v.spec -> 'trigger' ->> 'jitter' IS NULL ORDER BY t.decided_at))[1] AS missed
    FROM schedule_ticks t
    LEFT JOIN activity_definition_versions v ON v.definition_id = t.activity_id AND v.version = t.version
    WHERE t.kind = 'scheduled' AND t.decided_at >= :since AND t.decided_at <= :until
    GROUP BY 1 ORDER BY 1
""")
_PRESENT: Final = text("""
    SELECT d.id, v.spec -> 'trigger' AS trigger FROM activity_definitions d
    JOIN activity_definition_versions v ON v.definition_id = d.id AND v.version = d.version
    WHERE d.id = ANY(CAST(:activity_ids AS uuid[])) AND v.spec -> 'trigger' ->> 'type' = 'cron'
""")
_IS_WAITING: Final = text("""
    SELECT 1 FROM schedule_ticks WHERE activity_id = :activity_id AND tick = :tick AND decision = 'waiting' LIMIT 1
""")
# By the kind, not by a range of ids: most databases sort punctuation otherwise than ASCII. In all of them "tick:" comes
# after "manual:", so that the index is read from its end.
_LAST: Final = text(f"""
    SELECT t.* FROM unnest(CAST(:activity_ids AS uuid[])) a (id)
    CROSS JOIN LATERAL (
        SELECT {COLUMNS} FROM schedule_ticks WHERE activity_id = a.id AND kind <> 'manual'
        ORDER BY tick DESC LIMIT :limit) t
""")  # noqa: S608 -- built from this module's constants
_BY_HAND: Final = text(f"""
    SELECT {COLUMNS} FROM schedule_ticks WHERE activity_id = :activity_id AND kind = 'manual'
    ORDER BY asked_at DESC LIMIT :limit
""")  # noqa: S608 -- built from this module's constants


@dataclass(frozen=True, slots=True)
class ScheduleLine:
    """From this moment on a definition stood so."""

    activity_id: str
    name: str
    at: datetime
    version: int
    state: DefinitionState
    trigger: CronTrigger | None
    """None: events start it, or this version of taskfactory can't read it."""


class TickFact(NamedTuple):
    """What was decided about a tick, as far as an audit asks."""

    activity_id: str
    scheduled_for: datetime
    kind: TickKind
    decision: Decision
    reason: str | None
    run_id: str | None
    decided_at: datetime
    run_known: bool
    """The run has a row."""


class UndecidedRun(NamedTuple):
    """A run that a tick started about which no decision is recorded."""

    activity_id: str
    run_id: str
    tick: str
    """`tick:<nominal time>`."""


class TickEvidence:
    """Answers about ticks. Safe to use from several threads; nothing is written."""

    def __init__(self, engine: Engine) -> None:
        """Use `engine`."""
        self._engine = engine

    def lines(self, after: datetime, until: datetime, names: Sequence[str] | None = None) -> list[ScheduleLine]:
        """How definitions stood: at `after` first, then each change up to `until`; by name, in the order of changes.

        A version that this version of taskfactory can't read has no trigger: nothing is expected of it.
        """
        asked = {"after": after, "until": until, "names": None if names is None else list(names)}
        return [
            ScheduleLine(str(row.id), row.name, row.at, row.version, row.state, _trigger(row.trigger))
            for row in self._rows(_LINES, asked)
        ]

    def facts(self, activity_ids: Collection[str], after: datetime, until: datetime) -> list[TickFact]:
        """What was decided about ticks of the schedules within a range: exclusive, inclusive."""
        return [TickFact(*row) for row in self._rows(_FACTS, _asked(activity_ids, after, until))]

    def runs_without_decision(
        self, activities: Collection[tuple[str, str]], after: datetime, until: datetime
    ) -> list[UndecidedRun]:
        """Runs of ticks within a range about which no decision is recorded.

        Args:
            activities: ids and names.
            after: exclusive.
            until: inclusive.
        """
        asked = _asked([activity_id for activity_id, _ in activities], after, until)
        names = [name for _, name in activities]
        return [UndecidedRun(*row) for row in self._rows(_RUNS_WITHOUT, {**asked, "names": names, "after": after})]

    def decided_seconds(self, since: datetime, until: datetime) -> list[tuple[datetime, bool]]:
        """Seconds in which ticks of any schedule were decided about, in order; and whether the first was missed."""
        asked = {"since": since, "until": until, "grace": GRACE.total_seconds()}
        return [(row.second, bool(row.missed)) for row in self._rows(_SECONDS, asked)]

    def triggers(self, activity_ids: Collection[str]) -> dict[str, CronTrigger]:
        """The schedules of activities as they are now, by id; of those that fire by schedule and can be read."""
        rows = self._rows(_PRESENT, {"activity_ids": list(map(UUID, activity_ids))})
        found = {str(row.id): _trigger(row.trigger) for row in rows}
        return {activity_id: trigger for activity_id, trigger in found.items() if trigger is not None}

    def latest(self, activity_ids: Collection[str], limit: int = 1) -> list[TickRow]:
        """Decisions about the latest ticks of each activity's schedule, the latest first; at most `limit` of each."""
        asked = {"activity_ids": list(map(UUID, activity_ids)), "limit": limit}
        return [tick_row(row) for row in self._rows(_LAST, asked)]

    def recent(self, activity_id: str, limit: int) -> list[TickRow]:
        """Decisions about an activity's latest ticks, those that were triggered by hand among them; the latest first.

        One by hand stands where it was asked for, the others at their nominal times.
        """
        asked = {"activity_id": UUID(activity_id), "limit": limit}
        rows = [*self.latest([activity_id], limit), *(tick_row(row) for row in self._rows(_BY_HAND, asked))]
        return sorted(rows, key=lambda row: row.scheduled_for or row.asked_at, reverse=True)[:limit]

    def is_waiting(self, activity_id: str, tick: Tick) -> bool:
        """Whether a tick was decided about, and waits for runs before it."""
        return bool(self._rows(_IS_WAITING, {"activity_id": UUID(activity_id), "tick": tick.id}))

    def _rows(self, statement: Any, parameters: dict[str, Any]) -> Sequence[Any]:
        return in_transaction(self._engine, lambda connection: connection.execute(statement, parameters).all())


def _asked(activity_ids: Collection[str], after: datetime, until: datetime) -> dict[str, Any]:
    # Ticks sort as their times do: RFC 3339 in UTC, all of one length.
    return {
        "activity_ids": list(map(UUID, activity_ids)),
        "first": f"tick:{nominal_text(after)}",
        "last": f"tick:{nominal_text(until)}",
    }


def _trigger(stored: Any) -> CronTrigger | None:
    try:
        return None if stored is None else CronTrigger.model_validate(stored)
    except ValueError:
        return None
