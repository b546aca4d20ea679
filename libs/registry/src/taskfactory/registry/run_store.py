"""The store of runs and tasks: the one place through which they are claimed, planned, ended and read.

Every method is one transaction (more where a value is refused), takes any number of items and may be repeated.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from taskfactory.definitions import PlannedTask, RenderedRun, RenderFailed, RunInput
from taskfactory.envelope import Failure
from taskfactory.registry import (
    finishing,
    listing,
    past_runs,
    planning,
    reconciling,
    settling,
    task_queues,
)
from taskfactory.registry.context_rows import read_context
from taskfactory.registry.masked_rows import masked_runs, masked_tasks
from taskfactory.registry.run_model import AwaitsContext, Finished, PlannedRun, RunEnd, RunState, TaskEnd, TaskPage
from taskfactory.registry.run_rows import Candidate, Rendering
from taskfactory.registry.task_pages import PageLimit, read_pages
from taskfactory.registry.transactions import Refused, in_transaction

_T = TypeVar("_T")

Plan = RenderedRun | AwaitsContext | Sequence[PlannedTask]
"""Tasks alone are the plan of a run without context."""


class RunStore:
    """Runs and tasks in PostgreSQL. Safe to use from several threads.

    Methods raise `sqlalchemy.exc.DBAPIError` when the database can't be reached; trying again later is always right.
    """

    def __init__(self, engine: Engine, *, page: PageLimit = PageLimit()) -> None:  # noqa: B008 -- frozen
        """Use `engine`; `page` bounds the tasks that `plan` and `tasks_page` hand out at once."""
        self._engine = engine
        self._page = page

    # --- the run's path -------------------------------------------------------------------------------------------

    def plan(
        self,
        runs: Sequence[RunInput],
        owner: str,
        render: Callable[[RunInput], Plan],
    ) -> list[PlannedRun]:
        """Claim the runs' keys and store the plans of those that are new.

        Called again by the same owner, it returns what it returned the first time, with the tasks' present states. So
        it does for another owner whose run was left open by an earlier execution; that owner takes the run over.
        A run whose templates fail, or whose tasks hold a value that can't be stored, is stored as failed, alone.

        Args:
            runs: what is to run.
            owner: the first execution run id (a UUID) of the workflow that carries the runs.
            render: the run's tasks, with the context that they were made from; or that the context has still to be
                fetched, and `plan_claimed` will be called with them. Pure; called only for new runs, and again when the
                transaction is retried. It is called inside the transaction: one that needs the database for itself
                would hold two connections.

        Returns:
            One result per run, in their order.

        Raises:
            ValueError: the owner or an activity id is not a UUID.
            Refused: a run can't even be stored as failed.
        """

        def rendering(run: RunInput) -> Rendering:
            return _or_failure(lambda: _rendering(render(run)))

        candidates = [planning.candidate(run, owner) for run in runs]
        first = planning.distinct(candidates)
        results = dict(zip(first, self._plan(list(first.values()), rendering), strict=True))
        return [
            results[asking.admission]
            if first[asking.admission] is asking
            else planning.repeated(asking, results[asking.admission])
            for asking in candidates
        ]

    def plan_claimed(
        self, run: RunInput, owner: str, render: Callable[[RunInput, Mapping[str, Any]], RenderedRun]
    ) -> PlannedRun:
        """Store the plan of a run that `plan` has claimed and left without tasks; the stored plan where there is one.

        Args:
            run: what was claimed.
            owner: as for `plan`.
            render: the run's tasks and context, from the values that were stored for it, by name; what can't be
                rendered or stored makes the run fail.

        Raises:
            UnknownIds: the run has no row.
            Refused: the run can't even be stored as failed.
        """
        asking = planning.candidate(run, owner)
        stored = in_transaction(self._engine, lambda c: read_context(c, run.run_id))
        fetched = {each.name: each.value for each in stored}
        rendered = _or_failure(lambda: render(run, fetched))
        try:
            return in_transaction(self._engine, lambda c: planning.plan_claimed(c, asking, rendered, self._page))
        except Refused as refused:
            error = _plan_refused(refused)
            return in_transaction(self._engine, lambda c: planning.plan_claimed(c, asking, error, self._page))

    def tasks_page(self, run_id: str, from_position: int) -> TaskPage:
        """The run's tasks from a position on, as far as a page reaches.

        Raises:
            UnknownIds: the run has no row.
        """
        pages = in_transaction(self._engine, lambda c: read_pages(c, {run_id: from_position}, self._page))
        if run_id not in pages:
            raise finishing.UnknownIds("run", [run_id])
        return pages[run_id]

    def finish(self, ends: Sequence[TaskEnd], run_ends: Sequence[RunEnd] = ()) -> Finished:
        """End tasks and runs; the first terminal state wins.

        A result that can't be stored makes its task fail, and no other.

        Returns:
            The stored rows of the tasks and runs given; for a run that is ended with a status of its own, all its
            ended tasks.

        Raises:
            OpenTasks: a run is to end as its tasks say, and some are open; nothing was written.
            UnknownIds: a task or run has no row; nothing was written.
        """
        if not (ends or run_ends):
            return Finished()
        try:
            return in_transaction(self._engine, lambda c: finishing.finish(c, ends, run_ends))
        except Refused as refused:
            if len(ends) + len(run_ends) > 1:
                return self._finish_apart(ends, run_ends)
            if not ends or ends[0].status != "completed":
                raise
            error = Failure(type="result_refused", message=f"the task's result can't be stored: {refused.reason}")
            failed = ends[0].model_copy(update={"status": "failed", "result": None, "error": error})
            return self.finish([failed])

    # --- the reconciler -------------------------------------------------------------------------------------------

    def open_runs(
        self, *, started_before: datetime, after: reconciling.RunCursor | None = None, limit: int = 500
    ) -> list[reconciling.OpenRun]:
        """Runs that are open, oldest first; go on with the last one's `cursor`."""
        return in_transaction(
            self._engine,
            lambda c: reconciling.open_runs(c, after=after, started_before=started_before, limit=limit),
        )

    def claimed(self, run_ids: Collection[str]) -> dict[str, reconciling.ClaimedRun]:
        """The state of those runs that have a row."""
        return in_transaction(self._engine, lambda c: reconciling.claimed(c, run_ids))

    def ended(self, run_ids: Collection[str]) -> Finished:
        """Every terminal row of these runs and their tasks, for publishing again."""
        return in_transaction(self._engine, lambda c: finishing.ended(c, run_ids))

    def begin_settling(self, run_ids: Collection[str]) -> None:
        """Remember, before their ends are written, that these runs are being settled; idempotent."""
        in_transaction(self._engine, lambda c: settling.begin(c, run_ids))

    def settling(self, limit: int) -> list[str]:
        """Runs whose settling was begun and not yet done, oldest first, at most `limit`."""
        return in_transaction(self._engine, lambda c: settling.begun(c, limit))

    def settled(self, run_ids: Collection[str]) -> None:
        """Forget these runs: their ends are written, and their outcomes published."""
        in_transaction(self._engine, lambda c: settling.done(c, run_ids))

    def watermark(self, name: str) -> datetime | None:
        """How far the named sweep has come; None before its first."""
        return in_transaction(self._engine, lambda c: reconciling.watermark(c, name))

    def set_watermark(self, name: str, value: datetime) -> None:
        """Remember how far the named sweep has come."""
        in_transaction(self._engine, lambda c: reconciling.set_watermark(c, name, value))

    def try_lead(self, name: str) -> AbstractContextManager[reconciling.Lead | None]:
        """Leadership of `name` for a `with` block; None when another process has it."""
        return reconciling.try_lead(self._engine, name)

    # --- task queues ----------------------------------------------------------------------------------------------

    def open_queues(self, scheduled_before: datetime) -> list[task_queues.OpenQueue]:
        """Task queues with tasks that were scheduled before then and are still open."""
        return in_transaction(self._engine, lambda c: task_queues.open_queues(c, scheduled_before))

    def mark_queues(self, checks: Sequence[task_queues.QueueCheck]) -> list[task_queues.QueueState]:
        """Store which queues are polled; tasks on those that are not are shown as `waiting_for_worker`.

        `checks` are about all queues with open tasks, or those left out no longer count as waiting.
        """
        return in_transaction(self._engine, lambda c: task_queues.mark_queues(c, checks))

    # --- for people -----------------------------------------------------------------------------------------------

    def list_runs(
        self,
        *,
        definition: str | None = None,
        state: RunState | None = None,
        run_id: str | None = None,
        limit: int = 50,
    ) -> list[listing.RunRow]:
        """The newest runs that fit every filter given; secrets of their contexts are masked."""

        def read(connection: Connection) -> list[listing.RunRow]:
            rows = listing.list_runs(connection, definition=definition, state=state, run_id=run_id, limit=limit)
            return masked_runs(connection, rows)

        return in_transaction(self._engine, read)

    def past_runs(self, selection: past_runs.RunSelection) -> list[past_runs.PastRun]:
        """The runs of a selection, those that started first first."""
        return in_transaction(self._engine, lambda c: past_runs.past_runs(c, selection))

    def list_tasks(
        self,
        *,
        definition: str | None = None,
        state: listing.ShownTaskState | None = None,
        run_id: str | None = None,
        limit: int = 50,
        with_data: bool = False,
    ) -> list[listing.TaskRow]:
        """The tasks of the newest runs that fit every filter given, in the order of their plan.

        `with_data` reads their params and results too, which may be large. Secrets of the runs' contexts are masked.
        """

        def read(connection: Connection) -> list[listing.TaskRow]:
            rows = listing.list_tasks(
                connection, definition=definition, state=state, run_id=run_id, limit=limit, with_data=with_data
            )
            return masked_tasks(connection, rows)

        return in_transaction(self._engine, read)

    # --- bisecting ------------------------------------------------------------------------------------------------

    def _plan(
        self,
        candidates: Sequence[Candidate],
        render: Callable[[RunInput], Rendering],
    ) -> list[PlannedRun]:
        """Plan all; when something is refused, halve until the run that has it stands alone, and store it as failed."""
        if not candidates:
            return []
        try:
            return in_transaction(self._engine, lambda c: planning.plan(c, candidates, render, self._page))
        except Refused as refused:
            if len(candidates) > 1:
                middle = len(candidates) // 2
                return [*self._plan(candidates[:middle], render), *self._plan(candidates[middle:], render)]
            error = _plan_refused(refused)
            return in_transaction(self._engine, lambda c: planning.plan(c, candidates, lambda _: error, self._page))

    def _finish_apart(self, ends: Sequence[TaskEnd], run_ends: Sequence[RunEnd]) -> Finished:
        """Halve the tasks' ends, then the runs'; a run ends after its tasks."""
        if len(ends) > 1:
            middle = len(ends) // 2
            parts = [(ends[:middle], []), (ends[middle:], []), ([], run_ends)]
        elif ends:
            parts = [(ends, []), ([], run_ends)]
        else:
            middle = len(run_ends) // 2
            parts = [([], run_ends[:middle]), ([], run_ends[middle:])]
        result = Finished()
        for part_ends, part_run_ends in parts:
            result = result.merge(self.finish(part_ends, part_run_ends))
        return result


def _rendering(plan: Plan) -> RenderedRun | AwaitsContext:
    return plan if isinstance(plan, RenderedRun | AwaitsContext) else RenderedRun(plan)


def _or_failure(render: Callable[[], _T]) -> _T | Failure:
    try:
        return render()
    except RenderFailed as failed:
        # A message may quote the event, lone surrogates included, which no outcome could carry.
        return Failure(type=failed.code, message=str(failed).encode("utf-8", "backslashreplace").decode())


def _plan_refused(refused: Refused) -> Failure:
    return Failure(type="plan_refused", message=f"a task or context value can't be stored: {refused.reason}")
