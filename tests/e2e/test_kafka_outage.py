"""Kafka goes away between a run's claim and its end: no outcome is lost, and none gets a second id."""

import asyncio
from collections.abc import Callable

from tests.e2e.kafka_gate import KafkaGate
from tests.e2e.platform import Platform, event, eventually, ids

HELD = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: held
trigger: {type: event, match: {type: [test.order]}}
tasks:
  - {name: held, type: activity, handler: wait_for_file, queue: "{queue}", params: {path: "PATH"}}
"""
IMPATIENT = {
    "TASKFACTORY_KAFKA_CONFIG__DELIVERY_TIMEOUT_MS": "1500",
    "TASKFACTORY_KAFKA_CONFIG__RECONNECT_BACKOFF_MAX_MS": "500",
}
RUNS = 3


def states(platform: Platform) -> list[str]:
    return [state for (state,) in platform.query("SELECT state FROM activity_runs")]


async def test_outcomes_of_ends_during_a_kafka_outage_are_published_after_it(
    make_platform: Callable[..., Platform],
) -> None:
    platform = await asyncio.to_thread(make_platform)
    released = platform.folder / "released"
    async with KafkaGate(platform.stack.endpoints.kafka_bootstrap_servers) as gate:
        behind_the_gate = {"TASKFACTORY_KAFKA_BOOTSTRAP_SERVERS": gate.address, **IMPATIENT}

        def until_claimed() -> None:
            platform.apply(HELD.replace("PATH", str(released)))
            platform.start("ingress")
            platform.start("orchestrator", env=behind_the_gate)
            platform.worker()
            platform.send([event(number) for number in range(RUNS)])
            eventually(lambda: states(platform) == ["running"] * RUNS, "the runs are claimed")

        def until_ended_in_vain() -> None:
            orchestrator = platform.services[1]
            released.touch()
            eventually(lambda: states(platform) == ["completed"] * RUNS, "the rows say that the runs have ended")
            eventually(lambda: not orchestrator.is_ready(), "the orchestrator says that it can't publish")
            assert platform.outcomes() == []

        def until_published() -> None:
            orchestrator = platform.services[1]
            run_ids = [run_id for (run_id,) in platform.query("SELECT run_id FROM activity_runs")]
            ends = {f"{run_id}/{end}" for run_id in run_ids for end in ("held/completed", "completed")}
            eventually(lambda: ids(platform.outcomes()) >= ends, "every end is published")
            eventually(orchestrator.is_ready, "the orchestrator can publish again")
            assert ids(platform.outcomes()) == ends
            assert len(platform.effects()) == RUNS

        await asyncio.to_thread(until_claimed)
        gate.shut()
        await asyncio.to_thread(until_ended_in_vain)
        gate.open()
        await asyncio.to_thread(until_published)
