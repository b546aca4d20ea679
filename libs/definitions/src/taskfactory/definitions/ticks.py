"""Ticks: the occasions on which a schedule fires, and the run that follows from one. Pure.

A tick is known by its nominal time, whenever it is decided about, or by the key of whoever asked for it; so the same
tick is the same run, through misfires, backfills and repeated requests.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from taskfactory.definitions.dedupe import DedupeKey
from taskfactory.definitions.definition_set import RegisteredDefinition
from taskfactory.definitions.ids import workflow_id
from taskfactory.definitions.run_input import RunInput
from taskfactory.definitions.schedule_spec import nominal_text
from taskfactory.envelope import Trigger

TICK: Final = "tick"
"""The dedupe strategy of definitions that fire by schedule; authors can't choose it."""
TICK_EVENT_TYPE: Final = "io.taskfactory.schedule.tick"
MANUAL_KEY_LENGTH: Final = 200
"""The longest idempotency key of a manual trigger, in characters."""

TickKind = Literal["scheduled", "backfill", "manual"]


@dataclass(frozen=True, slots=True)
class Tick:
    """One occasion: of the schedule, of a backfill of it, or one that somebody asked for."""

    kind: TickKind
    nominal: datetime | None = None
    """When the schedule fires, aware, whole seconds; None for a manual one."""
    manual_key: str | None = None
    """The idempotency key of a manual one; None for others."""

    def __post_init__(self) -> None:
        """Refuse what is neither.

        Raises:
            ValueError: A manual tick without a key, or another without a nominal time; or both.
        """
        if (self.kind == "manual") != (self.nominal is None) or (self.nominal is None) == (self.manual_key is None):
            raise ValueError(f"{self} is no tick: a manual one has a key and no nominal time, any other the reverse")

    @property
    def id(self) -> str:
        """What the tick is known by: `tick:2026-11-03T09:00:00Z` or `manual:<key>`. A backfill's is the schedule's."""
        return f"manual:{self.manual_key}" if self.nominal is None else f"tick:{nominal_text(self.nominal)}"

    @property
    def key(self) -> DedupeKey:
        """Its dedupe key."""
        return DedupeKey(TICK, (self.id,))


def schedule_source(name: str) -> str:
    """The CloudEvents source of a definition's ticks."""
    return f"/taskfactory/schedules/{name}"


def tick_event(name: str, tick: Tick, decided_at: datetime, late_by: float = 0) -> dict[str, Any]:
    """The event that stands for a tick, in CloudEvents JSON form; a definition's expressions see it as `event`.

    Args:
        name: the definition's.
        tick: which one.
        decided_at: when it was decided about, aware; a manual tick's time.
        late_by: seconds from the nominal time, jitter included, to the decision; 0 for a manual tick or a backfill.
    """
    at = tick.nominal or decided_at
    return {
        "specversion": "1.0",
        "id": tick.id,
        "source": schedule_source(name),
        "type": TICK_EVENT_TYPE,
        "subject": name,
        "time": nominal_text(at) if tick.nominal else at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {
            "scheduled_for": nominal_text(tick.nominal) if tick.nominal else None,
            "kind": tick.kind,
            "late_by": round(late_by, 3),
        },
    }


def tick_run_input(
    registered: RegisteredDefinition, tick: Tick, decided_at: datetime, late_by: float = 0, generation: int = 1
) -> RunInput:
    """The run that follows from a tick that fires.

    Args:
        registered: the definition in the version that runs.
        tick: which one.
        decided_at: when it was decided about, aware.
        late_by: see `tick_event`.
        generation: from 1.
    """
    event = tick_event(registered.definition.name, tick, decided_at, late_by)
    return RunInput(
        run_id=workflow_id(registered.id, tick.key, generation),
        activity_id=registered.id,
        activity_name=registered.definition.name,
        version=registered.version,
        generation=generation,
        dedupe_strategy=TICK,
        dedupe_parts=list(tick.key.parts),
        trigger=Trigger(
            source=event["source"],
            id=event["id"],
            type=event["type"],
            subject=event["subject"],
            time=event["time"],
        ),
        event=event,
        kind=tick.kind,
    )
