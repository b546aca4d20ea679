"""How the definitions that fire by schedule stand: what the schedules in Temporal have to be made equal to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from taskfactory.definitions import CronTrigger, InvalidDefinitions, trusted_definition
from taskfactory.registry.transactions import in_transaction

_REVISION: Final = text("SELECT revision FROM definitions_revision")
_CHANGED: Final = text("""
    SELECT a.*, d.name, CASE WHEN v.spec->'trigger'->>'type' = 'cron' THEN v.spec END AS spec
    FROM (
        SELECT DISTINCT ON (definition_id)
            definition_id, version, state, at, by, reason, version IS NOT DISTINCT FROM shadow_version AS only_shadow
        FROM definition_activations
        WHERE revision > :since AND revision <= :until ORDER BY definition_id, revision DESC
    ) a
    JOIN activity_definitions d ON d.id = a.definition_id
    JOIN activity_definition_versions v ON v.definition_id = a.definition_id AND v.version = a.version
    ORDER BY d.name
""")


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A definition that fires by schedule, enabled or not."""

    activity_id: str
    name: str
    trigger: CronTrigger
    state: str
    """`enabled`, `paused` or `disabled`."""
    since: datetime
    """Since when it stands so, in this version."""
    by: str
    """Who made it stand so."""
    reason: str | None


@dataclass(frozen=True, slots=True)
class ScheduleChanges:
    """What changed after one revision and up to another."""

    revision: int
    scheduled: Sequence[Scheduled]
    unscheduled: Sequence[str]
    """Ids of definitions that changed and do not fire by schedule: by events, deleted, or a shadow version alone."""
    unreadable: Sequence[str]
    """Ids of those whose present version this version of taskfactory can't read: their schedules stay as they are."""


class ScheduleStates:
    """Reads how definitions stand. Safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        """Use `engine`."""
        self._engine = engine

    def revision(self) -> int:
        """A number that rises with every change of a definition; cheap to ask for."""
        return int(in_transaction(self._engine, lambda connection: connection.execute(_REVISION).scalar_one()))

    def changes(self, since: int | None) -> ScheduleChanges:
        """What changed after revision `since`; with None, everything there is."""
        return in_transaction(self._engine, lambda connection: _changes(connection, since))


def _changes(connection: Connection, since: int | None) -> ScheduleChanges:
    # Read before the rows: a change in between is noticed twice, never missed.
    revision = int(connection.execute(_REVISION).scalar_one())
    scheduled: list[Scheduled] = []
    unscheduled: list[str] = []
    unreadable: list[str] = []
    for row in connection.execute(_CHANGED, {"since": -1 if since is None else since, "until": revision}):
        if row.spec is None or row.state == "deleted" or row.only_shadow:
            unscheduled.append(str(row.definition_id))
            continue
        trigger = _trigger(row.spec)
        if trigger is None:
            unreadable.append(str(row.definition_id))
            continue
        scheduled.append(Scheduled(str(row.definition_id), row.name, trigger, row.state, row.at, row.by, row.reason))
    return ScheduleChanges(revision, scheduled, unscheduled, unreadable)


def _trigger(spec: Any) -> CronTrigger | None:
    try:
        trigger = trusted_definition(spec).trigger
    except InvalidDefinitions:
        return None
    return trigger if isinstance(trigger, CronTrigger) else None
