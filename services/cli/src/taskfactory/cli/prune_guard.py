"""What `apply --prune` may delete without a word: few, and only a part of what there is.

A wrong folder, an empty branch or a half-rendered template looks like many deletions. Nobody means those by accident
twice: on a terminal they are asked for, elsewhere they are named in an option.
"""

import sys
from typing import Final

import typer

from taskfactory.cli.errors import BadInput, CommandFailed
from taskfactory.cli.output import counted
from taskfactory.cli.plan import Plan

MOST: Final = 10
PART: Final = 5
"""And no more than one in so many of those that are registered, but always one."""


def allowed_deletions(registered: int) -> int:
    """How many deletions need no consent."""
    return max(1, min(MOST, registered // PART))


def require_prunable(plan: Plan, *, limit: int | None, yes: bool) -> None:
    """Let a plan's deletions through, if somebody wants them.

    Args:
        plan: what would be done.
        limit: `--prune-max`; None where it was not given.
        yes: `--yes`.

    Raises:
        BadInput: there are more than `limit`, or than need no consent, and nobody is there to ask.
        CommandFailed: the one who was asked said no.
    """
    count = len(plan.deletions)
    if yes and limit is None:
        return
    most = allowed_deletions(plan.registered) if limit is None else limit
    if count <= most:
        return
    what = f"--prune would delete {counted(count, 'document')} of {plan.registered:,}"
    if limit is not None:
        raise BadInput([f"{what}; allowed are {limit:,} by --prune-max. Nothing was done"])
    if not sys.stdin.isatty():
        raise BadInput(
            [f"{what}; {most:,} at once need no consent. Add --prune-max {count} or --yes to do it. Nothing was done"]
        )
    if not typer.confirm(f"{what}. Go on?", err=True):
        raise CommandFailed(["Nothing was done."])
