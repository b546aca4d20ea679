"""Named places at which a test may kill the process, to prove what a crash exactly there does.

`TASKFACTORY_FAILPOINTS=name,name:5` arms them: the first at once, the second when it is reached for the fifth time.
Unset, which is the case everywhere but in tests, they cost one look into an empty dictionary.
"""

import os
import signal


def parse_failpoints(text: str) -> dict[str, int]:
    """Read `name` or `name:hit`, separated by commas.

    Returns:
        By name, the how-manieth time is the last.

    Raises:
        ValueError: what follows a colon is no whole number from 1.
    """
    armed = {}
    for item in filter(None, text.split(",")):
        name, _, hit = item.partition(":")
        if hit and (not hit.isdecimal() or int(hit) < 1):
            raise ValueError(f"TASKFACTORY_FAILPOINTS has {item!r}: after the colon comes a whole number from 1")
        armed[name] = int(hit or 1)
    return armed


_left = parse_failpoints(os.environ.get("TASKFACTORY_FAILPOINTS", ""))


def failpoint(name: str) -> None:
    """Die here by SIGKILL, as a power cut would have it, if `name` is armed and this is the time."""
    if name in _left:
        _left[name] -= 1
        if _left[name] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
