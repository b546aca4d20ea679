"""What the installed packages offer the command line, found through entry points and loaded only when needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

COMMANDS: Final = "taskfactory.commands"
"""Name → a function or a `typer.Typer`, mounted under that name."""
SERVICES: Final = "taskfactory.services"
"""Name → a class with the shape of `taskfactory.runtime`'s `Service`, constructed without arguments."""
SETTINGS: Final = "taskfactory.settings"
"""Name → the settings class of something that is not a service, for `taskfactory config`."""


@dataclass(frozen=True)
class Plugin:
    """One entry point."""

    name: str
    summary: str
    """What the package says about itself, in a line: help that costs no import."""
    entry_point: metadata.EntryPoint

    def load(self) -> Any:
        """Import what stands behind it."""
        return self.entry_point.load()


def plugins(group: str) -> Sequence[Plugin]:
    """The entry points of a group, by name."""
    found = sorted(metadata.entry_points(group=group), key=lambda entry_point: entry_point.name)
    return [Plugin(entry.name, entry.dist.metadata["Summary"] if entry.dist else "", entry) for entry in found]


def resolve(target: str) -> Any:
    """Import `module:attribute`."""
    return metadata.EntryPoint(name=target, value=target, group=COMMANDS).load()
