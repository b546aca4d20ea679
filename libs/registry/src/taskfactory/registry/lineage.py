"""Where a run comes from and what came of it: from events to runs to outcomes to the runs that those started.

An outcome is an event, and a run's row says which event started it. So a run that an outcome started is found by the
outcome's identity, and the run behind an event that is an outcome by that outcome's id. Both ways are bounded; what
lies beyond a bound is said to be missing (`complete`), never silently left out.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Row, text

from taskfactory.definitions import event_identity, outcome_id
from taskfactory.envelope import Trigger
from taskfactory.envelope.outcome import SOURCE_PREFIX, TYPE_PREFIX
from taskfactory.registry.ended_rows import RUN_COLUMNS
from taskfactory.registry.run_model import EventAttributes, OutcomesConfig, RunState, TaskState

_COLUMNS: Final = f"{RUN_COLUMNS}, task_count"
_BY_ID: Final = text(f"SELECT {_COLUMNS} FROM activity_runs WHERE run_id = ANY(CAST(:run_ids AS text[]))")  # noqa: S608
_BY_EVENT: Final = text(f"""
    SELECT {_COLUMNS} FROM activity_runs
    WHERE event_digest = ANY(CAST(:digests AS bytea[])) AND NOT run_id = ANY(CAST(:seen AS text[]))
    ORDER BY started_at, run_id LIMIT :limit
""")  # noqa: S608 -- constants
_TASKS: Final = text("""
    SELECT t.run_id, t.task_id, t.name, t.index, t.state
    FROM unnest(CAST(:run_ids AS text[])) AS wanted (run_id)
    CROSS JOIN LATERAL (
        SELECT run_id, task_id, name, index, state, position FROM tasks
        WHERE tasks.run_id = wanted.run_id ORDER BY position LIMIT :limit
    ) t ORDER BY t.run_id, t.position
""")
_WITHOUT_OUTCOME: Final = frozenset({"scheduled", "skipped"})


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True, slots=True)
class LineageBounds:
    """How far a lineage reaches."""

    runs: int = 100
    """All together."""
    depth: int = 10
    """Outcomes between the runs in the middle and the furthest, in each direction."""
    tasks: int = 200
    """Of each run; the outcomes of others are not followed."""


class OutcomeRef(_Frozen):
    """An outcome that was, or is about to be, published."""

    id: str
    source: str
    type: str
    topic: str | None
    """None: the installation's outcomes topic."""


class Cause(_Frozen):
    """The outcome that an event is."""

    outcome_id: str
    run_id: str
    """Whose end, or whose task's end, it tells."""
    task_id: str | None


class LineageTask(_Frozen):
    """A task and the outcome of its end."""

    task_id: str
    name: str
    index: int | None
    state: TaskState
    outcome: OutcomeRef | None
    """None while it is open, when it was skipped, and where its definition publishes no ends of tasks."""


class LineageRun(_Frozen):
    """A run within a lineage."""

    run_id: str
    activity_name: str
    version: int
    generation: int
    state: RunState
    started_at: datetime
    ended_at: datetime | None
    distance: int
    """Outcomes between it and the runs in the middle: negative for those that led there."""
    event: Trigger
    """What started it."""
    chain: list[str]
    """Definitions whose outcomes led to the event, the oldest first; also of runs whose rows are gone."""
    correlation_id: str | None
    caused_by: Cause | None
    """None when the event is no outcome of ours."""
    outcome: OutcomeRef | None
    """Of the run's own end."""
    tasks: list[LineageTask]
    task_count: int


class Lineage(_Frozen):
    """Runs around one run, or one event."""

    runs: list[LineageRun]
    """Those that led here first, the oldest before the others; then the ones in the middle; then what came of them."""
    complete: bool
    """False when a bound left out runs or tasks."""
    gone: list[str]
    """Ids of runs that led here and have no row any more."""


def cause_of(trigger: Trigger) -> Cause | None:
    """The outcome that an event is, by its type, source and id; None for any other event."""
    ended, _, status = trigger.id.rpartition("/")
    run_id, _, task = ended.partition("/")
    if not ended or not trigger.source.startswith(SOURCE_PREFIX):
        return None
    if trigger.type == f"{TYPE_PREFIX}run.{status}" and not task:
        return Cause(outcome_id=trigger.id, run_id=run_id, task_id=None)
    if trigger.type == f"{TYPE_PREFIX}task.{status}" and task:
        return Cause(outcome_id=trigger.id, run_id=run_id, task_id=ended)
    return None


def lineage_of_run(connection: Connection, run_id: str, bounds: LineageBounds) -> Lineage | None:
    """The lineage with this run in the middle; None when it has no row."""
    found = _by_id(connection, [run_id])
    return _lineage(connection, found, bounds) if found else None


def lineage_of_event(connection: Connection, source: str, event_id: str, bounds: LineageBounds) -> Lineage:
    """The lineage with the event's runs in the middle; without runs when it started none, or they are gone."""
    digest = event_identity({"source": source, "id": event_id}).digest
    found = _by_event(connection, [digest], set(), bounds.runs + 1)
    cut = _lineage(connection, found[: bounds.runs], bounds)
    return cut.model_copy(update={"complete": cut.complete and len(found) <= bounds.runs})


