"""Runs and tasks as the API lists them, for `get`, `runs list` and `tasks list`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import typer

from taskfactory.cli.api_client import Api, path_of
from taskfactory.cli.errors import NotFound
from taskfactory.cli.standing import require_known


@dataclass(frozen=True)
class RunFilter:
    """What narrows runs or tasks down; None does not."""

    definition: str | None = None
    state: str | None = None
    run: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    event_id: str | None = None
    event_source: str | None = None
    dedupe_key: str | None = None
    kind: str | None = None

    @property
    def of_runs(self) -> dict[str, str | datetime | None]:
        """As parameters of `GET /v1/runs`."""
        return {
            "definition": self.definition,
            "state": self.state,
            "since": self.since,
            "until": self.until,
            "event_id": self.event_id,
            "event_source": self.event_source,
            "dedupe_key": self.dedupe_key,
            "kind": self.kind,
        }


def find_runs(api: Api, wanted: RunFilter, limit: int) -> Sequence[Mapping[str, Any]]:
    """The runs that fit, the newest first.

    Raises:
        NotFound: there is no such run, or no such definition.
    """
    if wanted.run is not None:
        return [_run(api, wanted.run)]
    rows = list(api.pages(path_of("runs"), limit, **wanted.of_runs))
    if not rows:
        require_known(api, wanted.definition)
    return rows


def find_tasks(api: Api, wanted: RunFilter, limit: int, *, with_data: bool) -> Sequence[Mapping[str, Any]]:
    """The tasks that fit, those of the newest runs first.

    Args:
        api: who knows.
        wanted: definition, state and run count.
        limit: tasks at most.
        with_data: one run's tasks with params and results.

    Raises:
        NotFound: there is no such run, or no such definition.
    """
    if wanted.run is not None:
        _run(api, wanted.run)
    rows = list(api.pages(path_of("tasks"), limit, run_id=wanted.run, definition=wanted.definition, state=wanted.state))
    if wanted.run is not None and with_data:
        return [task_of(api, row["task_id"]) for row in rows]
    if not rows:
        require_known(api, wanted.definition)
    return rows


def task_of(api: Api, task_id: str) -> Mapping[str, Any]:
    """A task with params and result. Its id is a path: a run's id, a name, and perhaps a number."""
    task: Mapping[str, Any] = api.get(path_of("tasks", *task_id.split("/")))
    return task


def tell_if_none(wanted: RunFilter, noun: str) -> None:
    """Say beside an empty list why it is empty."""
    if wanted == RunFilter():
        typer.echo(f"No {noun} yet: they begin when an event matches a definition.", err=True)
    else:
        typer.echo(f"No {noun} fit these options.", err=True)


def _run(api: Api, run_id: str) -> Mapping[str, Any]:
    try:
        run: Mapping[str, Any] = api.get(path_of("runs", run_id))
    except NotFound:
        raise NotFound(f"Nothing fits run {run_id!r}.", "`taskfactory get runs` lists the newest runs.") from None
    return run
