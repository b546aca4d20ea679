"""One fault test from its beginning to its balanced books."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from tests.chaos.books import Books, Produced, Terms
from tests.chaos.ledger import UnbalancedError, balance, expected_letters, expected_runs
from tests.chaos.reading import read_books
from tests.chaos.sender import Sender
from tests.chaos.stack import ChaosStack
from tests.chaos.traffic import DEFINITIONS, Mix, plan
from tests.chaos.watcher import Watcher
from tests.e2e.platform import Platform, Service, eventually

SETTINGS: Final = {
    # A member that died or stands still is noticed within this time, not within Kafka's default of 45 s; and one that
    # forgets to poll within that, not within five minutes.
    "TASKFACTORY_KAFKA_CONFIG__SESSION_TIMEOUT_MS": "6000",
    "TASKFACTORY_KAFKA_CONFIG__HEARTBEAT_INTERVAL_MS": "1000",
    "TASKFACTORY_KAFKA_CONFIG__MAX_POLL_INTERVAL_MS": "10000",
    # Connections that were refused for a while are tried again soon.
    "TASKFACTORY_KAFKA_CONFIG__RECONNECT_BACKOFF_MAX_MS": "1000",
    "TASKFACTORY_RECONCILE_INTERVAL": "2",
    "TASKFACTORY_RECONCILE_GRACE": "10",
}


@dataclass
class Case:
    """The platform on the stack to be broken, its traffic, and what is seen of it.

    Attributes:
        chaos: the stack.
        platform: the product, behind the proxies.
        rng: where every choice of the test comes from.
        record: keeps a figure for the end of the test run.
        ingresses: every ingress that was started, ended ones included.
        terms: what its books may say.
    """

    chaos: ChaosStack
    platform: Platform
    rng: random.Random
    record: Callable[[str, object], None]
    ingresses: list[Service] = field(default_factory=list)
    terms: Terms = field(default_factory=Terms)
    _planned: int = 0
    _senders: list[Sender] = field(default_factory=list)
    _produced: list[Produced] = field(default_factory=list)
    _watcher: Watcher | None = None

    def begin(self, *, ingresses: int = 1, failpoints: Sequence[str] = ()) -> None:
        """Apply the definitions, start the product, and watch it.

        Args:
            ingresses: how many members the group has at first.
            failpoints: what kills the first of them, the second and so on.
        """
        self.platform.apply(DEFINITIONS)
        self.serve(ingresses, failpoints)
        self._watcher = Watcher(self.platform, self._running_ingress_pids)

    def serve(self, ingresses: int, failpoints: Sequence[str] = ()) -> None:
        """Start an orchestrator, a worker and ingresses, and wait until they are ready."""
        others = [self.platform.start("orchestrator", ready=False), self._worker()]
        for number in range(ingresses):
            self.ingress(failpoints=failpoints[number] if number < len(failpoints) else "", ready=False)
        for service in [*others, *self.ingresses[-ingresses:]]:
            service.wait_ready()

    def ingress(self, *, failpoints: str = "", ready: bool = True) -> Service:
        """Start one more ingress."""
        env = {"TASKFACTORY_FAILPOINTS": failpoints} if failpoints else {}
        service = self.platform.start("ingress", env=env, ready=ready)
        self.ingresses.append(service)
        return service

    def send(self, mix: Mix, seconds: float) -> None:
        """Begin to send traffic, evenly over so many seconds, while the test goes on."""
        bootstrap = self.chaos.direct.kafka_bootstrap_servers
        self._senders.append(Sender(bootstrap, self.platform.topic, plan(self.rng, mix), seconds))
        self._planned += mix.records

    def sent(self) -> int:
        """How many records Kafka has acknowledged so far."""
        return sum(sender.acknowledged for sender in self._senders) + len(self._produced)

    def wait_sent(self, records: int, timeout: float = 60.0) -> None:
        """Until so many records are on the topic, or all that were to be sent."""
        wanted = min(records, self._planned)
        eventually(lambda: self.sent() >= wanted, f"{wanted} records are sent", timeout)

    def last(self, seconds: float) -> None:
        """Let a fault last: what is tested is the time itself, so there is no event to wait for."""
        time.sleep(seconds)

    def settle(self, timeout: float = 120.0) -> Books:
        """Wait until everything sent has come out, and balance the books.

        Args:
            timeout: for the backlog to drain, by itself.

        Raises:
            UnbalancedError: what was still missing then, or too much.
        """
        for sender in self._senders:
            self._produced += sender.finish(300)
        self._senders.clear()
        runs, letters = len(expected_runs(self._produced)), set(expected_letters(self._produced))
        # Whether it came to rest is for the books to say, which know what is missing.
        with suppress(AssertionError):
            eventually(lambda: self._at_rest(runs), "everything that was sent has come out", timeout)
        watcher = self._stop_watching()
        books = asyncio.run(read_books(self.platform, watcher))
        try:
            balance(self._produced, books, self.terms)
        except UnbalancedError as unbalanced:
            unbalanced.add_note("\n".join(f"{service.name} {service.log}" for service in self.platform.services))
            raise
        self.record("books balance", summary(self._produced, books, len(letters)))
        return books

    def rewind(self) -> None:
        """Bring the group back to the first offset, which no ingress may be running for, and go on watching."""
        self.platform.rewind()
        self.terms = replace(self.terms, rewound_at=time.time())
        earlier = self._stop_watching()
        self._watcher = Watcher(self.platform, self._running_ingress_pids)
        self._watcher.samples += earlier.samples
        self._watcher.peak_memory = earlier.peak_memory

    def close(self) -> None:
        """End everything of the test and heal the stack for the next one."""
        for sender in self._senders:
            sender.abandon()
        self.platform.close()
        try:
            self.chaos.heal()
        finally:
            if self._watcher is not None:
                self._stop_watching()

    def _stop_watching(self) -> Watcher:
        assert self._watcher is not None, "begin was called"
        self._watcher.stop()
        return self._watcher

    def _at_rest(self, runs: int) -> bool:
        # A part that is away, or a book that is not there yet, is no rest.
        assert self._watcher is not None
        ended = {
            f"{thing}/{state}"
            for thing, state in self.platform.query(
                "SELECT run_id, state FROM activity_runs UNION ALL SELECT task_id, state FROM tasks"
            )
        }
        done = sum(1 for _ in self.platform.query("SELECT FROM activity_runs WHERE state <> 'running'"))
        return (
            done >= runs
            and ended <= set(self._watcher.outcomes)
            and self.platform.committed() == self.platform.end_offsets()
        )

    def _running_ingress_pids(self) -> Sequence[int]:
        return [service.process.pid for service in list(self.ingresses) if service.process.poll() is None]

    def _worker(self) -> Service:
        return self.platform.start(
            "worker", "--module", "tests.e2e.handlers", "--queue", self.platform.queue, ready=False
        )


def summary(produced: Sequence[Produced], books: Books, letters: int) -> str:
    """The case in figures."""
    figures: Mapping[str, object] = {
        "records": len(produced),
        "runs": len(books.runs),
        "dead letters": f"{letters} (written {len(books.letters)} times)",
        "outcomes": f"{len(set(books.outcomes))} (written {len(books.outcomes)} times)",
        "effects": f"{len(set(books.effects))} (done {len(books.effects)} times)",
        "offset samples": len(books.samples),
        "peak memory of an ingress": f"{books.peak_memory >> 20} MiB",
    }
    return ", ".join(f"{name} {value}" for name, value in figures.items())
