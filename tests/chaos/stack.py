"""A stack to be broken: Kafka, Temporal and PostgreSQL of its own, each behind a proxy for the product's processes.

The test itself produces and verifies past the proxies. Kafka tells clients where its broker is, so it has a second
listener for those who come through the proxy, which advertises the proxy.
"""

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from taskfactory.dev import Endpoints
from taskfactory.dev.endpoints import HOST
from taskfactory.dev.faulty import FaultyPart
from taskfactory.dev.kafka import SETTINGS, Kafka
from taskfactory.dev.ports import choose
from taskfactory.dev.postgres import Postgres
from taskfactory.dev.temporal import Temporal
from taskfactory.dev.toxiproxy import toxiproxy
from tests.chaos.toxiproxy import Toxiproxy

KAFKA, TEMPORAL, POSTGRES = PARTS = ("kafka", "temporal", "postgres")


@dataclass(frozen=True)
class ProxiedKafka(Kafka):
    """A broker with a listener for clients behind the proxy."""

    port_names: tuple[str, ...] = ("kafka", "kafka_controller", "kafka_behind")
    proxy: int = 0
    """The proxy's port."""

    def server_properties(self, ports: Mapping[str, int]) -> str:
        """Add the listener; in a properties file the last value counts."""
        direct, behind = f"{HOST}:{ports['kafka']}", f"{HOST}:{ports['kafka_behind']}"
        controller = f"{HOST}:{ports['kafka_controller']}"
        protocols = SETTINGS["listener.security.protocol.map"]
        more = {
            "listener.security.protocol.map": f"{protocols},BEHIND:PLAINTEXT",
            "listeners": f"PLAINTEXT://{direct},BEHIND://{behind},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{direct},BEHIND://{HOST}:{self.proxy}",
            # A killed broker may come back only when its controller has given the dead one up, by default after 9 s.
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
        }
        return super().server_properties(ports) + "".join(f"{name}={value}\n" for name, value in more.items())


@dataclass(frozen=True)
class ChaosStack:
    """The running stack.

    Attributes:
        direct: Addresses for the test itself.
        proxied: Addresses for the product.
        parts: The servers, by name.
        proxies: The proxies, by the same names.
    """

    direct: Endpoints
    proxied: Endpoints
    parts: Mapping[str, FaultyPart]
    proxies: Toxiproxy

    def heal(self) -> None:
        """Make everything run and answer again, whatever a test did to it."""
        self.proxies.reset()
        for part in self.parts.values():
            part.resume()
        start_all(self.parts.values())


def start_all(parts: Collection[FaultyPart]) -> None:
    """Start servers at the same time.

    Raises:
        DevError: One did not start.
    """
    with ThreadPoolExecutor(len(parts)) as pool:
        for _ in pool.map(FaultyPart.start, parts):
            pass


def require_tools() -> None:
    """Look for what the servers and the proxy are built of.

    Raises:
        ToolMissingError: Something is missing.
    """
    anywhere = Path()
    for part in (Kafka(anywhere), Temporal(anywhere), Postgres(anywhere)):
        part.require()
    toxiproxy().require()


@contextmanager
def chaos_stack(folder: Path, seed: int) -> Iterator[ChaosStack]:
    """Start a stack in an empty folder; when the block ends, however it does, nothing of it is left but logs.

    Args:
        folder: for data and logs.
        seed: of what the proxy does at random.
    """
    proxied = {"kafka": "kafka_proxy", "temporal": "temporal_proxy", "postgres": "postgres_proxy"}
    names = ("kafka", "kafka_controller", "kafka_behind", "temporal", "ui", "postgres", "toxiproxy")
    ports = choose((*names, *proxied.values()), {}, {})
    made = (
        ProxiedKafka(folder / KAFKA, proxy=ports["kafka_proxy"]),
        Temporal(folder / TEMPORAL),
        Postgres(folder / POSTGRES),
    )
    parts = {part.name: FaultyPart(part, ports, folder / f"{part.name}.log") for part in made}
    with ExitStack() as cleanup:
        for part in parts.values():
            cleanup.callback(part.wipe)
        start_all(parts.values())
        proxies = cleanup.enter_context(Toxiproxy(ports["toxiproxy"], folder, seed))
        for name, proxy in proxied.items():
            proxies.add(name, ports[proxy], ports["kafka_behind" if name == KAFKA else name])
        through = {**ports, **{name: ports[proxy] for name, proxy in proxied.items()}}
        yield ChaosStack(Endpoints.at(ports), Endpoints.at(through), parts, proxies)
