"""A lock between processes: a file that one of them holds at a time."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def _ignore() -> None:
    """Wait silently."""


@contextmanager
def exclusive(path: Path, on_wait: Callable[[], None] = _ignore) -> Iterator[None]:
    """Hold the lock file; wait for whoever holds it, after telling so through `on_wait`.

    The kernel releases the lock when the holder dies. The holder may delete the file: those who waited for it notice
    and lock its successor.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
                yield
                return
