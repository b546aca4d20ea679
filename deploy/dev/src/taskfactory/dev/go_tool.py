"""Programs that are built once with Go, at the versions that a go.mod and a go.sum of ours fix."""

import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from taskfactory.dev.cache import Cache, run_tool, user_cache
from taskfactory.dev.errors import ToolMissingError


@dataclass(frozen=True)
class GoTool:
    """One program.

    Attributes:
        name: Its binary's name, and the name of its folder under `assets`.
        title: What people call it.
        package: The Go package of its main function.
        takes: How long building it takes, in words.
        entry_name: What its place in the cache starts with; default: its name.
        cache: Where the binary is kept.
    """

    name: str
    title: str
    package: str
    takes: str
    entry_name: str = ""
    cache: Cache = field(default_factory=user_cache)

    @property
    def entry(self) -> Path:
        """Its folder in the cache, whether it exists or not."""
        target = f"{platform.system()}-{platform.machine()}".lower()
        return self.cache.entry(f"{self.entry_name or self.name}-{target}", b"".join(self._recipe().values()))

    def require(self, instead: str = "") -> None:
        """Check that it is there or can be built.

        Args:
            instead: What else than Go would do, for the message.

        Raises:
            ToolMissingError: Neither.
        """
        if not (self.entry.exists() or shutil.which("go")):
            install = "install it (https://go.dev/dl)" + (f", {instead}" if instead else "")
            raise ToolMissingError("Go 1.25 or later", f"building {self.title}", install)

    def binary(self, say: Callable[[str], None]) -> Path:
        """Give the program, building it unless that was done before.

        Args:
            say: Told what is being done, when it takes time.

        Raises:
            BuildError: Go failed.
        """
        wait = f"waiting for another command that builds {self.title}"
        return self.cache.make(self.entry, lambda draft: self._build(draft, say), lambda: say(wait)) / self.name

    def _build(self, draft: Path, say: Callable[[str], None]) -> None:
        say(f"building {self.title} with Go (only the first time, usually {self.takes} on 2 cores)")
        for name, content in self._recipe().items():
            (draft / name).write_bytes(content)
        build = ("go", "build", "-mod=readonly", "-buildvcs=false", "-ldflags=-s -w", "-o", self.name, self.package)
        run_tool(f"building {self.title}", build, draft)

    def _recipe(self) -> dict[str, bytes]:
        assets = files("taskfactory.dev") / "assets" / self.name
        return {name: (assets / name).read_bytes() for name in ("go.mod", "go.sum")}
