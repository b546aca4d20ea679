"""How commands end, for scripts: the one table of exit statuses, which the help and docs/cli.md show."""

from enum import IntEnum
from typing import Final


class ExitStatus(IntEnum):
    """What each exit status of `taskfactory` means."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    DIFFERENT = 3
    CONFLICT = 4
    INTERRUPTED = 130


MEANINGS: Final = {
    ExitStatus.DONE: "done; nothing left to do counts as done",
    ExitStatus.FAILED: "a server is away or refuses, what was named is not there, some of it could not be done, or an "
    "audit does not add up",
    ExitStatus.BAD_INPUT: "a file, an option or a setting is wrong; nothing was done",
    ExitStatus.DIFFERENT: "`diff` found changes, or an audit could not prove everything",
    ExitStatus.CONFLICT: "somebody else was quicker, or it is not in a state for that; nothing was done",
    ExitStatus.INTERRUPTED: "interrupted; what was done stays done",
}
"""Each in one line."""
