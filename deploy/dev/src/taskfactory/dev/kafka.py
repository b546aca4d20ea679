"""Kafka: the Apache broker in KRaft mode, one node, from its own jars."""

import base64
import secrets
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
from taskfactory.dev.provision import MAX_RECORD_BYTES, create_topics
from taskfactory.dev.versions import parse_version

_ASSETS = files("taskfactory.dev") / "assets" / "kafka"
_RECIPE = (_ASSETS / "pom.xml").read_bytes()
_OLDEST_KAFKA = (4, 1)
# One node has nothing to wait for and needs no 50 partitions per internal topic; a killed consumer is noticed after
# seconds, because development kills many; dead letters carry records that were too large for anything else.
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "10000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "1000",
    "message.max.bytes": str(MAX_RECORD_BYTES),
    "replica.fetch.max.bytes": str(MAX_RECORD_BYTES),
}


@dataclass(frozen=True)
class Kafka:
    """The broker.

    Attributes:
        home: Its folder: configuration and log segments.
        cache: Where its jars are kept.
    """

    home: Path
    cache: Cache = field(default_factory=user_cache)
    name: str = "kafka"
    port_names: tuple[str, ...] = ("kafka", "kafka_controller")
    stop_signal: signal.Signals = signal.SIGTERM

    def require(self) -> None:
        """Look for Java, and for Maven when the jars are still to be fetched."""
        require_java("Kafka")
        if not (_jars_on_path() or self._entry.exists() or shutil.which("mvn")):
            raise ToolMissingError(
                "Maven (`mvn`)",
                "fetching Kafka's jars",
                "install it (Debian: apt-get install maven), put Kafka 4.1 on PATH",
            )

    def launch(self, ports: Mapping[str, int], say: Say) -> Launch:
        """Fetch the jars, write the configuration, format the log folder once."""
        jars = _jars_on_path() or self.cache.make(
            self._entry,
            lambda draft: self._fetch(draft, say),
            lambda: say("waiting for another command that fetches the jars"),
        )
        self.home.mkdir(parents=True, exist_ok=True)
        logging = self.home / "log4j2.properties"
        logging.write_bytes((_ASSETS / "log4j2.properties").read_bytes())
        config = self.home / "server.properties"
        config.write_text(self.server_properties(ports))
        # A small broker that starts quickly: the serial collector wants neither threads nor memory.
        java = (
            "java",
            "-Xms128m",
            "-Xmx512m",
            "-XX:+UseSerialGC",
            f"-Dlog4j2.configurationFile={logging}",
            "-cp",
            f"{jars}/*",
        )
        say("starting")
        if not (self.home / "data" / "meta.properties").exists():
            format_log = ("kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(config))
            run_tool("formatting Kafka's log folder", (*java, "-XX:TieredStopAtLevel=1", *format_log), self.home)
        return Launch((*java, "kafka.Kafka", str(config)), self.home)

    def server_properties(self, ports: Mapping[str, int]) -> str:
        """Write the broker's configuration for the ports."""
        client, controller = f"{HOST}:{ports['kafka']}", f"{HOST}:{ports['kafka_controller']}"
        settings = {
            **SETTINGS,
            "listeners": f"PLAINTEXT://{client},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{client}",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(self.home / "data"),
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    def address(self, endpoints: Endpoints) -> str:
        """Give the bootstrap servers."""
        return endpoints.kafka_bootstrap_servers

    def problem(self, endpoints: Endpoints) -> str | None:
        """Ask for metadata."""
        return probes.kafka(endpoints)

    def provision(self, endpoints: Endpoints) -> None:
        """Create the topics."""
        create_topics(endpoints)

    def wipe(self) -> None:
        """Remove configuration and log segments."""
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def _entry(self) -> Path:
        return self.cache.entry("kafka-jars", _RECIPE)

    def _fetch(self, draft: Path, say: Say) -> None:
        say("fetching Kafka's jars with Maven (only the first time, usually 5 to 60 seconds)")
        (draft / "pom.xml").write_bytes(_RECIPE)
        copy = ("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={draft}")
        run_tool("fetching Kafka's jars", ("mvn", "-q", "-B", *copy), draft)


def _jars_on_path() -> Path | None:
    """Find the jars of a recent enough Kafka that is installed: the `libs` folder beside its start script."""
    for script in ("kafka-server-start.sh", "kafka-server-start"):
        found = shutil.which(script)
        for libs in ("libs", "libexec/libs") if found else ():
            folder = Path(found or "").resolve().parent.parent / libs
            versions = [parse_version(jar.name, after=r"kafka_2\.13-") for jar in folder.glob("kafka_2.13-*.jar")]
            if any(version and version >= _OLDEST_KAFKA for version in versions):
                return folder
    return None


def _cluster_id() -> str:
    # A Kafka UUID is 16 bytes in URL-safe base64; the leading zero keeps it from starting like an option.
    return base64.urlsafe_b64encode(b"\0" + secrets.token_bytes(15)).rstrip(b"=").decode()
