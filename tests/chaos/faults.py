"""What is done to a running case, for seconds in `test_faults` and for minutes in `test_long_faults`."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from tests.chaos.case import Case
from tests.chaos.stack import PARTS
from tests.chaos.toxiproxy import Stream
from tests.e2e.platform import Service, eventually

IMPATIENT_GROUP = {
    "TASKFACTORY_KAFKA_CONFIG__SESSION_TIMEOUT_MS": "2000",
    "TASKFACTORY_KAFKA_CONFIG__HEARTBEAT_INTERVAL_MS": "500",
}
"""For tests that kill members and wait until the group has noticed."""


@contextmanager
def unreachable(case: Case, part: str, seconds: float) -> Iterator[None]:
    """Refuse the product's connections to a part while the block runs, and at least so long."""
    case.chaos.proxies.cut(part)
    try:
        yield
        case.last(seconds)
    finally:
        case.chaos.proxies.mend(part)


def restart(case: Case, part: str, *, killed: bool, seconds_away: float = 0.0) -> None:
    """Stop a server in good order or kill it, leave it away for a while, and start it again."""
    server = case.chaos.parts[part]
    if killed:
        server.kill()
    else:
        server.stop()
    case.last(seconds_away)
    server.start()


def freeze(case: Case, zombie: Service, heir: Service) -> None:
    """Let a member stand still until another one has all of its partitions, and then go on as if nothing were."""
    zombie.pause()
    try:
        eventually(lambda: assigned(heir) == case.platform.partitions, "the group has expelled the frozen member")
    finally:
        zombie.resume()


def assigned(ingress: Service) -> float:
    """How many partitions a member has."""
    return ingress.metric("taskfactory_ingress_assigned_partitions")


def rebalances(ingress: Service) -> list[str]:
    """What happened to a member's partitions so far: assigned, revoked, lost."""
    return [entry["change"] for entry in ingress.entries("rebalanced")]


def never_left(ingress: Service, before: list[str]) -> None:
    """Assert that a member is in its group without interruption since its rebalances were `before`.

    Raises:
        AssertionError: it left, or polled too late.
    """
    assert rebalances(ingress) == before, f"the group was rebalanced meanwhile\n{ingress.tail()}"
    assert "maximum poll interval" not in ingress.log.read_text(), "it polled too late"


TROUBLE: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "slow": ("latency", {"latency": 100, "jitter": 80}),
    "narrow": ("bandwidth", {"rate": 10}),
    "reset": ("reset_peer", {"timeout": 200}),
    "half-open": ("timeout", {"timeout": 0}),
    "sliced": ("slicer", {"average_size": 60, "size_variation": 40, "delay": 200}),
}
"""Kinds of trouble with a network: toxiproxy's name and attributes, see `Toxiproxy.toxic`."""


@contextmanager
def bad_network(case: Case, kind: str, seconds: float) -> Iterator[None]:
    """Trouble of one kind between the product and all servers at once, while the block runs and at least so long.

    In one direction, which the seed chooses: a connection that hears but is not heard is the nastier half-open one.
    """
    toxic, attributes = TROUBLE[kind]
    with ExitStack() as block:
        for part in PARTS:
            stream: Stream = case.rng.choice(("upstream", "downstream"))
            block.enter_context(case.chaos.proxies.toxic(part, toxic, attributes, stream))
        yield
        case.last(seconds)
