"""Deciding about a tick, in one transaction.

Invariants:

- Who decides about a tick of a definition holds that definition's lock until it commits. So of two ticks that come
  together exactly one finds no run open.
- A decision that was made stays: who asks again is given it. Only a tick that waits is decided about again, and a
  backfill of a tick that was skipped. A tick that started, or waits, as one kind is not decided about as another.
- A run counts as open from the commit of the decision on, before Temporal or the ledger know of it, until it is seen to
  have ended: so a tick between decision and start lets no other by.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Connection, text

from taskfactory.definitions import (
    CronTrigger,
    InvalidDefinitions,
    RegisteredDefinition,
    Tick,
    trusted_definition,
    workflow_id,
)
from taskfactory.definitions.calendar import ticks
from taskfactory.definitions.tick_decision import (
    DefinitionStanding,
    Fire,
    FireAfter,
    Skip,
    Standing,
    TickDecision,
    decide,
)
from taskfactory.registry.tick_rows import (
    COLUMNS,
    NOT_SCHEDULED,
    UNREADABLE,
    AskedTick,
    DecidedTick,
    TickRow,
    UnknownActivity,
    parameters,
    tick_row,
)

_LOOK_BACK: Final = (timedelta(seconds=1), timedelta(hours=4))
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('taskfactory_tick/' || :activity_id, 0))")
_KNOWN: Final = text(f"""
    SELECT {COLUMNS} FROM schedule_ticks
    WHERE activity_id = :activity_id AND tick = :tick AND (kind = :kind OR decision <> 'skipped')
    ORDER BY decision = 'skipped', kind = :kind DESC LIMIT 1
""")  # noqa: S608 -- built from this module's constants
_DEFINITION: Final = text("""
    SELECT a.version, a.state, v.spec
    FROM definition_activations a
    JOIN activity_definition_versions v ON v.definition_id = a.definition_id AND v.version = a.version
    WHERE a.definition_id = :activity_id ORDER BY a.revision DESC LIMIT 1
""")
_VERSION: Final = text(
    "SELECT spec FROM activity_definition_versions WHERE definition_id = :activity_id AND version = :version"
)
_SEE_ENDS: Final = text("""
    UPDATE schedule_ticks t SET open = false FROM activity_runs r
    WHERE t.activity_id = :activity_id AND t.open AND r.run_id = t.run_id AND r.state <> 'running'
""")
_OPEN_RUNS: Final = text("""
    SELECT run_id FROM activity_runs WHERE activity_id = :activity_id AND state = 'running'
    UNION SELECT run_id FROM schedule_ticks WHERE activity_id = :activity_id AND open ORDER BY 1
""")
_WAITING: Final = text("""
    SELECT tick, kind, coalesce(scheduled_for, asked_at) AS place FROM schedule_ticks
    WHERE activity_id = :activity_id AND decision = 'waiting'
""")
_WRITE: Final = text(f"""
    INSERT INTO schedule_ticks ({COLUMNS}, open)
    VALUES (:activity_id, :tick, :kind, :scheduled_for, :manual_key, :version, :decision, :reason, :run_id, :late_by,
            :owner, :workflow_id, :asked_by, :asked_at, :decided_at, :decision = 'started')
    ON CONFLICT (activity_id, tick, kind) DO UPDATE SET
        version = excluded.version, decision = excluded.decision, reason = excluded.reason, run_id = excluded.run_id,
        late_by = excluded.late_by, owner = excluded.owner, workflow_id = excluded.workflow_id,
        asked_by = excluded.asked_by, decided_at = excluded.decided_at, open = excluded.open
