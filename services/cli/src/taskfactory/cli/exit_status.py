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
    ExitStatus.DONE: "done, also if there was nothing to do",
    ExitStatus.FAILED: (
        "something failed, is away, is refused or is not there; an audit does not add up; somebody said no"
    ),
    ExitStatus.BAD_INPUT: "a file, an option or a setting is wrong, or consent is missing; nothing was done",
    ExitStatus.DIFFERENT: "`diff` found changes, or an audit could not prove everything",
    ExitStatus.CONFLICT: "somebody else was quicker, or it is not in a state for that; nothing was done",
    ExitStatus.INTERRUPTED: "Ctrl-C; what was done stays done, and it is safe to run the command again",
}
"""Each in one line."""
