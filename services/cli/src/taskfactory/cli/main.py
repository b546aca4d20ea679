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
from taskfactory.cli.exit_status import MEANINGS
from taskfactory.cli.plugins import COMMANDS, SERVICES, Plugin, plugins, resolve

OWN_COMMANDS: Final = {
    "run": ("taskfactory.cli.run:run", "Run every installed service in one process, for small installations."),
    "migrate": ("taskfactory.cli.migrate:migrate", "Prepare the database, Temporal's namespace and the topics."),
    "validate": ("taskfactory.cli.validate:validate", "Check files as `apply` does, without any server."),
    "diff": (
        "taskfactory.cli.diff:diff",
        "Show what files would change, or what two versions of a definition differ in.",
    ),
    "apply": (
        "taskfactory.cli.apply:apply",
        "Register activity definitions and topic mappings from files: all of them, or none.",
    ),
    "get": ("taskfactory.cli.get:get", "Show definitions, versions, mappings, runs, tasks or schedules."),
    "describe": (
        "taskfactory.cli.describe:describe",
        "Show everything about one definition, run, task or schedule.",
    ),
    "delete": ("taskfactory.cli.delete:delete", "Delete definitions or topic mappings."),
    "enable": (
        "taskfactory.cli.lifecycle:enable",
        "Let disabled definitions take events again, as a new version of each.",
    ),
    "disable": (
        "taskfactory.cli.lifecycle:disable",
        "Let definitions take no event any more, as a new version of each.",
    ),
    "pause": ("taskfactory.cli.lifecycle:pause", "Let definitions match without starting anything."),
    "resume": (
        "taskfactory.cli.lifecycle:resume",
        "Let paused definitions start runs again, from the next record on.",
    ),
    "rollback": (
        "taskfactory.cli.lifecycle:rollback",
        "Bring a definition's earlier version back, as a new version.",
    ),
    "promote": ("taskfactory.cli.lifecycle:promote", "Make a definition's shadow version the one in force."),
    "drop-shadow": (
        "taskfactory.cli.lifecycle:drop_shadow",
        "End a definition's shadow version; the active one stays as it is.",
    ),
    "runs": ("taskfactory.cli.runs:app", "List, show, cancel and rerun runs, and follow them."),
    "tasks": ("taskfactory.cli.tasks:app", "List and show tasks."),
    "schedules": (
        "taskfactory.cli.schedules:app",
        "List schedules, hold them, fire them and fill in what they missed.",
    ),
    "explain": ("taskfactory.cli.explain:explain", "Say for every definition what it makes of an event, and why."),
    "audit": (
        "taskfactory.cli.audit:app",
        "Prove that every record, or every tick of schedules, is accounted for; or show who did what.",
    ),
    "backtest": (
        "taskfactory.cli.backtest:backtest",
        "Try definitions on a topic's history, without starting or writing anything.",
    ),
    "replay": ("taskfactory.cli.replay:replay", "Start what a definition missed in a topic's history."),
    "dlq": ("taskfactory.cli.dlq:app", "List, show, redrive and discard dead letters."),
    "dedupe": ("taskfactory.cli.dedupe:app", "Show dedupe keys, and let one fire again."),
    "events": ("taskfactory.cli.events:app", "Produce events."),
    "outcomes": ("taskfactory.cli.outcomes:app", "Read outcomes."),
    "keys": ("taskfactory.cli.keys:app", "Make, list and revoke API keys."),
    "config": ("taskfactory.cli.config:config", "Show the settings in force, and where each comes from."),
    "completion": (
        "taskfactory.cli.completion:completion",
        "Print what makes a shell complete commands, options and names.",
    ),
}
"""Name → where the command is, and its line in the help: the first line of its docstring."""


EPILOG: Final = "Exit status: " + "; ".join(f"{status.value} {meaning}" for status, meaning in MEANINGS.items()) + "."
"""Below the help of the whole."""
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
            messages, status = error.messages, int(error.exit_status)
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
    epilog=EPILOG,
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
    """Run the command line and end the process with one of `ExitStatus`."""
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
