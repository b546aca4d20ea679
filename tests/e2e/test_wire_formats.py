"""Every wire format on one topic, through ingress, with a real schema registry that goes away and comes back."""

from collections.abc import Callable

import orjson
from confluent_kafka import Producer

from taskfactory.envelope import EventEnvelope, Format, encode
from taskfactory.envelope.envelope_record import shipped
from tests.e2e.platform import Platform, event, eventually
from tests.schema_registry_server import RegistryServer

NOTE = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: note-it
trigger: {type: event, match: {type: [test.order]}}
tasks:
  - {name: note, type: activity, handler: note, queue: "{queue}", params: {number: "${event.data.number}"}}
"""
ROWS = """
---
apiVersion: taskfactory/v1
kind: TopicMapping
topic: TOPIC
skip: value == null
id: string(value.after.id) + '/' + string(value.ts_ms)
source: "'/db/' + value.source.table"
type: "'test.order'"
time: value.ts_ms
data: "{'number': value.after.id}"
"""


def produce(platform: Platform, *values: bytes | None, topic: str | None = None) -> None:
    producer = Producer({"bootstrap.servers": platform.stack.endpoints.kafka_bootstrap_servers})
    for value in values:
        producer.produce(topic or platform.topic, value, partition=0)
    assert producer.flush(20) == 0


def send(platform: Platform, envelope: EventEnvelope, fmt: Format, schema_id: int | None = None) -> None:
    record = encode(envelope, fmt, schema_id=schema_id)
    producer = Producer({"bootstrap.servers": platform.stack.endpoints.kafka_bootstrap_servers})
    producer.produce(platform.topic, record.value, key=record.key, headers=list(record.headers))
    assert producer.flush(20) == 0


def test_an_event_starts_its_run_in_every_format_and_once_in_all_of_them(
    make_platform: Callable[..., Platform], schema_registry: RegistryServer
) -> None:
    platform = make_platform(TASKFACTORY_SCHEMA_REGISTRY_URL=schema_registry.url)
    schema_id = schema_registry.register(f"{platform.topic}-value", shipped()[0])
    platform.apply(NOTE)
    platform.start("run")
    platform.worker()
    formats: list[tuple[Format, int | None]] = [
        ("structured", None),
        ("binary", None),
        ("avro", None),
        ("confluent", schema_id),
    ]
    for number, (fmt, id_) in enumerate(formats):
        send(platform, event(number), fmt, id_)
        send(platform, event("everywhere", data={"number": 9}), fmt, id_)
    eventually(lambda: len(platform.effects()) == 5, "one run for each event")
    eventually(lambda: platform.committed() == platform.end_offsets(), "every offset is committed")
    assert platform.scalar("SELECT count(*) FROM activity_runs") == 5
    assert platform.records(platform.dlq_topic) == []


def test_while_the_schema_registry_is_away_known_schemas_are_read_and_unknown_ones_waited_for(
    make_platform: Callable[..., Platform], schema_registry: RegistryServer
) -> None:
    platform = make_platform(TASKFACTORY_SCHEMA_REGISTRY_URL=schema_registry.url)
    known = schema_registry.register(f"{platform.topic}-value", shipped()[0])
    document = orjson.loads(shipped()[0])
    later = schema_registry.register(
        f"{platform.topic}-later",
        orjson.dumps(
            {**document, "fields": [*document["fields"], {"name": "extra", "type": "int", "default": 0}]}
        ).decode(),
    )
    platform.apply(NOTE)
    ingress = platform.start("ingress")
    platform.start("orchestrator")
    platform.worker()
    send(platform, event(1), "confluent", known)
    eventually(lambda: len(platform.effects()) == 1, "the known schema was fetched")
    schema_registry.stop()
    try:
        newer = encode(event(2), "confluent", schema_id=later)
        produce(platform, (newer.value or b"") + b"\x02")
        eventually(lambda: not ingress.is_ready(), "the registry's absence is told")
        send(platform, event(3), "confluent", known)
        eventually(lambda: len(platform.effects()) == 2, "the known schema is still read")
    finally:
        schema_registry.start()
    eventually(lambda: len(platform.effects()) == 3, "the record that waited has its run")
    eventually(ingress.is_ready, "the registry is back")
    assert platform.records(platform.dlq_topic) == []


def test_an_id_that_the_registry_does_not_know_is_a_dead_letter(
    make_platform: Callable[..., Platform], schema_registry: RegistryServer
) -> None:
    platform = make_platform(TASKFACTORY_SCHEMA_REGISTRY_URL=schema_registry.url)
    platform.apply(NOTE)
    platform.start("run")
    send(platform, event(1), "confluent", 1_000_000_007)
    [(value, headers, _)] = eventually(lambda: platform.records(platform.dlq_topic), "it is dead-lettered")
    assert dict(headers)["taskfactory_dlq_reason"] == b"unknown_schema"
    assert value.startswith(b"\x00")


def test_a_topic_without_envelopes_starts_runs_by_its_mapping(platform: Platform) -> None:
    rows = platform.stack.topic("rows")
    platform.apply(NOTE + ROWS.replace("TOPIC", rows))
    platform.start("run", env={"TASKFACTORY_KAFKA_TOPICS": f"{platform.topic},{rows}"})
    platform.worker()

    def row(number: int) -> bytes:
        return orjson.dumps({"after": {"id": number}, "source": {"table": "orders"}, "ts_ms": 1_767_225_600_000})

    produce(platform, row(1), None, row(1), b'{"after": null}', row(2), topic=rows)
    eventually(lambda: len(platform.effects()) == 2, "each row has its run, the repeated one too")
    [(_, headers, _)] = eventually(lambda: platform.records(platform.dlq_topic), "the row without id is dead-lettered")
    assert dict(headers)["taskfactory_dlq_reason"] == b"mapping_error"
    assert {id_ for (id_,) in platform.query("SELECT event_id FROM activity_runs")} == {
        "1/1767225600000",
        "2/1767225600000",
    }
    assert rows in platform.run("get", "mappings").stdout
    assert "deleted mapping" in platform.run("delete", "mapping", rows).stdout
    assert platform.run("delete", "mapping", rows, check=False).returncode == 1
