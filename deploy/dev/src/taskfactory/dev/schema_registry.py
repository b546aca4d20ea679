"""A schema registry, on demand: Apicurio, which speaks Confluent's REST API, with its schemas in a file."""

import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from taskfactory.dev import probes
from taskfactory.dev.cache import Cache, run_tool, user_cache
from taskfactory.dev.endpoints import HOST, Endpoints
from taskfactory.dev.errors import ToolMissingError
from taskfactory.dev.java import require_java
from taskfactory.dev.part import Say
from taskfactory.dev.processes import Launch

NAME = "schema-registry"
_RECIPE = (files("taskfactory.dev") / "assets" / "schema_registry" / "pom.xml").read_bytes()


@dataclass(frozen=True)
class SchemaRegistry:
    """The registry.

    Attributes:
        home: Its folder: the file with the schemas.
        cache: Where its jars are kept.
    """

    home: Path
    cache: Cache = field(default_factory=user_cache)
    name: str = NAME
    port_names: tuple[str, ...] = ("schema_registry",)
    stop_signal: signal.Signals = signal.SIGTERM

    def require(self) -> None:
        """Look for Java, and for Maven when the jars are still to be fetched."""
        require_java("the schema registry")
        if not (self._entry.exists() or shutil.which("mvn")):
            raise ToolMissingError(
                "Maven (`mvn`)", "fetching the schema registry", "install it (Debian: apt-get install maven)"
            )

    def launch(self, ports: Mapping[str, int], say: Say) -> Launch:
        """Fetch the jars."""
        jars = self.cache.make(
            self._entry,
            lambda draft: self._fetch(draft, say),
            lambda: say("waiting for another command that fetches the schema registry"),
        )
        self.home.mkdir(parents=True, exist_ok=True)
        say("starting")
        argv = (
            *("java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            f"-Dquarkus.http.host={HOST}",
            f"-Dquarkus.http.port={ports['schema_registry']}",
            "-Dquarkus.log.level=WARN",
            *("-jar", str(next(jars.glob("apicurio-registry-app-*-runner.jar")))),
        )
        # Its default is a database in memory, which forgets the schemas at every stop.
        return Launch(argv, self.home, env={"REGISTRY_DATASOURCE_URL": "jdbc:h2:file:./registry"})

    def address(self, endpoints: Endpoints) -> str:
        """Give the base URL of the Confluent API."""
        return str(endpoints.schema_registry_url)

    def problem(self, endpoints: Endpoints) -> str | None:
        """Ask for the subjects."""
        return probes.schema_registry(endpoints)

    def provision(self, endpoints: Endpoints) -> None:
        """Create nothing: producers register their schemas."""

    def wipe(self) -> None:
        """Remove the schemas."""
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def _entry(self) -> Path:
        return self.cache.entry("schema-registry", _RECIPE)

    def _fetch(self, draft: Path, say: Say) -> None:
        say("fetching the schema registry with Maven (only the first time, usually 5 to 60 seconds)")
        (draft / "pom.xml").write_bytes(_RECIPE)
        unpack = ("dependency:unpack-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={draft}")
        run_tool("fetching the schema registry", ("mvn", "-q", "-B", *unpack), draft)
