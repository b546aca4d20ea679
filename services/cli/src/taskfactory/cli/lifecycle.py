"""The verbs of a definition's life: enable, disable, pause, resume, rollback, promote, drop-shadow.

Each reads how the definition stands, and changes it only if it still stands so: two people at the same time get one
change and one conflict.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from taskfactory.cli.api_client import Api, admin_api, path_of
from taskfactory.cli.options import Because, DefinitionArgument, DefinitionsArgument
from taskfactory.cli.output import Output, OutputOption
from taskfactory.cli.standing import changeable_definition, standing_line
from taskfactory.cli.telling import show_value, telling


def enable(names: DefinitionsArgument, because: Because = None, output: OutputOption = Output.TABLE) -> None:
    """Let disabled definitions take events again, as a new version of each."""
    _each(names, "enable", because, "enabled", "was enabled already", output=output)


def disable(names: DefinitionsArgument, because: Because = None, output: OutputOption = Output.TABLE) -> None:
    """Let definitions take no event any more, as a new version of each.

    Takes effect within a second; runs under way go on. A paused definition still records what matches it: see `pause`.
    """
    _each(names, "disable", because, "disabled", "was disabled already", output=output)


def pause(names: DefinitionsArgument, because: Because = None, output: OutputOption = Output.TABLE) -> None:
    """Let definitions match without starting anything.

    Takes effect within a second; runs under way go on. What arrives meanwhile can be started with `taskfactory replay`;
    ticks of a schedule are recorded as skipped.
    """
    _each(names, "pause", because, "paused", "was paused already", output=output)


def resume(names: DefinitionsArgument, because: Because = None, output: OutputOption = Output.TABLE) -> None:
    """Let paused definitions start runs again, from the next record on."""
    _each(names, "resume", because, "resumed", "was not paused", output=output)


def rollback(
    name: DefinitionArgument,
    to: Annotated[int, typer.Option("--to", min=1, help="The version whose document is to be in force again.")],
    because: Because = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Bring a definition's earlier version back, as a new version.

    `taskfactory get versions NAME` lists them, `taskfactory diff NAME --from-version N` says what that one differs in.
    """
    _one(name, "rollback", {"reason": because, "to_version": to}, f"rolled back to what version {to} said", output)


def promote(name: DefinitionArgument, because: Because = None, output: OutputOption = Output.TABLE) -> None:
    """Make a definition's shadow version the one in force.

    `taskfactory describe definition NAME` says what the shadow version would have done beside the active one.
    """
    _one(name, "promote", {"reason": because}, "promoted", output)


def drop_shadow(name: DefinitionArgument, because: Because = None, output: OutputOption = Output.TABLE) -> None:
    """End a definition's shadow version; the active one stays as it is."""
    _one(name, "drop-shadow", {"reason": because}, "shadow version dropped", output)


def _each(  # noqa: PLR0913 -- the words for what happens
    names: Sequence[str], verb: str, because: str | None, done: str, was: str, *, output: Output
) -> None:
    with telling(output) as tell, admin_api() as api:
        # All are looked up first: a name that is wrong is told before anything is done.
        found = {name: changeable_definition(api, name) for name in dict.fromkeys(names)}
        for name, before in found.items():
            after = _change(api, name, verb, {"reason": because}, before.etag)
            changed = after["state"] != before.value["state"] or after["etag"] != before.value["etag"]
            tell(f"{done} {name}" if changed else f"{name} {was}", after)


def _one(name: str, verb: str, body: Mapping[str, Any], done: str, output: Output) -> None:
    with admin_api() as api:
        before = changeable_definition(api, name)
        after = _change(api, name, verb, body, before.etag)
    if output is Output.TABLE:
        typer.echo(f"{done}; {standing_line(after)}")
    else:
        show_value(output, after)


def _change(api: Api, name: str, verb: str, body: Mapping[str, Any], etag: str | None) -> Mapping[str, Any]:
    after: Mapping[str, Any] = api.post(path_of("definitions", name, verb), body, etag=etag).value
    return after
