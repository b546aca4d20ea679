"""`taskfactory diff`: what files would change, or what two versions of a definition differ in."""

from typing import Annotated, Final

import typer

from taskfactory.cli.api_client import admin_api, path_of
from taskfactory.cli.apply import Prune, planned, show_plan
from taskfactory.cli.documents import read_texts
from taskfactory.cli.errors import BadInput
from taskfactory.cli.exit_status import ExitStatus
from taskfactory.cli.names import definition_names
from taskfactory.cli.output import Output, OutputOption, Table, show
from taskfactory.cli.plan import change_line
from taskfactory.cli.standing import known_definition

HOW: Final = "say what to compare: -f FILE for files with what is registered, or a NAME for two of its versions"


def diff(  # noqa: PLR0913, PLR0917 -- one parameter per option
    name: Annotated[
        str | None, typer.Argument(help="A definition, to compare its versions.", autocompletion=definition_names)
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", help="Files, folders or -, as `apply` takes them; repeatable."),
    ] = None,
    prune: Prune = False,  # noqa: FBT002 -- an option
    shadow: Annotated[bool, typer.Option("--shadow", help="As `apply --shadow` would.")] = False,  # noqa: FBT002 -- an option
    from_version: Annotated[
        int | None, typer.Option("--from-version", min=1, help="Default: the one before the other.")
    ] = None,
    to_version: Annotated[
        int | None, typer.Option("--to-version", min=1, help="Default: the shadow version, or else the active one.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what files would change, or what two versions of a definition differ in.

    Nothing is changed. Exit status: 0 there is no difference, 3 there is one.
    """
    if (name is None) == (not file):
        raise BadInput([HOW])
    different = (
        _files(file or [], output, shadow=shadow, prune=prune)
        if name is None
        else _versions(name, from_version, to_version, output)
    )
    if different:
        raise typer.Exit(ExitStatus.DIFFERENT)


def _files(file: list[str], output: Output, *, shadow: bool, prune: bool) -> bool:
    texts = read_texts(file)
    with admin_api() as api:
        plan = planned(api, texts, shadow=shadow, prune=prune)
    if output is not Output.TABLE:
        show_plan(plan, output)
    else:
        for line in plan.differences():
            typer.echo(line)
    return bool(plan.changing)


def _versions(name: str, older: int | None, newer: int | None, output: Output) -> bool:
    with admin_api() as api:
        known_definition(api, name)
        found = api.get(path_of("definitions", name, "diff"), **{"from": older, "to": newer})
    if output is not Output.TABLE:
        show(output, Table((), ()), found)
    else:
        start = "nothing" if found["from"] is None else f"version {found['from']}"
        typer.echo(f"{name}: {start} → version {found['to']}")
        for change in found["changes"]:
            typer.echo(f"    {change_line(change)}")
        if not found["changes"]:
            typer.echo("    they say the same")
    return bool(found["changes"])
