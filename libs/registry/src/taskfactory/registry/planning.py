"""Claim and plan, one transaction: which of these runs are new, and what they will do.

A run is new when it wins two keys: the event's own identity, so that a changed strategy does not fire old events again,
and its strategy's key. The identity is claimed first, so a run that loses it leaves no strategy key behind. A key that
has a window is not claimed once and for all: `windows` says whether the event opens a new one. Where it is the event's
id that fires again, the identity is written down but does not decide; the event's occurrence does. Keys, run and tasks
commit together; a caller that comes again therefore finds either nothing or everything, and is given what it
was given before.

A run whose context has to be fetched is claimed without its tasks; `plan_claimed` adds them later, once, whoever asks.

A run id is a workflow id, and Temporal has one open execution per workflow id. So an open run that another execution
planned for the same event was left behind by an execution that is dead: it was terminated while its plan was being
written. The one that asks now takes the run over. A call of the dead one that arrives even later takes it back, which
changes nothing: nobody hears its answer, and the living one's next call takes over again. What has ended is never
taken over.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection

from taskfactory.definitions import DedupeKey, RenderedRun, RunInput, event_identity, event_moment, event_occurrence
from taskfactory.envelope import Failure
from taskfactory.registry.claims import LedgerKey, claim
from taskfactory.registry.finishing import UnknownIds
from taskfactory.registry.run_model import PlannedRun, TaskPage
from taskfactory.registry.run_rows import (
    Candidate,
    Rendering,
    StoredRun,
    Windowed,
    find_runs,
    insert_runs,
    new_run,
    take_over,
)
from taskfactory.registry.run_rows import plan_claimed as plan_claimed_rows
from taskfactory.registry.task_pages import PageLimit, read_pages
from taskfactory.registry.windows import WindowAsk, holders, open_windows


def candidate(run: RunInput, owner: str) -> Candidate:
    """Work out the keys that the run must win.

    Raises:
        ValueError: `owner` or the run's `activity_id` is not a UUID; the run's key has a window, its event no time.
    """
    activity_id = UUID(run.activity_id)

    def ledger_key(key: DedupeKey) -> LedgerKey:
        return LedgerKey(activity_id, key.digest, run.generation)

    return Candidate(
        run=run,
        owner=UUID(owner),
        identity=ledger_key(event_identity(run.event)),
        strategy=ledger_key(DedupeKey(run.dedupe_strategy, tuple(run.dedupe_parts))),
        windowed=None
        if run.window is None
        else Windowed(ledger_key(event_occurrence(run.event)), event_moment(run.event), timedelta(seconds=run.window)),
    )


def distinct(candidates: Iterable[Candidate]) -> dict[LedgerKey, Candidate]:
    """The first candidate of each event and activity, in order; `plan` must not see two of one event."""
    first: dict[LedgerKey, Candidate] = {}
    for asking in candidates:
        first.setdefault(asking.admission, asking)
    return first


def repeated(asking: Candidate, first: PlannedRun) -> PlannedRun:
    """The result for a candidate whose event came earlier in the same list."""
    holder = first.duplicate_of if first.state == "duplicate" else first.run_id
    return PlannedRun(run_id=asking.run.run_id, state="duplicate", duplicate_of=holder)


def plan(
    connection: Connection,
    candidates: Sequence[Candidate],
    render: Callable[[RunInput], Rendering],
    limit: PageLimit,
) -> list[PlannedRun]:
    """Claim, render and store what is new; look up the rest.

    Args:
        connection: a transaction.
        candidates: with distinct admissions.
        render: the tasks of a run, or why there are none (yet).
        limit: the size of each run's first page of tasks.

    Returns:
        One result per candidate, in their order.

    Raises:
        Unstorable: a task's params or options have no JSON form.
    """
    new = {asking.admission: new_run(asking, render(asking.run), limit) for asking in _claim(connection, candidates)}
    insert_runs(connection, new.values())
    others = [asking for asking in candidates if asking.admission not in new]
    results = {key: run.planned for key, run in new.items()} | _look_up(connection, others, limit)
    return [results[asking.admission] for asking in candidates]


def plan_claimed(
    connection: Connection, asking: Candidate, rendered: RenderedRun | Failure, limit: PageLimit
) -> PlannedRun:
    """Store the plan of a run whose context was fetched after its claim; where there is one already, that one.

    Args:
        connection: a transaction.
        asking: the run, which has a row.
        rendered: its tasks and context, or why there are none.
        limit: the size of the first page of tasks.

    Raises:
        UnknownIds: the run has no row.
        Unstorable: params, options or context values have no JSON form.
    """
    new = new_run(asking, rendered, limit)
    if plan_claimed_rows(connection, new):
        return new.planned
    run = _same_run(asking, find_runs(connection, [asking]))
    if run is None:
        raise UnknownIds("run", [asking.run.run_id])
    return _again(run, read_pages(connection, {run.run_id: 0}, limit)[run.run_id])


def _look_up(connection: Connection, others: Sequence[Candidate], limit: PageLimit) -> dict[LedgerKey, PlannedRun]:
    """What there is already for candidates that did not win: their own run's plan, or somebody else's run."""
    stored = find_runs(connection, others)
    same = {asking.admission: (asking, run) for asking in others if (run := _same_run(asking, stored))}
    left_behind = [asking for asking, run in same.values() if run.owner != asking.owner and run.state == "running"]
    taken = take_over(connection, left_behind)
    mine = {key: run for key, (asking, run) in same.items() if run.owner == asking.owner or run.run_id in taken}
    pages = read_pages(connection, {run.run_id: 0 for run in mine.values()}, limit) if mine else {}
    duplicates = [asking for asking in others if asking.admission not in mine]
    return {key: _again(run, pages[run.run_id]) for key, run in mine.items()} | {
        asking.admission: PlannedRun(run_id=asking.run.run_id, state="duplicate", duplicate_of=holder)
        for asking, holder in zip(duplicates, _holders(connection, duplicates, stored), strict=True)
    }


def _claim(connection: Connection, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that got both keys."""
    owners = {key: asking.owner for asking in candidates for key in (asking.identity, asking.admission)}
    fresh = claim(connection, owners)
    admitted = [asking for asking in candidates if asking.admission in fresh]
    return [*_claim_forever(connection, admitted), *_open_windows(connection, admitted, fresh)]


