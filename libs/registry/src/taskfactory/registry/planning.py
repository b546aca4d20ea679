"""Claim and plan, one transaction: which of these runs are new, and what they will do.

A run is new when it wins two keys: the event's own identity, so that a changed strategy does not fire old events again,
and its strategy's key. The identity is claimed first, so a run that loses it leaves no strategy key behind. Keys, run
and tasks commit together; a caller that comes again therefore finds either nothing or everything, and is given what it
was given before.

A run id is a workflow id, and Temporal has one open execution per workflow id. So an open run that another execution
planned for the same event was left behind by an execution that is dead: it was terminated while its plan was being
written. The one that asks now takes the run over. A call of the dead one that arrives even later takes it back, which
changes nothing: nobody hears its answer, and the living one's next call takes over again. What has ended is never
taken over.
"""

from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from sqlalchemy import Connection

from taskfactory.definitions import DedupeKey, PlannedTask, RunInput, event_identity
from taskfactory.envelope import Failure
from taskfactory.registry.claims import LedgerKey, claim
from taskfactory.registry.run_model import PlannedRun, TaskPage
from taskfactory.registry.run_rows import Candidate, StoredRun, find_runs, insert_runs, new_run, take_over
from taskfactory.registry.task_pages import PageLimit, read_pages


def candidate(run: RunInput, owner: str) -> Candidate:
    """Work out the keys that the run must win.

    Raises:
        ValueError: `owner` or the run's `activity_id` is not a UUID.
    """
    activity_id = UUID(run.activity_id)
    strategy = DedupeKey(run.dedupe_strategy, tuple(run.dedupe_parts))
    return Candidate(
        run=run,
        owner=UUID(owner),
        identity=LedgerKey(activity_id, event_identity(run.event).digest, run.generation),
        strategy=LedgerKey(activity_id, strategy.digest, run.generation),
    )


def distinct(candidates: Iterable[Candidate]) -> dict[LedgerKey, Candidate]:
    """The first candidate of each event and activity, in order; `plan` must not see two of one event."""
    first: dict[LedgerKey, Candidate] = {}
    for asking in candidates:
        first.setdefault(asking.identity, asking)
    return first


def repeated(asking: Candidate, first: PlannedRun) -> PlannedRun:
    """The result for a candidate whose event came earlier in the same list."""
    holder = first.duplicate_of if first.state == "duplicate" else first.run_id
    return PlannedRun(run_id=asking.run.run_id, state="duplicate", duplicate_of=holder)


def plan(
    connection: Connection,
    candidates: Sequence[Candidate],
    render: Callable[[RunInput], Sequence[PlannedTask] | Failure],
    limit: PageLimit,
) -> list[PlannedRun]:
    """Claim, render and store what is new; look up the rest.

    Args:
        connection: a transaction.
        candidates: with distinct identities.
        render: the tasks of a run, or why there are none.
        limit: the size of each run's first page of tasks.

    Returns:
        One result per candidate, in their order.

    Raises:
        Unstorable: a task's params or options have no JSON form.
    """
    new = {asking.identity: new_run(asking, render(asking.run), limit) for asking in _claim(connection, candidates)}
    insert_runs(connection, new.values())
    others = [asking for asking in candidates if asking.identity not in new]
    results = {key: run.planned for key, run in new.items()} | _look_up(connection, others, limit)
    return [results[asking.identity] for asking in candidates]


def _look_up(connection: Connection, others: Sequence[Candidate], limit: PageLimit) -> dict[LedgerKey, PlannedRun]:
    """What there is already for candidates that did not win: their own run's plan, or somebody else's run."""
    stored = find_runs(connection, others)
    same = {asking.identity: (asking, run) for asking in others if (run := _same_run(asking, stored))}
    left_behind = [asking for asking, run in same.values() if run.owner != asking.owner and run.state == "running"]
    taken = take_over(connection, left_behind)
    mine = {key: run for key, (asking, run) in same.items() if run.owner == asking.owner or run.run_id in taken}
    pages = read_pages(connection, {run.run_id: 0 for run in mine.values()}, limit) if mine else {}
    return {
        asking.identity: _again(mine[asking.identity], pages[asking.run.run_id])
        if asking.identity in mine
        else PlannedRun(run_id=asking.run.run_id, state="duplicate", duplicate_of=_holder(asking, stored))
        for asking in others
    }


def _claim(connection: Connection, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that got both keys."""
    fresh = claim(connection, {asking.identity: asking.owner for asking in candidates})
    contenders: dict[LedgerKey, Candidate] = {}
    for asking in candidates:
        if asking.identity in fresh:
            contenders.setdefault(asking.strategy, asking)
    won = claim(
        connection,
        {key: asking.owner for key, asking in contenders.items() if key != asking.identity},
    )
    return [asking for key, asking in contenders.items() if key == asking.identity or key in won]


def _same_run(asking: Candidate, stored: Sequence[StoredRun]) -> StoredRun | None:
    """The row of this very run: from an earlier attempt, before a reset, or from an earlier execution."""
    for run in stored:
        if (run.run_id, run.event) == (asking.run.run_id, asking.identity):
            return run
    return None


def _holder(asking: Candidate, stored: Sequence[StoredRun]) -> str | None:
    """The run that has the candidate's key: the same strategy key means the same run id."""
    return next(
        (run.run_id for run in stored if run.run_id == asking.run.run_id),
        next((run.run_id for run in stored if run.event == asking.identity), None),
    )


def _again(run: StoredRun, page: TaskPage) -> PlannedRun:
    return PlannedRun.model_validate(
        {
            "run_id": run.run_id,
            "state": run.state,
            "error": run.error,
            "task_count": run.task_count,
            "tasks": page.tasks,
            "next_position": page.next_position,
        }
    )
