"""`taskfactory get`: lists of what there is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from taskfactory.cli.api_client import Api, admin_api, path_of
from taskfactory.cli.errors import BadInput, NotFound, OperationFailed
from taskfactory.cli.names import definition_names
from taskfactory.cli.options import Limit, OnlyDefinition, Since, Until, moments
from taskfactory.cli.output import Output, OutputOption, Table, show
from taskfactory.cli.run_lists import RunFilter, find_runs, find_tasks, tell_if_none
from taskfactory.cli.schedule_tables import schedules_table
from taskfactory.cli.standing import known_definition
from taskfactory.cli.tables import definitions_table, mappings_table, runs_table, tasks_table, versions_table


class Kind(StrEnum):
    """What to show."""

    DEFINITIONS = "definitions"
    VERSIONS = "versions"
    MAPPINGS = "mappings"
    RUNS = "runs"
    TASKS = "tasks"
    SCHEDULES = "schedules"


@dataclass(frozen=True)
class Asked:
    """What the options say."""

    name: str | None
    filter: RunFilter
    state: str | None
    limit: int
    with_data: bool
    """For programs, which get what tables leave out."""


def get(  # noqa: PLR0913 -- one parameter per option
    kind: Annotated[Kind, typer.Argument(help="What to show.")],
    name: Annotated[
        str | None,
        typer.Argument(help="A definition's name, a mapping's topic, or a run's id.", autocompletion=definition_names),
    ] = None,
    *,
    definition: OnlyDefinition = None,
    state: Annotated[str | None, typer.Option("--state", help="Only what is in this state.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="The run, or the tasks of the run, with this id.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show definitions, versions, mappings, runs, tasks or schedules.

    A failed run or task is shown with its reason; a task whose queue no worker polls as waiting_for_worker. As JSON or
    YAML a definition that is named has its document, and the tasks of one run have params and results. `taskfactory
    runs list` has more filters.
    """
    begin, end = moments(since, until)
    asked = Asked(
        name=name,
        filter=RunFilter(
            definition=definition,
            state=state,
            run=run or (name if kind in {Kind.RUNS, Kind.TASKS} else None),
            since=begin,
            until=end,
        ),
        state=state,
        limit=limit,
        with_data=output is not Output.TABLE,
    )
    if name is None and kind is Kind.VERSIONS:
        raise BadInput(["say whose: taskfactory get versions NAME"])
    with admin_api() as api:
        table, values = _FOUND[kind](api, asked)
    show(output, table, values)
    if not values:
        _tell_that_there_is_none(kind, asked)


def _definitions(api: Api, asked: Asked) -> tuple[Table, Sequence[Any]]:
    name = asked.name or asked.filter.definition
    if name is not None:
        rows = [known_definition(api, name).value]
    else:
        rows = list(api.pages(path_of("definitions"), None, state=asked.state))
    return definitions_table(rows), rows


def _versions(api: Api, asked: Asked) -> tuple[Table, Sequence[Any]]:
    name = asked.name or ""
    known_definition(api, name)
    rows = list(api.pages(path_of("definitions", name, "versions"), asked.limit))
    return versions_table(rows), rows


def _mappings(api: Api, asked: Asked) -> tuple[Table, Sequence[Any]]:
    if asked.name is None:
        rows: list[Mapping[str, Any]] = list(api.pages(path_of("mappings"), None))
        return mappings_table(rows), rows
    try:
        rows = [api.get(path_of("mappings", asked.name))]
    except NotFound:
        raise OperationFailed(
            f"Topic {asked.name!r} has no mapping.", "`taskfactory get mappings` lists all."
        ) from None
    return mappings_table(rows), rows


def _runs(api: Api, asked: Asked) -> tuple[Table, Sequence[Any]]:
    rows = find_runs(api, asked.filter, asked.limit)
    return runs_table(rows), rows


def _tasks(api: Api, asked: Asked) -> tuple[Table, Sequence[Any]]:
    rows = find_tasks(api, asked.filter, asked.limit, with_data=asked.with_data)
    return tasks_table(rows), rows


def _schedules(api: Api, asked: Asked) -> tuple[Table, Sequence[Any]]:
    if asked.name is not None:
        rows = [api.get(path_of("schedules", asked.name))["schedule"]]
    else:
        rows = list(api.pages(path_of("schedules"), None, state=asked.state))
    return schedules_table(rows), rows


_FOUND: Final[Mapping[Kind, Callable[[Api, Asked], tuple[Table, Sequence[Any]]]]] = {
    Kind.DEFINITIONS: _definitions,
    Kind.VERSIONS: _versions,
    Kind.MAPPINGS: _mappings,
    Kind.RUNS: _runs,
    Kind.TASKS: _tasks,
    Kind.SCHEDULES: _schedules,
}


def _tell_that_there_is_none(kind: Kind, asked: Asked) -> None:
    match kind:
        case Kind.DEFINITIONS if asked.state is None:
            typer.echo("No definitions yet: `taskfactory apply -f FILE` registers them.", err=True)
        case Kind.MAPPINGS:
            typer.echo("No topic has a mapping: records are read as event envelopes.", err=True)
        case Kind.SCHEDULES if asked.state is None:
            typer.echo("No schedules: definitions with a cron trigger have one.", err=True)
        case Kind.RUNS | Kind.TASKS:
            tell_if_none(asked.filter, kind.value)
        case _:
            typer.echo("None fits these options.", err=True)
