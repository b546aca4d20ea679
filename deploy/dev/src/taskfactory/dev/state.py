"""What a stack's folder remembers between commands.

state.json            the way it runs, its ports, its processes
api.json              the Admin API's port and key, readable by its owner alone
lock                  held by whoever changes the stack
logs/<part>.log       what each server prints
<part>/               each server's data and configuration
demo/                 logs and journals of demos on this stack
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from taskfactory.dev.api_access import FILE as API_FILE
from taskfactory.dev.locking import exclusive
from taskfactory.dev.processes import ServerProcess


class Mode(StrEnum):
    """How the servers run."""

    NATIVE = "native"
    DOCKER = "docker"


@dataclass(frozen=True)
class PartStatus:
    """One server as `status` found it.

    Attributes:
        name: The part.
        pid: Its process; None when there is none, or it is in a container.
        address: Where it answers, or would.
        problem: What is wrong; None when it answered.
    """

    name: str
    pid: int | None
    address: str
    problem: str | None


@dataclass(frozen=True)
class StackState:
    """What `state.json` holds.

    Attributes:
        mode: How the stack ran last; None before the first `up`.
        ports: The ports last used, by name.
        servers: The started processes, by part; empty with Docker.
    """

    mode: Mode | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    servers: Mapping[str, ServerProcess] = field(default_factory=dict)

    def running(self, mode: Mode) -> "StackState":
        """Fix the mode."""
        return replace(self, mode=mode)

    def listening(self, ports: Mapping[str, int]) -> "StackState":
        """Add or change ports."""
        return replace(self, ports={**self.ports, **ports})

    def started(self, part: str, server: ServerProcess) -> "StackState":
        """Add a started server."""
        return replace(self, servers={**self.servers, part: server})

    def stopped(self, parts: Iterable[str]) -> "StackState":
        """Forget the processes of the parts; their ports stay."""
        gone = set(parts)
        return replace(self, servers={name: server for name, server in self.servers.items() if name not in gone})

    def to_json(self) -> str:
        """Write as JSON text."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "StackState":
        """Read what `to_json` wrote."""
        raw = json.loads(text)
        return cls(
            mode=Mode(raw["mode"]) if raw["mode"] else None,
            ports=raw["ports"],
            servers={name: ServerProcess(**server) for name, server in raw["servers"].items()},
        )


class StateFolder:
    """The one folder of a stack."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other command from changing this stack."""
        with exclusive(self.path / "lock"):
            yield

    @contextmanager
    def unmade_on(self, error: type[Exception]) -> Iterator[None]:
        """When this error leaves the block, remove the folders that are new since, if nothing was kept in them."""
        new = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        try:
            yield
        except error:
            if new and [path.name for path in self.path.iterdir()] == ["lock"]:
                (self.path / "lock").unlink()
                with suppress(OSError):  # another command has begun to use them
                    for folder in new:
                        folder.rmdir()
            raise

    def read(self) -> StackState:
        """Read the state; an empty one when there is none."""
        try:
            return StackState.from_json((self.path / "state.json").read_text())
        except FileNotFoundError:
            return StackState()

    def write(self, state: StackState) -> None:
        """Replace the state in one step."""
        fresh = self.path / "state.json.new"
        fresh.write_text(state.to_json())
        fresh.replace(self.path / "state.json")

    def log(self, part: str) -> Path:
        """Give the part's log file; its folder exists afterwards."""
        logs = self.path / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        return logs / f"{part}.log"

    def logs(self) -> dict[str, Path]:
        """Give the log files that exist, by part."""
        return {path.stem: path for path in sorted((self.path / "logs").glob("*.log"))}

    def wipe(self) -> None:
        """Remove what this class and the demo wrote, and the folder if it is empty then; call it with the lock held."""
        for name in ("logs", "demo"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        for name in (API_FILE, f"{API_FILE}.new", "state.json", "state.json.new", "lock"):
            (self.path / name).unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()
