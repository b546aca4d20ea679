"""`taskfactory audit schedules`: every tick that was to be expected, accounted for."""

from typing import Annotated, Any, Final

import typer

from taskfactory.cli.api_client import admin_api, path_of
from taskfactory.cli.exit_status import ExitStatus
from taskfactory.cli.names import definition_names
from taskfactory.cli.options import Since, Until, moments
from taskfactory.cli.output import Output, OutputOption, Table, counted, show
from taskfactory.cli.schedule_tables import alarms_table, books_table

SHOWN: Final = 20


def schedules(
    definition: Annotated[
        list[str] | None,
        typer.Option("--definition", "-D", help="Only this one; repeatable.", autocompletion=definition_names),
    ] = None,
    since: Since = "1d",
    until: Until = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Show every alarm.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Prove that every tick of schedules is accounted for: a run, a recorded skip, or an alarm.

    What was expected follows from the versions and states that were in force then. Nothing is changed. Exit status: 0
    the books balance, 1 there is an alarm.
    """
    begin, end = moments(since, until)
    with admin_api() as api:
        report = api.get(path_of("schedule-audit"), definition=definition, **{"from": begin, "to": end})
    if output is not Output.TABLE:
        show(output, Table((), ()), report)
    else:
        _tell(report, everything=everything)
    if report["alarms"]:
        raise typer.Exit(ExitStatus.FAILED)


def _tell(report: dict[str, Any], *, everything: bool) -> None:
    books = report["definitions"]
    if books:
        show(Output.TABLE, books_table(books), None)
        typer.echo("")
    found = report["discrepancies"]
    if found:
        shown = found if everything else found[:SHOWN]
        show(Output.TABLE, alarms_table(shown), None)
        if more := len(found) - len(shown):
            typer.echo(f"… and {more} more; --all shows them too")
        typer.echo("")
    ticks = counted(sum(row["expected"] for row in books), "tick")
    between = f"from {report['from']} to {report['to']}"
    if report["alarms"]:
        typer.echo(f"DOES NOT ADD UP: {counted(report['alarms'], 'alarm')} in {ticks} {between}")
    else:
        typer.echo(f"BALANCED: {ticks} {between}, all accounted for")
