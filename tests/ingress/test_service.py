"""Ingress as a whole, on real Kafka, Temporal and PostgreSQL."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from temporalio.client import Client

from taskfactory.ingress.service import Ingress
from taskfactory.runtime import Shared
from tests.ingress.conftest import Site, event, eventually, headers_of
from tests.ingress.gate import Gate

PROGRAM = """
from taskfactory.ingress.service import Ingress
from taskfactory.runtime import serve
serve([Ingress()])
"""


def counted(name: str, **labels: str) -> Callable[[], float]:
    before = REGISTRY.get_sample_value(name, labels) or 0
    return lambda: (REGISTRY.get_sample_value(name, labels) or 0) - before


def in_flight() -> float:
    return REGISTRY.get_sample_value("taskfactory_ingress_in_flight_records") or 0


def decided(decision: str) -> Callable[[], float]:
    return counted("taskfactory_ingress_decisions_total", decision=decision)


async def all_committed(site: Site) -> None:
    await eventually(lambda: site.committed() == site.end_offsets(), "every offset is committed")


async def runs(temporal: Client, activity_id: str, count: int) -> set[str]:
    """Ids of the workflows of an activity, once there are so many."""
    async with asyncio.timeout(60):
        while True:
            query = f"WorkflowId STARTS_WITH 'activity-{activity_id}'"
            found = {execution.id async for execution in temporal.list_workflows(query)}
            if len(found) >= count:
                return found
            await asyncio.sleep(0.2)  # visibility is eventually consistent, and tells nobody


async def test_every_matching_event_becomes_one_run(
    site: Site, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, duplicates, filtered = decided("started"), decided("already_started"), decided("filtered")
    orders = site.apply("orders", {"type": ["order"]})
    audit = site.apply("audit", {"source": [{"prefix": "/sh"}], "type": ["order"]})
    async with site.running(monkeypatch):
        site.produce(event(1), event(2), event(1), event(3, "refund"))
        await all_committed(site)
    assert len(await runs(temporal, orders.id, 2)) == 2
    assert len(await runs(temporal, audit.id, 2)) == 2
    assert (started(), duplicates(), filtered()) == (4, 2, 1)


async def test_a_broken_record_is_dead_lettered_in_full_and_the_partition_goes_on(
    site: Site, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = site.apply("orders", {"type": ["order"]})
    site.produce(b"\xff\x00garbage", headers=[("trace", b"\x07")], key=b"\x01key", timestamp=1_700_000_000_123)
    site.produce(event(1, data="x" * 5000))
    site.produce(event(2))
    async with site.running(monkeypatch, {"TASKFACTORY_MAX_EVENT_BYTES": "4000"}):
        await all_committed(site)
    assert len(await runs(temporal, orders.id, 1)) == 1
    found = await site.dead_letters(2)
    letters = {headers_of(letter)["taskfactory_dlq_offset"]: letter for letter in found}
    garbage, large = letters[b"0"], letters[b"1"]
    assert garbage.value() == b"\xff\x00garbage"
    assert garbage.key() == b"\x01key"
    headers = headers_of(garbage)
    assert headers["trace"] == b"\x07"
    assert headers["taskfactory_dlq_topic"] == site.topic.encode()
    assert headers["taskfactory_dlq_timestamp"] == b"1700000000123"
    assert headers_of(large)["taskfactory_dlq_reason"] == b"too_large"
    assert large.value() == event(1, data="x" * 5000)


async def test_an_event_whose_run_temporal_would_refuse_is_dead_lettered(
    site: Site, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = site.apply("orders", {"type": ["order"]})
    async with site.running(monkeypatch, {"TASKFACTORY_MAX_RUN_INPUT_BYTES": "2000"}):
        site.produce(event(1, data="x" * 5000))
        [letter] = await site.dead_letters(1)
        await all_committed(site)
    headers = headers_of(letter)
    assert headers["taskfactory_dlq_reason"] == b"run_input_too_large"
    assert headers["taskfactory_dlq_activity_id"] == orders.id.encode()
    assert headers["taskfactory_dlq_version"] == b"1"


async def test_a_changed_definition_is_in_force_within_a_second(
    site: Site, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def revision() -> float:
        return REGISTRY.get_sample_value("taskfactory_ingress_definitions_revision") or 0

    async with site.running(monkeypatch):
        for name in ("first", "second"):
            before = revision()
            applied = await asyncio.to_thread(site.apply, name, {"type": [name]})
            await eventually(partial(lambda number: revision() > number, before), "the change is in force", within=1)
            site.produce(event(1, name))
            assert len(await runs(temporal, applied.id, 1)) == 1


async def test_while_temporal_is_away_nothing_is_committed_and_afterwards_nothing_is_missing(
    site: Site, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = site.apply("orders", {"type": ["order"]})
    limits = {"TASKFACTORY_MAX_IN_FLIGHT": "50", "TASKFACTORY_MAX_CONCURRENT_STARTS": "8"}
    async with Gate(site.stack.endpoints.temporal_address) as gate:
        env = {**limits, "TASKFACTORY_TEMPORAL_ADDRESS": gate.address}
        async with site.running(monkeypatch, env) as shared:
            site.produce(event(0))
            await all_committed(site)
            gate.shut()
            site.produce(*(event(number) for number in range(1, 200)))
            await eventually(lambda: "starts" in shared.health.problems(), "readiness tells")
            await eventually(lambda: in_flight() == 50, "as much is in flight as may be")
            assert site.committed() == {0: 1}
            gate.open()
            await all_committed(site)
            await eventually(lambda: not shared.health.problems(), "ingress is ready again")
    assert len(await runs(temporal, orders.id, 200)) == 200


async def test_while_dead_letters_can_not_be_written_nothing_is_committed(
    site: Site, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A topic name that no broker accepts stands for a dead letter topic that can't be written.
    running = site.running(monkeypatch, {"TASKFACTORY_DLQ_TOPIC": "not a topic", "TASKFACTORY_DRAIN_TIMEOUT": "1"})
    async with running as shared:
        site.produce(event(1), b"broken")
        await eventually(lambda: site.committed() == {0: 1}, "the record before the broken one is committed")
        await eventually(lambda: "dead_letters" in shared.health.problems(), "readiness tells")
    assert site.committed() == {0: 1}


async def test_stopping_while_temporal_is_away_leaves_the_rest_to_the_next_process(
    site: Site, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = site.apply("orders", {"type": ["order"]})
    async with (
        Gate(site.stack.endpoints.temporal_address) as gate,
        site.running(monkeypatch, {"TASKFACTORY_TEMPORAL_ADDRESS": gate.address}) as shared,
    ):
        gate.shut()
        site.produce(*(event(number) for number in range(20)))
        await eventually(lambda: "starts" in shared.health.problems(), "starts fail")
    assert site.committed() in ({}, {0: 0})
    async with site.running(monkeypatch, {"TASKFACTORY_TEMPORAL_ADDRESS": site.stack.endpoints.temporal_address}):
        await all_committed(site)
    assert len(await runs(temporal, orders.id, 20)) == 20


async def test_a_consumer_that_breaks_takes_the_service_down(
    site: Site, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in site.env.items():
        monkeypatch.setenv(name, value)

    def breaking(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("taskfactory.ingress.consumer.record_from_message", breaking)
    site.produce(event(1))
    with pytest.raises(ExceptionGroup) as failed:
        await asyncio.wait_for(Ingress().run(Shared(["ingress"])), 30)
    assert failed.group_contains(ZeroDivisionError)


class Process:
    """Ingress in a process of its own."""

    def __init__(self, site: Site, log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM],
                env={**os.environ, **site.env, "TASKFACTORY_DRAIN_TIMEOUT": "10"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def terminate(self) -> int:
        """SIGTERM, and the exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def process(wide_site: Site, tmp_path: Path) -> Iterator[Callable[[], Process]]:
    processes: list[Process] = []

    def start() -> Process:
        processes.append(Process(wide_site, tmp_path / f"ingress-{len(processes)}.log"))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


async def test_sigterm_under_load_ends_the_process_soon_and_loses_nothing(
    wide_site: Site, temporal: Client, process: Callable[[], Process]
) -> None:
    count = 600
    orders = wide_site.apply("orders", {"type": ["order"]})
    wide_site.produce(*(event(number) for number in range(count)))
    for _ in range(2):
        before = sum(wide_site.committed().values())
        running = process()
        await eventually(partial(lambda number: sum(wide_site.committed().values()) > number, before), "it works")
        began = time.monotonic()
        assert running.terminate() == 0, running.log.read_text()
        assert time.monotonic() - began < 8
        assert sum(wide_site.committed().values()) < count, "the load was too light for this test"
    process()
    await all_committed(wide_site)
    assert len(await runs(temporal, orders.id, count)) == count
