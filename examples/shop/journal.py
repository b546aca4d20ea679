"""What the handlers did, one JSON line per effect: the demo's stand-in for a warehouse, a mail server and a bank.

A real handler hands `ctx.task_id` to the service that it calls, so that the service recognises a repeat. Here the
effect and that key are written down instead, which lets the demo prove that no effect was done under two keys.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

VARIABLE: Final = "SHOP_JOURNAL"
"""Environment variable with the journal's path; without it nothing is written down."""


class Entry(NamedTuple):
    """One effect, as a handler did it."""

    effect: str
    """What happened in the shop's own words: it must happen once."""
    key: str
    """The idempotency key that it happened under."""
    attempt: int


def write(effect: str, key: str, attempt: int = 1) -> None:
    """Append one entry; appends this small are atomic, so handlers in any number of threads and processes may write."""
    path = os.environ.get(VARIABLE)
    if path is None:
        return
    line = json.dumps(Entry(effect, key, attempt)._asdict()) + "\n"
    journal = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(journal, line.encode())
    finally:
        os.close(journal)


def read(path: Path) -> Iterator[Entry]:
    """Every entry, in the order in which they were written; none when there is no journal yet."""
    if path.exists():
        for line in path.read_text().splitlines():
            yield Entry(**json.loads(line))
