"""What ingress decides besides starting runs: pauses, activations, loops, a halt, and the stream that tells it all."""

from collections.abc import Callable

from confluent_kafka import Producer

from taskfactory.envelope import EventEnvelope, decode
from tests.e2e.platform import Platform, event, eventually, ids

NOTE = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: NAME
trigger: {type: event, match: {type: [TYPE]}}
tasks:
  - {name: note, type: activity, handler: note, queue: "{queue}", params: {number: 1}}
"""


def note(name: str, event_type: str = "test.order") -> str:
    return NOTE.replace("NAME", name).replace("TYPE", event_type)


def told_on(platform: Platform, topic: str) -> list[EventEnvelope]:
    return [decode(value, headers, key) for value, headers, key in platform.records(topic)]


def everything_is_committed(platform: Platform) -> bool:
    return platform.committed() == platform.end_offsets()


def test_a_definition_starts_nothing_for_records_from_before_its_activation(platform: Platform) -> None:
    platform.apply(note("early"))
    platform.send([event(1)])
    platform.apply(note("late"))
    platform.send([event(2)])
    platform.start("run")
    platform.worker()
    eventually(lambda: len(platform.effects()) == 3, "both for the second event, one for the first")
    eventually(lambda: everything_is_committed(platform), "every offset is committed")
    runs = platform.query("SELECT activity_name, event_id FROM activity_runs ORDER BY 1, 2")
    assert [name for name, _ in runs] == ["early", "early", "late"]


def test_outcomes_that_start_their_own_definition_again_end_in_a_dead_letter_that_names_the_chain(
    make_platform: Callable[..., Platform],
) -> None:
    platform = make_platform(TASKFACTORY_MAX_HOPS="3")
    ping = note("ping").replace("[test.order]", "[test.order, io.taskfactory.run.completed]")
    ping = ping.replace("type: [", "source: [/tests, /taskfactory/pong], type: [")
    pong = note("pong", "io.taskfactory.run.completed").replace("type: [", "source: [/taskfactory/ping], type: [")
    platform.apply(f"{ping}---{pong}")
    both = {"TASKFACTORY_KAFKA_TOPICS": f"{platform.topic},{platform.outcomes_topic}"}
    platform.start("run", env=both)
    platform.worker()
    platform.send([event(1)])
    [(_, headers, _)] = eventually(lambda: platform.records(platform.dlq_topic), "the loop is stopped")
    letter = dict(headers)
    assert letter["taskfactory_dlq_reason"] == b"too_many_hops"
    assert "ping → pong → ping → pong → ping" in letter["taskfactory_dlq_message"].decode()
    assert platform.scalar("SELECT count(*) FROM activity_runs") == 4


def test_a_topic_of_nothing_but_broken_records_stops_the_consumer_and_not_the_process(
    make_platform: Callable[..., Platform],
) -> None:
    platform = make_platform(TASKFACTORY_DEAD_LETTER_WINDOW="100", TASKFACTORY_MAX_IN_FLIGHT="50")
    platform.apply(note("note-it"))
    ingress = platform.start("ingress")
    producer = Producer({"bootstrap.servers": platform.stack.endpoints.kafka_bootstrap_servers})
    for _ in range(500):
        producer.produce(platform.topic, b"no event")
    assert producer.flush(20) == 0
    eventually(lambda: ingress.metric("taskfactory_ingress_halted") == 1, "consumption has stopped")
    eventually(lambda: not ingress.is_ready(), "the process says that it is not ready")
    assert "halted" in ingress.tail()
    letters = len(platform.records(platform.dlq_topic))
    assert letters < 100
    assert sum(platform.committed().values()) <= letters
    assert ingress.stop() == 0


def test_the_decision_stream_tells_what_became_of_each_record(make_platform: Callable[..., Platform]) -> None:
    platform = make_platform(TASKFACTORY_DECISION_STREAM="true", TASKFACTORY_LOG_LEVEL="info")
    topic = platform.stack.topic("decisions")
    platform.apply(note("note-it"))
    platform.start("run", env={"TASKFACTORY_DECISIONS_TOPIC": topic})
    platform.worker()
    platform.send([event(1), event(1), event(2, kind="test.other")])
    eventually(lambda: len(told_on(platform, topic)) == 3, "three decisions are told")
    told = told_on(platform, topic)
    by_kind = sorted([decision["decision"] for decision in each.data["decisions"]] for each in told)
    assert by_kind == [[], ["already_started"], ["started"]]
    assert ids(told) == {
        f"{platform.topic}/{each.data['record']['partition']}/{each.data['record']['offset']}" for each in told
    }
