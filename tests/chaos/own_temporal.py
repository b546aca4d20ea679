"""A Temporal of a test's own beside the stack's other servers: nobody else's load is on it, and it may be killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from taskfactory.dev.endpoints import Endpoints
from taskfactory.dev.faulty import FaultyPart
from taskfactory.dev.ports import choose
from taskfactory.dev.temporal import Temporal


@dataclass(frozen=True)
class OwnTemporal:
    """The running server."""

    part: FaultyPart
    address: str
    """`host:port`."""


@contextmanager
def own_temporal(folder: Path) -> Iterator[OwnTemporal]:
    """Start one in a folder; nothing of it but its log is left when the block ends."""
    ports = choose(("temporal", "ui", "kafka", "postgres"), {}, {})
    part = FaultyPart(Temporal(folder / "temporal"), ports, folder / "temporal.log")
    part.start()
    try:
        yield OwnTemporal(part, Endpoints.at(ports).temporal_address)
    finally:
        part.wipe()