def _claim_forever(connection: Connection, admitted: Sequence[Candidate]) -> list[Candidate]:
    contenders: dict[LedgerKey, Candidate] = {}
    for asking in admitted:
        if asking.windowed is None:
            contenders.setdefault(asking.strategy, asking)
    won = claim(
        connection,
        {key: asking.owner for key, asking in contenders.items() if key != asking.identity},
    )
    return [asking for key, asking in contenders.items() if key == asking.identity or key in won]


def _open_windows(
    connection: Connection, admitted: Sequence[Candidate], fresh: Collection[LedgerKey]
) -> list[Candidate]:
    asks = {
        asking.admission: _window_ask(asking, asking.windowed, known=asking.identity not in fresh)
        for asking in admitted
        if asking.windowed is not None
    }
    starts = dict(zip(asks, open_windows(connection, list(asks.values())), strict=True)) if asks else {}
    return [asking for asking in admitted if starts.get(asking.admission)]


def _window_ask(asking: Candidate, windowed: Windowed, *, known: bool) -> WindowAsk:
    return WindowAsk(asking.strategy, windowed.at, windowed.window, asking.run.run_id, known)


def _same_run(asking: Candidate, stored: Sequence[StoredRun]) -> StoredRun | None:
    """The row of this very run: from an earlier attempt, before a reset, or from an earlier execution."""
    for run in stored:
        if (run.run_id, run.event) == (asking.run.run_id, asking.identity):
            return run
    return None


def _holders(connection: Connection, duplicates: Sequence[Candidate], stored: Sequence[StoredRun]) -> list[str | None]:
    """The runs that have the candidates' keys, where they are still known.

    That is the run with the same id, which without windows means the same key; or that of the window which the event
    falls into; or else the event's own run, from before a change of the strategy.
    """
    by_id = {run.run_id: run.run_id for run in stored}
    by_event = {run.event: run.run_id for run in reversed(stored)}
    asks = {
        asking.admission: _window_ask(asking, asking.windowed, known=True)
        for asking in duplicates
        if asking.windowed is not None
    }
    by_window = dict(zip(asks, holders(connection, list(asks.values())), strict=True))
    return [
        by_id.get(asking.run.run_id) or by_window.get(asking.admission) or by_event.get(asking.identity)
        for asking in duplicates
    ]


def _again(run: StoredRun, page: TaskPage) -> PlannedRun:
    return PlannedRun.model_validate(
        {
            "run_id": run.run_id,
            "state": "claimed" if run.awaits_context and run.state == "running" else run.state,
            "error": run.error,
            "task_count": run.task_count,
            "tasks": page.tasks,
            "next_position": page.next_position,
        }
    )
