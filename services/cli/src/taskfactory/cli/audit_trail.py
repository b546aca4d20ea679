"""`taskfactory audit trail`: who did what, when and why."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from taskfactory.cli.api_client import admin_api, path_of
from taskfactory.cli.cells import moment, text
from taskfactory.cli.options import Limit, Since, Until, moments
from taskfactory.cli.output import Output, OutputOption, Table, show


def trail(  # noqa: PLR0913 -- one parameter per option
    *,
    actor: Annotated[str | None, typer.Option("--actor", help="Only by this one, such as local:ann.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="Only this, such as pause.")] = None,
    resource: Annotated[str | None, typer.Option("--resource", help="Only with these: definition, run, …")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Only with the thing of this name.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show who did what, when and why, the newest first."""
    begin, end = moments(since, until)
    with admin_api() as api:
        rows = list(
            api.pages(
                path_of("audit-trail"),
                limit,
                actor=actor,
                action=action,
                resource=resource,
                name=name,
                since=begin,
                until=end,
            )
        )
    show(output, trail_table(rows), rows)
    if not rows:
        typer.echo("No line fits these options.", err=True)


def trail_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Lines as people read them.

    What happens in Temporal or Kafka has two lines: one before it is asked for, one with what came of it.
    """
    return Table(
        ("AT", "ACTOR", "ACTION", "RESOURCE", "NAME", "RESULT", "BECAUSE"),
        [
            (
                moment(row["at"]),
                row["actor"],
                row["action"],
                row["resource"],
                text(row["name"]),
                _result(row["detail"].get("result")),
                text(row["reason"]),
            )
            for row in rows
        ],
    )


def _result(told: Any) -> str:
    if isinstance(told, Mapping):  # numbers by what came of each
        return ", ".join(f"{number} {came_to.replace('_', ' ')}" for came_to, number in told.items()) or "-"
    return text(told)
