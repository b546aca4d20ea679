"""What can go wrong with the local stack. Every message is a sentence that says what to do next."""

from pathlib import Path


class DevError(Exception):
    """Base of all errors that the command shows as one message and exit code 1."""


class ToolMissingError(DevError):
    """A toolchain that a part needs is not installed.

    Attributes:
        tool: What is missing, such as `Java 17 or later`.
        purpose: What needs it.
        install: How to get it.
    """

    def __init__(self, tool: str, purpose: str, install: str) -> None:
        self.tool, self.purpose, self.install = tool, purpose, install
        super().__init__(f"{purpose} needs {tool}, which was not found: {install}, or start a Docker engine.")


class BuildError(DevError):
    """A tool that installs or prepares a part failed.

    Attributes:
        what: What was being made.
        command: The command line.
        output: The end of what it printed.
    """

    def __init__(self, what: str, command: str, output: str) -> None:
        self.what, self.command, self.output = what, command, output
        super().__init__(f"{what} failed; `{command}` said:\n{output}")


class PartStartError(DevError):
    """A server did not come up.

    Attributes:
        part: The server's name.
        reason: What was observed.
        log: Its log file.
        output: The end of that log.
    """

    def __init__(self, part: str, reason: str, log: Path, output: str) -> None:
        self.part, self.reason, self.log, self.output = part, reason, log, output
        super().__init__(f"{part} did not start: {reason}; see {log}, which ends with:\n{output}")


class PortTakenError(DevError):
    """A port that the user fixed belongs to another process.

    Attributes:
        name: The port's name in `Ports`.
        port: Its number.
    """

    def __init__(self, name: str, port: int) -> None:
        self.name, self.port = name, port
        flag = f"--{name.replace('_', '-')}-port"
        super().__init__(f"port {port} is taken by another process: give another {flag}, or none for a free one.")


class PortFixedError(DevError):
    """A running part listens on another port than the one asked for.

    Attributes:
        name: The port's name in `Ports`.
        wanted: The port asked for.
        actual: The port in use.
    """

    def __init__(self, name: str, wanted: int, actual: int) -> None:
        self.name, self.wanted, self.actual = name, wanted, actual
        super().__init__(
            f"the running stack has its {name} port at {actual}, not at {wanted}: "
            "run `taskfactory dev down` first, or leave the flag out."
        )


class ModeError(DevError):
    """The asked-for way of running is not possible here."""


class UnreachableFolderError(DevError):
    """The account that PostgreSQL must run as cannot enter any folder that we could give it.

    Attributes:
        folder: The folder of the state.
        account: The account's name.
    """

    def __init__(self, folder: Path, account: str) -> None:
        self.folder, self.account = folder, account
        super().__init__(
            f"PostgreSQL refuses to run as root, and the user {account} cannot enter {folder}: "
            "choose a folder that others may enter with --state."
        )