""")  # noqa: S608 -- built from this module's constants


def decide_tick(connection: Connection, asked: AskedTick, now: datetime) -> DecidedTick:
    """Decide about a tick, or say what was decided before.

    Args:
        connection: a transaction.
        asked: which tick, and who asks.
        now: aware.

    Raises:
        UnknownActivity: there is no such definition.
    """
    activity = {"activity_id": UUID(asked.activity_id)}
    connection.execute(_LOCK, {"activity_id": asked.activity_id})
    found = connection.execute(_KNOWN, {**activity, "tick": asked.tick.id, "kind": asked.tick.kind}).first()
    known = None if found is None else tick_row(found)
    if known is not None and not _is_open_question(known, asked):
        return DecidedTick(known, _version(connection, known) if known.decision == "started" else None)
    definition = connection.execute(_DEFINITION, activity).first()
    if definition is None:
        raise UnknownActivity(f"the registry has no definition {asked.activity_id}")
    connection.execute(_SEE_ENDS, activity)
    runs = list(connection.execute(_OPEN_RUNS, activity).scalars())
    asked_at = known.asked_at if known else now
    standing = _standing(connection, asked, cast("DefinitionStanding", definition.state), len(runs), asked_at)
    registered = _registered(asked.activity_id, definition.version, definition.spec)
    waited = known is not None and known.decision == "waiting"
    decided = _decided(registered, asked, standing, now, waited=waited)
    row = _undecided(asked, definition.version, asked_at, now)
    match decided:
        case Fire():
            row = replace(row, decision="started", run_id=workflow_id(asked.activity_id, asked.tick.key))
        case Skip(reason):
            row = replace(row, decision="skipped", reason=reason.value)
        case str(reason):
            row = replace(row, decision="skipped", reason=reason)
    connection.execute(_WRITE, parameters(row))
    if row.decision == "waiting":
        return DecidedTick(row, None, decided.end_by if isinstance(decided, FireAfter) else None, runs)
    return DecidedTick(row, registered if isinstance(registered, RegisteredDefinition) and row.run_id else None)


def _is_open_question(known: TickRow, asked: AskedTick) -> bool:
    """Whether what is known of a tick may be decided about anew by who asks."""
    if known.kind != asked.tick.kind:
        return False
    if known.decision == "waiting":
        return True
    # Nobody backfills what was skipped without meaning it; but the same backfill's repeated question gets its answer.
    return known.decision == "skipped" and known.kind == "backfill" and known.owner != asked.owner


def _decided(
    registered: RegisteredDefinition | str, asked: AskedTick, standing: Standing, now: datetime, *, waited: bool
) -> TickDecision | str:
    """What becomes of it; text is the reason of a skip for which the pure decision has no word."""
    if isinstance(registered, str):
        return registered
    trigger = registered.definition.trigger
    if not isinstance(trigger, CronTrigger) or not _is_of(trigger, asked.tick):
        return NOT_SCHEDULED
    return decide(asked.tick, trigger, standing, now, waited=waited, respect_overlap=asked.respect_overlap)


def _is_of(trigger: CronTrigger, tick: Tick) -> bool:
    """Whether the schedule, as it is now, has the tick; Temporal may still fire by the one before."""
    if tick.nominal is None:
        return True
    # Around a change of the clock what Temporal finds depends on where it begins to look; either answer will do.
    return any(tick.nominal in ticks(trigger.spec, tick.nominal - back, tick.nominal) for back in _LOOK_BACK)


def _standing(
    connection: Connection, asked: AskedTick, state: DefinitionStanding, open_runs: int, asked_at: datetime
) -> Standing:
    waiting = connection.execute(_WAITING, {"activity_id": UUID(asked.activity_id)})
    mine = (asked.tick.nominal or asked_at, asked.tick.id)
    others = [(place, tick) for tick, kind, place in waiting if (tick, kind) != (asked.tick.id, asked.tick.kind)]
    ahead = sum(other < mine for other in others)
    return Standing(state=state, open_runs=open_runs, ahead=ahead, behind=len(others) - ahead)


def _registered(activity_id: str, version: int, spec: Any) -> RegisteredDefinition | str:
    try:
        return RegisteredDefinition(id=activity_id, version=version, definition=trusted_definition(spec))
    except InvalidDefinitions:
        return UNREADABLE


def _version(connection: Connection, row: TickRow) -> RegisteredDefinition:
    asked = {"activity_id": UUID(row.activity_id), "version": row.version}
    spec = connection.execute(_VERSION, asked).scalar_one()
    return RegisteredDefinition(id=row.activity_id, version=row.version, definition=trusted_definition(spec))


def _undecided(asked: AskedTick, version: int, asked_at: datetime, now: datetime) -> TickRow:
    """The row of a tick that waits."""
    tick = asked.tick
    late = (now - tick.nominal).total_seconds() if tick.kind == "scheduled" and tick.nominal else 0.0
    return TickRow(
        activity_id=asked.activity_id,
        tick=tick.id,
        kind=tick.kind,
        scheduled_for=tick.nominal and tick.nominal.astimezone(UTC),
        manual_key=tick.manual_key,
        version=version,
        decision="waiting",
        reason=None,
        run_id=None,
        late_by=max(late, 0.0),
        owner=asked.owner,
        workflow_id=asked.workflow_id,
        asked_by=asked.asked_by,
        asked_at=asked_at,
        decided_at=now,
    )
