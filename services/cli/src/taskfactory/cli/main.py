"""The `taskfactory` command.

A command's module is imported when that command is called, so that `--help` and completion stay quick. The commands
are the table below, whatever installed packages register as `taskfactory.commands`, and one per service registered as
`taskfactory.services`: the CLI itself imports no service.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from taskfactory.cli.errors import CommandFailed
from taskfactory.cli.plugins import COMMANDS, SERVICES, Plugin, plugins, resolve

OWN_COMMANDS: Final = {
    "run": ("taskfactory.cli.run:run", "Run every installed service in one process, for small installations."),
    "migrate": ("taskfactory.cli.migrate:migrate", "Prepare the database, Temporal's namespace and the topics."),
    "apply": (
        "taskfactory.cli.apply:apply",
        "Register activity definitions and topic mappings from files: all of them, or none.",
    ),
    "pause": ("taskfactory.cli.pausing:pause", "Let definitions match without starting anything."),
    "resume": (
        "taskfactory.cli.pausing:resume",
        "Let paused definitions start runs again, from the next record on.",
    ),
    "dlq": ("taskfactory.cli.dlq:app", "List, show, redrive and discard dead letters."),
    "replay": ("taskfactory.cli.replay:replay", "Start what a definition missed in a topic's history."),
    "delete": ("taskfactory.cli.delete:delete", "Remove topic mappings."),
    "get": ("taskfactory.cli.get:get", "Show definitions, mappings, runs or tasks."),
    "explain": ("taskfactory.cli.explain:explain", "Say for every definition what it makes of an event, and why."),
    "audit": ("taskfactory.cli.audit:audit", "Read a topic again and prove that every record is accounted for."),
    "backtest": (
        "taskfactory.cli.backtest:backtest",
        "Try definitions on a topic's history, without starting or writing anything.",
    ),
    "dedupe": ("taskfactory.cli.dedupe:app", "Show dedupe keys, and let one fire again."),
    "runs": ("taskfactory.cli.runs:app", "Run failed runs again."),
    "events": ("taskfactory.cli.events:app", "Produce events."),
    "outcomes": ("taskfactory.cli.outcomes:app", "Read outcomes."),
    "config": ("taskfactory.cli.config:config", "Show the settings in force, and where each comes from."),
}
"""Name → where the command is, and its line in the help: the first line of its docstring."""


UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG})
"""How a file that standard output was sent to refuses; a pipe that nobody reads is Typer's to handle."""


class LazyCommand(TyperCommand):
    """A name and a line of help; the real command is loaded once it is called."""

    def __init__(self, name: str, summary: str, load: Callable[[], Any]) -> None:
        super().__init__(name, help=summary)
        self._load = load

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The real command's context, which names the real command."""
        return _as_command(self._load(), self.name or "").make_context(info_name, args, parent, **extra)


class RootGroup(TyperGroup):
    """The commands that are there, and the one place where errors become sentences and a status."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        for command in _commands():
            self.add_command(command)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; operational problems and bad input are told on standard error.

        Raises:
            typer.Exit: with status 1 or 2 when the command failed, with 130 when somebody interrupted it.
        """
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")  # Typer's own word, which says nothing
            raise
        except CommandFailed as error:
            messages, status = error.messages, error.exit_status
        except OSError as error:
            if error.errno not in UNWRITABLE:
                raise
            messages, status = (f"The output could not be written: {error.strerror}.",), 1
        except KeyboardInterrupt:
            messages, status = ("Interrupted.",), 130
        except ValueError as error:
            from taskfactory.cli.variables import settings_problems  # noqa: PLC0415 -- loads Pydantic and the Temporal SDK

            messages, status = tuple(settings_problems(error)), 2
            if not messages:
                raise
        for message in messages:
            typer.echo(message, err=True)
        raise typer.Exit(status)


def _commands() -> Iterator[LazyCommand]:
    for name, (target, summary) in OWN_COMMANDS.items():
        yield LazyCommand(name, summary, partial(resolve, target))
    for plugin in plugins(SERVICES):
        yield LazyCommand(plugin.name, plugin.summary, partial(_service_command, plugin))
    for plugin in plugins(COMMANDS):
        yield LazyCommand(plugin.name, plugin.summary, plugin.load)


def _service_command(plugin: Plugin) -> Callable[[], None]:
    from taskfactory.cli.run import run_services  # noqa: PLC0415 -- loads the Temporal SDK

    def command() -> None:
        run_services([plugin])

    command.__doc__ = f"{plugin.summary}\n\nRuns until SIGTERM or SIGINT, then drains and ends."
    return command


def _as_command(target: Any, name: str) -> Any:
    if isinstance(target, typer.Typer):
        group = typer.main.get_command(target)
        group.name = name
        return _readable(group)
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(name)(target)
    return _readable(typer.main.get_command(single))


def _readable(command: Any) -> Any:
    """Docstrings are wrapped for editors; help is wrapped for the terminal that it is read on."""
    for each in (command, *getattr(command, "commands", {}).values()):
        if each.help:
            each.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in each.help.split("\n\n"))
    return command


app = typer.Typer(
    cls=RootGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 -- the shape of a Typer callback
    if wanted:
        typer.echo(f"taskfactory {metadata.version('taskfactory-cli')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Event-driven task factory: events in, durable tasks, outcomes out."""


def main() -> None:
    """Run the command line and end the process: 0 done, 1 something outside failed, 2 bad input."""
    status: str | int | None = 0
    try:
        app(prog_name="taskfactory")
    except SystemExit as end:
        status = end.code
    _end_process(status if isinstance(status, int) else 0 if status is None else 1)


def _end_process(status: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            status = status or 1
    # Not sys.exit: native threads of the Temporal SDK were seen to abort the interpreter while it is torn down, which
    # would turn a command that succeeded into one that failed. Every command closes what it opened.
    os._exit(status)