def _lineage(connection: Connection, middle: Sequence[Row[Any]], bounds: LineageBounds) -> Lineage:
    seen = {row.run_id for row in middle}
    before, gone, all_before = _ancestors(connection, middle, seen, bounds)
    here = _runs(connection, middle, 0, bounds)
    after, all_after = _descendants(connection, here, seen, bounds)
    runs = [*before, *here, *after]
    all_tasks = all(run.task_count <= bounds.tasks for run in runs)
    return Lineage(runs=runs, complete=all_before and all_after and all_tasks, gone=gone)


def _ancestors(
    connection: Connection, middle: Sequence[Row[Any]], seen: set[str], bounds: LineageBounds
) -> tuple[list[LineageRun], list[str], bool]:
    """What led here, the oldest first; ids of what is gone; whether that is all."""
    found: list[LineageRun] = []
    # All runs in the middle have one event.
    cause = cause_of(Trigger.model_validate(middle[0].trigger)) if middle else None
    distance = 0
    while cause is not None and cause.run_id not in seen:  # an event may claim to be its own run's outcome
        if -distance == bounds.depth or len(seen) >= bounds.runs:
            return found, [], False
        rows = _by_id(connection, [cause.run_id])
        if not rows:
            return found, [cause.run_id], True
        distance -= 1
        seen.add(cause.run_id)
        [run] = _runs(connection, rows, distance, bounds)
        found.insert(0, run)
        cause = run.caused_by
    return found, [], True


def _descendants(
    connection: Connection, middle: Sequence[LineageRun], seen: set[str], bounds: LineageBounds
) -> tuple[list[LineageRun], bool]:
    """What came of these runs, nearer ones first; and whether that is all."""
    found: list[LineageRun] = []
    generation = list(middle)
    for distance in range(1, bounds.depth + 2):
        digests = sorted({_digest(each) for run in generation for each in _outcomes(run)})
        if not digests:
            return found, True
        room = bounds.runs - len(seen) if distance <= bounds.depth else 0
        rows = _by_event(connection, digests, seen, room + 1)
        generation = _runs(connection, rows[:room], distance, bounds)
        found += generation
        if len(rows) > room:
            return found, False
        seen |= {run.run_id for run in generation}
    return found, True


def _by_id(connection: Connection, run_ids: Sequence[str]) -> list[Row[Any]]:
    return list(connection.execute(_BY_ID, {"run_ids": list(run_ids)}))


def _by_event(connection: Connection, digests: Sequence[bytes], seen: Collection[str], limit: int) -> list[Row[Any]]:
    return list(connection.execute(_BY_EVENT, {"digests": list(digests), "seen": sorted(seen), "limit": limit}))


def _digest(outcome: OutcomeRef) -> bytes:
    return event_identity({"source": outcome.source, "id": outcome.id}).digest


def _outcomes(run: LineageRun) -> Iterator[OutcomeRef]:
    if run.outcome is not None:
        yield run.outcome
    yield from (task.outcome for task in run.tasks if task.outcome is not None)


def _runs(connection: Connection, rows: Sequence[Row[Any]], distance: int, bounds: LineageBounds) -> list[LineageRun]:
    if not rows:
        return []
    tasks: dict[str, list[Row[Any]]] = {row.run_id: [] for row in rows}
    for task in connection.execute(_TASKS, {"run_ids": list(tasks), "limit": bounds.tasks}):
        tasks[task.run_id].append(task)
    return [_run(row, tasks[row.run_id], distance) for row in rows]


def _run(row: Row[Any], tasks: Sequence[Row[Any]], distance: int) -> LineageRun:
    config = OutcomesConfig.model_validate(row.outcomes or {})
    attributes = EventAttributes.model_validate(row.event_attributes)
    trigger = Trigger.model_validate(row.trigger)
    return LineageRun(
        run_id=row.run_id,
        activity_name=row.activity_name,
        version=row.version,
        generation=row.generation,
        state=row.state,
        started_at=row.started_at,
        ended_at=row.ended_at,
        distance=distance,
        event=trigger,
        chain=(attributes.chain or "").split(),
        correlation_id=attributes.correlationid,
        caused_by=cause_of(trigger),
        outcome=None if row.state == "running" else _outcome(row, config, "run", row.run_id, row.state),
        tasks=[_task(row, config, task) for task in tasks],
        task_count=row.task_count,
    )


def _task(row: Row[Any], config: OutcomesConfig, task: Row[Any]) -> LineageTask:
    has_none = task.state in _WITHOUT_OUTCOME
    return LineageTask(
        task_id=task.task_id,
        name=task.name,
        index=task.index,
        state=task.state,
        outcome=None if has_none else _outcome(row, config, "task", task.task_id, task.state),
    )


def _outcome(row: Row[Any], config: OutcomesConfig, kind: str, ended_id: str, status: str) -> OutcomeRef | None:
    if kind not in config.of:
        return None
    return OutcomeRef(
        id=outcome_id(ended_id, status),
        source=f"{SOURCE_PREFIX}{row.activity_name}",
        type=f"{TYPE_PREFIX}{kind}.{status}",
        topic=config.topic,
    )
