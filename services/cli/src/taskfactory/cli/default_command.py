"""A group of commands of which one needs not be named."""

from typing import Any, Final

from typer.core import TyperGroup

HELP: Final = frozenset({"--help", "-h"})


class DefaultCommandGroup(TyperGroup):
    """Runs its first command when the arguments begin with an option: `audit -t x` is `audit records -t x`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Name the first command where none is named."""
        if args and args[0].startswith("-") and args[0] not in HELP:
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)
