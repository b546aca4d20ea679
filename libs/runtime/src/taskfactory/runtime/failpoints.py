"""Named places at which a test may kill the process, to prove what a crash exactly there does.

`TASKFACTORY_FAILPOINTS=name,name` arms them; unset, which is the case everywhere but in tests, they cost one look into
an empty set.
"""

import os
import signal

_armed = frozenset(filter(None, os.environ.get("TASKFACTORY_FAILPOINTS", "").split(",")))


def failpoint(name: str) -> None:
    """Die here by SIGKILL, as a power cut would have it, if `name` is armed."""
    if name in _armed:
        os.kill(os.getpid(), signal.SIGKILL)
