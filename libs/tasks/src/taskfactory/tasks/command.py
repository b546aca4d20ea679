"""`taskfactory worker`: the command line around `taskfactory.tasks.worker`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from taskfactory.runtime.service import serve
from taskfactory.tasks.discovery import HandlerSet, load_handlers
from taskfactory.tasks.errors import HandlersUnusable
from taskfactory.tasks.worker import TaskWorker, WorkerSettings

BAD_INPUT = 2


def worker(
    module: Annotated[
        list[str], typer.Option("--module", "-m", help="Module with handlers, as Python imports it; repeatable.")
    ],
    queue: Annotated[str, typer.Option("--queue", "-q", help="Task queue that the task templates name.")],
    max_concurrent: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="Tasks at once; default: TASKFACTORY_WORKER_MAX_CONCURRENT."),
    ] = None,
) -> None:
    """Serve task handlers on a task queue until SIGTERM."""
    # As `python -m` and uvicorn do it: handlers next to the working directory need no installation.
    sys.path.insert(0, str(Path.cwd()))
    settings = WorkerSettings()
    if max_concurrent is not None:
        settings = settings.model_copy(update={"worker_max_concurrent": max_concurrent})
    try:
        handlers = load_handlers(module)
    except HandlersUnusable as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        raise typer.Exit(BAD_INPUT) from None
    serve([TaskWorker(settings, handlers, queue, lambda: typer.echo(described(handlers, queue, settings)))])


def described(handlers: HandlerSet, queue: str, settings: WorkerSettings) -> str:
    """What the worker serves, for the person who started it."""
    width = max(len(item.name) for item in handlers.served)
    return "\n".join(
        [
            f"Serving queue {queue!r} in namespace {settings.temporal_namespace!r} at {settings.temporal_address}:",
            *(f"  {item.kind:<8}  {item.name:<{width}}  {item.place}" for item in handlers.served),
        ]
    )
