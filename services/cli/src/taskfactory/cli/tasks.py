"""`taskfactory tasks`: the single pieces of work."""

from typing import Annotated

import typer

from taskfactory.cli.api_client import admin_api
from taskfactory.cli.describe import describe_task
from taskfactory.cli.options import Limit, OnlyDefinition
from taskfactory.cli.output import Output, OutputOption, show
from taskfactory.cli.run_lists import RunFilter, find_tasks, tell_if_none
from taskfactory.cli.tables import tasks_table

app = typer.Typer(name="tasks", help="List and show tasks.", no_args_is_help=True, add_completion=False)


@app.callback()
def tasks() -> None:
    """List and show tasks."""


@app.command("list")
def list_tasks(
    *,
    run: Annotated[str | None, typer.Option("--run", help="Only of the run with this id.")] = None,
    definition: OnlyDefinition = None,
    state: Annotated[str | None, typer.Option("--state", help="Only in this state.")] = None,
    limit: Limit = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """List tasks, those of the newest runs first.

    A task whose queue no worker polls is shown as waiting_for_worker.
    """
    wanted = RunFilter(definition=definition, state=state, run=run)
    with admin_api() as api:
        rows = find_tasks(api, wanted, limit, with_data=output is not Output.TABLE)
    show(output, tasks_table(rows), rows)
    if not rows:
        tell_if_none(wanted, "tasks")


@app.command("show")
def show_task(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task's id.")], output: OutputOption = Output.TABLE
) -> None:
    """Show a task with what it was given and what it gave."""
    describe_task(task, output)
