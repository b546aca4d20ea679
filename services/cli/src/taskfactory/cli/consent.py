"""Asking before much is done."""

import sys
from typing import Final

import typer

from taskfactory.cli.errors import BadInput, CommandFailed

FEW: Final = 10
"""More than so many at once want a yes."""


def require_consent(what: str, count: int, *, given: bool) -> None:
    """Let a command that does much begin only if somebody wants it to.

    Args:
        what: would be done, with the number, as the beginning of a sentence.
        count: of letters, runs or records.
        given: `--yes`, or a dry run.

    Raises:
        BadInput: nobody is there to ask.
        CommandFailed: the one who was asked said no.
    """
    if given or count <= FEW:
        return
    if not sys.stdin.isatty():
        raise BadInput([f"{what}; add --yes to do it, or --dry-run to see what would come of it"])
    if not typer.confirm(f"{what}. Go on?", err=True):
        raise CommandFailed(["Nothing was done."])
