"""Bad input gets a clear place and loses nothing: the partition goes on, the bytes are kept."""

from collections.abc import Callable

import orjson
from confluent_kafka import Producer

from tests.e2e.platform import Platform, as_json, event, eventually, ids

DEFINITION = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: note-it
trigger: {type: event, match: {type: [test.order]}}
tasks:
  - {name: note, type: activity, handler: note, queue: "{queue}", params: {number: "${event.data.number}"}}
"""
STRUCTURED = [("content-type", b"application/cloudevents+json")]


def produce(platform: Platform, *records: tuple[bytes, list[tuple[str, bytes]]]) -> None:
    """Write raw records, as a producer with other ideas would."""
    producer = Producer(
        {"bootstrap.servers": platform.stack.endpoints.kafka_bootstrap_servers, "message.max.bytes": "4000000"}
    )
    for value, headers in records:
        producer.produce(platform.topic, value, headers=dict[str, str | bytes | None](headers), partition=0)
    assert producer.flush(20) == 0


def structured(**attributes: object) -> tuple[bytes, list[tuple[str, bytes]]]:
    envelope = {"specversion": "1.0", "id": "1", "source": "/tests", "type": "test.order", "data": {"number": 1}}
    return orjson.dumps({**envelope, **attributes}), STRUCTURED


def test_broken_records_are_dead_lettered_with_their_bytes_and_the_partition_goes_on(platform: Platform) -> None:
    platform.apply(DEFINITION)
    platform.start("run")
    platform.worker()
    garbage = b"\xff\xfe not an envelope"
    no_source = orjson.dumps({"specversion": "1.0", "id": "1", "type": "test.order"})
    produce(platform, (garbage, [("trace", b"t1")]), (no_source, STRUCTURED), structured(id="good"))

    eventually(lambda: len(ids(platform.outcomes())) == 2, "the good record behind the broken ones gets its run")
    letters = [(value, dict(headers)) for value, headers, _ in platform.records(platform.dlq_topic)]
    assert [value for value, _ in letters] == [garbage, no_source]
    first, second = (headers for _, headers in letters)
    assert first["trace"] == b"t1"
    assert first["taskfactory_dlq_reason"] == b"not_an_envelope"
    assert second["taskfactory_dlq_reason"] == b"missing_attribute"
    assert b"source" in second["taskfactory_dlq_message"]
    assert second["taskfactory_dlq_topic"] == platform.topic.encode()
    assert (second["taskfactory_dlq_partition"], second["taskfactory_dlq_offset"]) == (b"0", b"1")


def test_an_envelope_over_the_size_limit_is_dead_lettered(make_platform: Callable[..., Platform]) -> None:
    platform = make_platform(TASKFACTORY_MAX_EVENT_BYTES="2000")
    platform.apply(DEFINITION)
    platform.start("run")
    platform.worker()
    produce(platform, structured(id="large", data={"text": "x" * 3000}), structured(id="good"))
    eventually(lambda: len(ids(platform.outcomes())) == 2, "the record behind the large one gets its run")
    ((_, headers, _),) = platform.records(platform.dlq_topic)
    assert dict(headers)["taskfactory_dlq_reason"] == b"too_large"


def test_a_template_error_fails_the_run_and_says_why(platform: Platform) -> None:
    platform.apply(DEFINITION)
    platform.start("run")
    platform.send([event(1, data={"other": 1})])
    eventually(platform.outcomes, "the failed run is published")
    (outcome,) = platform.outcomes()
    assert outcome.type == "io.taskfactory.run.failed"
    assert "number" in outcome.data["run"]["error"]["message"]
    (run,) = as_json(platform.run("get", "runs", "-o", "json"))
    assert run["state"] == "failed"
    assert "tasks[0].params.number" in platform.run("get", "runs", "-o", "yaml").stdout


def test_a_broken_definition_file_applies_nothing_and_lists_every_error(platform: Platform) -> None:
    good = DEFINITION.replace("{queue}", "queue")
    broken = good.replace("note-it", "broken").replace("trigger: {type: event", "triger: {type: event")
    file = platform.folder / "definitions.yaml"
    file.write_text(f"{good}---{broken.replace('handler: note', 'handler: 7')}")
    done = platform.run("apply", "-f", str(file), check=False)
    assert done.returncode == 2
    errors = done.stdout + done.stderr
    assert f"{file}:" in errors
    assert "triger" in errors
    assert "trigger" in errors
    assert "tasks[0].handler" in errors
    assert as_json(platform.run("get", "definitions", "-o", "json")) == []


def test_awkward_keys_neither_collide_nor_stop_anything(platform: Platform) -> None:
    """Slashes, 5,000 characters and NUL run; a lone surrogate is no Unicode text and is dead-lettered."""
    platform.apply(DEFINITION.replace("trigger:", "dedupe: {key: {expression: event.data.key}}\ntrigger:"))
    platform.start("run")
    platform.worker()
    keys = ["a/b", "a", "a/b/note", "k" * 5000, "k" * 4999, "nul\0nul", "nul", "g2", "ключ", "{'}\\"]
    produce(
        platform,
        *(structured(id=f"e/{n}", subject=f"s/{n}", data={"number": n, "key": key}) for n, key in enumerate(keys)),
        (structured(id="bad", data={"number": 0, "key": "KEY"})[0].replace(b'"KEY"', b'"\\ud800"'), STRUCTURED),
    )
    eventually(lambda: len(platform.effects()) == len(keys), "every key has its run")
    eventually(lambda: len(ids(platform.outcomes())) == 2 * len(keys), "and its outcomes")
    assert platform.scalar("SELECT count(*) FROM activity_runs WHERE state = 'completed'") == len(keys)
    ((value, headers, _),) = platform.records(platform.dlq_topic)
    assert b"\\ud800" in value
    assert dict(headers)["taskfactory_dlq_reason"] == b"malformed_json"
    assert platform.run("get", "runs", "-o", "json").returncode == 0
