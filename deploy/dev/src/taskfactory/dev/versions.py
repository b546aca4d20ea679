"""Reading the version out of what a tool prints."""

import re
import subprocess
from collections.abc import Sequence

Version = tuple[int, ...]


def parse_version(text: str, after: str = "") -> Version | None:
    """Find the first dotted number behind a marker, such as `(17, 0, 15)`; None when there is none.

    Args:
        text: What the tool printed.
        after: A regular expression that must come directly before the number.
    """
    found = re.search(after + r"(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in found[1].split(".")) if found else None


def tool_version(argv: Sequence[str], after: str = "") -> Version | None:
    """Ask a tool for its version; None when it cannot be run or says none."""
    try:
        done = subprocess.run(  # noqa: S603 - a tool found on PATH, asked for its version
            argv, capture_output=True, text=True, timeout=20, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_version(done.stdout + done.stderr, after)
