"""Choosing ports.

A free port can be lost between the moment it is found and the moment a server binds it. So ports are looked for below
the range from which systems give out ephemeral ports (32768 on Linux, 49152 elsewhere), where no outgoing connection
can take one by accident, and whoever starts a server tries again when it reports the address in use.
"""

import secrets
import socket
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

from taskfactory.dev.endpoints import HOST
from taskfactory.dev.errors import PortFixedError, PortTakenError

RANGE = range(20_000, 32_000)


@dataclass(frozen=True)
class Ports:
    """The ports that the user fixes; 0 means any free one.

    Attributes:
        kafka: Kafka's client listener.
        temporal: Temporal's gRPC frontend.
        ui: Temporal's web UI.
        postgres: PostgreSQL.
        schema_registry: The schema registry's HTTP port; always with Docker, on demand natively.
    """

    kafka: int = 0
    temporal: int = 0
    ui: int = 0
    postgres: int = 0
    schema_registry: int = 0

    def fixed(self) -> dict[str, int]:
        """Give only the ports that are fixed, by name."""
        return {name: port for name, port in asdict(self).items() if port}


FREE = Ports()


def is_free(port: int) -> bool:
    """Say whether a server could listen on the port now (a port in TIME_WAIT counts as free, as for servers)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose(names: Collection[str], fixed: Mapping[str, int], remembered: Mapping[str, int]) -> dict[str, int]:
    """Choose distinct ports: the fixed one, else the remembered one if it is free, else any free one.

    Args:
        names: The ports to choose.
        fixed: Ports that the user demands, by name.
        remembered: Ports of an earlier start, by name, so that addresses stay the same; ports of other names
            are kept clear of.

    Raises:
        PortTakenError: A fixed port is taken.
    """
    chosen: dict[str, int] = {}
    others = {port for name, port in {**remembered, **fixed}.items() if name not in names}
    for name in names:
        if name in fixed:
            if not is_free(fixed[name]):
                raise PortTakenError(name, fixed[name])
            chosen[name] = fixed[name]
        elif name in remembered and is_free(remembered[name]):
            chosen[name] = remembered[name]
    for name in names:
        while name not in chosen:
            port = secrets.choice(RANGE)
            if port not in others and port not in chosen.values() and is_free(port):
                chosen[name] = port
    return chosen


def refuse_other_ports(fixed: Mapping[str, int], running: Mapping[str, int]) -> None:
    """Refuse to reuse what runs when it listens elsewhere than demanded.

    Raises:
        PortFixedError: The first port that differs.
    """
    for name, actual in running.items():
        if fixed.get(name, actual) != actual:
            raise PortFixedError(name, fixed[name], actual)
