"""How a command ends when it cannot do what it was asked: with sentences and a status, without a traceback."""

from collections.abc import Sequence

from taskfactory.cli.exit_status import ExitStatus


class CommandFailed(Exception):  # noqa: N818 -- it says what happened
    """Ends the command with `exit_status`; every message is one line for people."""

    exit_status: ExitStatus = ExitStatus.FAILED

    def __init__(self, messages: Sequence[str]) -> None:
        self.messages = tuple(messages)
        super().__init__("\n".join(self.messages))


class OperationFailed(CommandFailed):
    """Something outside did not work: a server is away, a table is missing. Worth another try once that is mended."""

    def __init__(self, what: str, hint: str | None = None) -> None:
        super().__init__([what if hint is None else f"{what} {hint}"])


class NotFound(OperationFailed):
    """What was named is not there."""


class BadInput(CommandFailed):
    """What the user gave is wrong: a file, an option, a variable. Nothing was done."""

    exit_status = ExitStatus.BAD_INPUT


class Conflict(CommandFailed):
    """Somebody else was quicker: what the command was based on is not so any more. Nothing was done."""

    exit_status = ExitStatus.CONFLICT


class Interrupted(CommandFailed):
    """Ctrl-C: what was done stays done."""

    exit_status = ExitStatus.INTERRUPTED
