"""`taskfactory pause` and `taskfactory resume`: hold a definition's starts back without losing what matches it."""

import getpass
from typing import Annotated

import typer

from taskfactory.cli.database import registry
from taskfactory.cli.named import unknown_definition
from taskfactory.cli.options import Because
from taskfactory.cli.settings import CliSettings
from taskfactory.registry import DefinitionStore, UnknownNames

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Definitions.")]


def pause(names: Names, because: Because = None) -> None:
    """Let definitions match without starting anything.

    Takes effect within a second; runs under way go on. What arrives meanwhile can be started with `taskfactory replay`.
    """
    _set(names, because, paused=True)


def resume(names: Names, because: Because = None) -> None:
    """Let paused definitions start runs again, from the next record on."""
    _set(names, because, paused=False)


def _set(names: list[str], because: str | None, *, paused: bool) -> None:
    with registry(CliSettings()) as engine:
        store = DefinitionStore(engine)
        try:
            changed = (store.pause if paused else store.resume)(names, getpass.getuser(), because)
        except UnknownNames as error:
            raise unknown_definition(error.names[0], (row.name for row in store.list())) from error
    for name in dict.fromkeys(names):
        if name in changed:
            typer.echo(f"{'paused' if paused else 'resumed'} {name}")
        else:
            typer.echo(f"{name} {'was paused already' if paused else 'was not paused'}")
