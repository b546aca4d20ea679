"""2,000 events with 10 % duplicates while every part is killed twice: nothing lost, nothing done under two keys."""

import random
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from tests.e2e.platform import Platform, event, eventually, ids

EVENTS = 2000
DEFINITION = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: record-order
trigger: {type: event, match: {type: [test.order]}}
tasks:
  - name: note
    type: activity
    handler: note
    queue: "{queue}"
    timeout: 5s  # an attempt that died with its worker is given up after this
    params: {number: "${event.data.number}"}
---
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: inspect-large-order
trigger: {type: event, match: {type: [test.order], data: {large: [true]}}}
tasks:
  - name: inspect
    type: activity
    handler: note
    queue: "{queue}"
    timeout: 5s
    foreach: event.data.parts
    params: {part: "${item}"}
"""


def tasks_done(platform: Platform) -> int:
    return int(platform.scalar("SELECT count(*) FROM tasks WHERE state = 'completed'"))


def more_than(platform: Platform, done: int) -> bool:
    return tasks_done(platform) > done


@pytest.fixture
def platform(make_platform: Callable[..., Platform]) -> Platform:
    # A killed member is noticed within this time, not within Kafka's default of 45 s.
    return make_platform(TASKFACTORY_KAFKA_CONFIG__SESSION_TIMEOUT_MS="6000")


@pytest.mark.timeout(420)
def test_nothing_is_lost_or_done_twice_while_every_part_is_killed_twice(
    platform: Platform, record_property: Callable[[str, object], None]
) -> None:
    platform.apply(DEFINITION)
    distinct = [
        event(n, data={"number": n, "large": n % 10 == 0, "parts": ["a", "b"]}) for n in range(EVENTS * 9 // 10)
    ]
    sequence = [*distinct, *random.Random(7).sample(distinct, EVENTS - len(distinct))]
    random.Random(8).shuffle(sequence)
    large = sum(1 for envelope in distinct if envelope.data["large"])
    expected_runs, expected_tasks = len(distinct) + large, len(distinct) + 2 * large

    parts = {"ingress": platform.start("ingress"), "orchestrator": platform.start("orchestrator")}
    parts["worker"] = platform.worker()
    order = ["ingress", "orchestrator", "worker", "orchestrator", "ingress", "worker"]
    slice_size = len(sequence) // (len(order) + 1)
    for number, name in enumerate(order):
        platform.send(sequence[number * slice_size : (number + 1) * slice_size])
        done = tasks_done(platform)
        eventually(partial(more_than, platform, done), f"work goes on before {name} is killed")
        parts[name].kill()
        parts[name] = platform.worker() if name == "worker" else platform.start(name)
    platform.send(sequence[len(order) * slice_size :])

    eventually(
        lambda: platform.scalar("SELECT count(*) FROM activity_runs WHERE state = 'completed'") == expected_runs,
        f"{expected_runs} runs are completed",
        timeout=240,
    )
    eventually(lambda: platform.committed() == platform.end_offsets(), "every offset is committed")
    assert [service.stop() for service in parts.values()] == [0, 0, 0]

    outcomes = platform.outcomes()
    tasks = {outcome.id for outcome in outcomes if outcome.type.startswith("io.taskfactory.task.")}
    runs = {outcome.id for outcome in outcomes if outcome.type.startswith("io.taskfactory.run.")}
    repeats = len(outcomes) - len(ids(outcomes))
    record_property("outcomes", f"{len(outcomes)}, distinct {len(ids(outcomes))}, repeats of one id {repeats}")
    terminal_ids_per_thing = Counter(id_.rpartition("/")[0] for id_ in tasks | runs)
    assert set(terminal_ids_per_thing.values()) == {1}
    assert len(tasks) == expected_tasks
    assert len(runs) == expected_runs
    assert set(platform.effects()) == {task_id for (task_id,) in platform.query("SELECT task_id FROM tasks")}
    assert platform.scalar("SELECT count(*) FROM dedupe_ledger") == expected_runs
    assert platform.records(platform.dlq_topic) == []
