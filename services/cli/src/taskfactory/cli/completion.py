"""`taskfactory completion`: what makes a shell complete commands, options and names."""

from enum import StrEnum
from typing import Annotated, Final

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]  # imported there for this use

VARIABLE: Final = "_TASKFACTORY_COMPLETE"
"""How the shell asks the command; the name that `--install-completion` uses too."""


class Shell(StrEnum):
    """The shells that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="Yours.")]) -> None:
    """Print what makes a shell complete commands, options and names.

    For the present shell: `source <(taskfactory completion bash)`. For good: `taskfactory --install-completion`. Names
    of definitions are asked of the API at TASKFACTORY_API_URL, where that answers within a second.
    """
    typer.echo(get_completion_script(prog_name="taskfactory", complete_var=VARIABLE, shell=str(shell)))
