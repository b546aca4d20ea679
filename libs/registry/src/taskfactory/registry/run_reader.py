"""Runs, tasks and lineages for people who look at them: in pages or one by one, secrets masked. Nothing is written."""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine

from taskfactory.registry import lineage, run_details, run_pages
from taskfactory.registry.listing import RunRow, TaskRow
from taskfactory.registry.masked_rows import masked_runs, masked_tasks
from taskfactory.registry.transactions import in_transaction


class RunReader:
    """Reads runs and tasks. Safe to use from several threads.

    Methods raise `sqlalchemy.exc.DBAPIError` when the database can't be reached, and `Refused` for a text to look for
    that the database can't hold.
    """

    def __init__(self, engine: Engine) -> None:
        """Use `engine`."""
        self._engine = engine

    def runs(self, only: run_pages.RunFilter, *, after: run_pages.RunPlace | None = None, limit: int) -> list[RunRow]:
        """Runs that fit, newest first; go on behind the last one's place."""
        return in_transaction(
            self._engine, lambda c: masked_runs(c, run_pages.runs_page(c, only, after=after, limit=limit))
        )

    def tasks(
        self, only: run_pages.TaskFilter, *, after: run_pages.TaskPlace | None = None, limit: int
    ) -> Sequence[tuple[run_pages.TaskPlace, TaskRow]]:
        """Tasks that fit with their places, those of the newest runs first; go on behind the last one's place."""

        def read(connection: Connection) -> Sequence[tuple[run_pages.TaskPlace, TaskRow]]:
            found = run_pages.tasks_page(connection, only, after=after, limit=limit)
            masked = masked_tasks(connection, [row for _, row in found])
            return [(place, row) for (place, _), row in zip(found, masked, strict=True)]

        return in_transaction(self._engine, read)

    def run(self, run_id: str) -> run_details.RunDetail | None:
        """One run with everything that is known of it; None when it has no row."""

        def read(connection: Connection) -> run_details.RunDetail | None:
            found = run_details.run_detail(connection, run_id)
            return None if found is None else masked_runs(connection, [found])[0]

        return in_transaction(self._engine, read)

    def task(self, task_id: str) -> TaskRow | None:
        """One task with its params and result; None when it has no row."""

        def read(connection: Connection) -> TaskRow | None:
            found = run_details.task_detail(connection, task_id)
            return None if found is None else masked_tasks(connection, [found])[0]

        return in_transaction(self._engine, read)

    def lineage_of_run(
        self,
        run_id: str,
        bounds: lineage.LineageBounds = lineage.LineageBounds(),  # noqa: B008 -- frozen
    ) -> lineage.Lineage | None:
        """What led to a run, and what came of it; None when it has no row."""
        return in_transaction(self._engine, lambda c: lineage.lineage_of_run(c, run_id, bounds))

    def lineage_of_event(
        self,
        source: str,
        event_id: str,
        bounds: lineage.LineageBounds = lineage.LineageBounds(),  # noqa: B008 -- frozen
    ) -> lineage.Lineage:
        """What led to an event, the runs that it started, and what came of them."""
        return in_transaction(self._engine, lambda c: lineage.lineage_of_event(c, source, event_id, bounds))
