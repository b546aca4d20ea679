"""Things that are downloaded or built once per user.

An entry is a folder that appears complete or not at all: it is made beside its place and renamed into it, under a
lock, so that two commands at once make it once. Its name carries a digest of its recipe, so that a changed recipe makes
a new entry.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from taskfactory.dev.account import Account, reaches
from taskfactory.dev.errors import BuildError
from taskfactory.dev.locking import exclusive

_TAIL = 2_000
_SHARED = Path("/var/cache/taskfactory")


@dataclass(frozen=True)
class Cache:
    """A folder of entries."""

    root: Path

    def entry(self, name: str, recipe: bytes) -> Path:
        """Give the place of an entry, whether it exists or not."""
        return self.root / f"{name}-{hashlib.sha256(recipe).hexdigest()[:12]}"

    def make(self, entry: Path, build: Callable[[Path], None], on_wait: Callable[[], None]) -> Path:
        """Give the entry, made by `build` (into the empty folder it is called with) unless it exists.

        Args:
            entry: A place that `entry` gave.
            build: Fills the folder; whatever it raises leaves no entry behind.
            on_wait: Called before waiting for another process that makes something here.
        """
        if entry.exists():
            return entry
        with exclusive(self.root / "lock" / entry.name, on_wait):
            if not entry.exists():
                draft = entry.with_name(f".{entry.name}.draft")
                shutil.rmtree(draft, ignore_errors=True)
                draft.mkdir(parents=True)
                try:
                    build(draft)
                    draft.rename(entry)
                finally:
                    shutil.rmtree(draft, ignore_errors=True)
        return entry


def user_cache(reader: Account | None = None) -> Cache:
    """Give the user's cache: `$XDG_CACHE_HOME/taskfactory`, by default under `~/.cache`.

    Args:
        reader: The account that must be able to run what lies in it. Root's own cache is closed to others; then it is
            `/var/cache/taskfactory`.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    own = base / "taskfactory"
    own.mkdir(parents=True, exist_ok=True)
    return Cache(own if reaches(reader, own) else _SHARED)


def run_tool(what: str, argv: Sequence[str], cwd: Path, *, account: Account | None = None) -> str:
    """Run a tool to its end and give what it printed.

    Raises:
        BuildError: It failed.
    """
    done = subprocess.run(  # noqa: S603 - the command line is ours
        argv,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode != 0:
        raise BuildError(what, " ".join(argv), done.stdout[-_TAIL:].strip())
    return done.stdout
