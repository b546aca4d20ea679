"""Headers that only other clients can write: Kafka takes any bytes as a header's name, Python's client takes UTF-8."""

import ctypes
from pathlib import Path

import confluent_kafka

from tests.e2e.platform import Platform, event, eventually

NOTE = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: note-it
trigger: {type: event, match: {type: [test.order]}}
tasks:
  - {name: note, type: activity, handler: note, queue: "{queue}", params: {number: 1}}
"""
PRODUCER, TOPIC, PARTITION, VALUE, MSGFLAGS, HEADERS, END = 0, 1, 3, 4, 7, 10, 0
"""Numbers out of librdkafka's `rd_kafka_type_t` and `rd_kafka_vtype_t`."""
COPY = 2


def produce_with_a_header_named(name: bytes, platform: Platform) -> None:
    """Through librdkafka itself, as a program in C would."""
    (library,) = Path(confluent_kafka.__file__).parent.parent.glob("confluent_kafka.libs/librdkafka*")
    kafka = ctypes.CDLL(str(library))
    for function in (kafka.rd_kafka_conf_new, kafka.rd_kafka_new, kafka.rd_kafka_headers_new):
        function.restype = ctypes.c_void_p
    error = ctypes.create_string_buffer(512)
    config = ctypes.c_void_p(kafka.rd_kafka_conf_new())
    servers = platform.stack.endpoints.kafka_bootstrap_servers.encode()
    kafka.rd_kafka_conf_set(config, b"bootstrap.servers", servers, error, ctypes.c_size_t(512))
    producer = ctypes.c_void_p(kafka.rd_kafka_new(PRODUCER, config, error, ctypes.c_size_t(512)))
    headers = ctypes.c_void_p(kafka.rd_kafka_headers_new(ctypes.c_size_t(1)))
    kafka.rd_kafka_header_add(headers, name, ctypes.c_ssize_t(len(name)), b"x", ctypes.c_ssize_t(1))
    value = b"{}"
    failed = kafka.rd_kafka_producev(
        *(producer, TOPIC, platform.topic.encode(), PARTITION, ctypes.c_int(0), MSGFLAGS, ctypes.c_int(COPY)),
        *(VALUE, value, ctypes.c_size_t(len(value)), HEADERS, headers, END),
    )
    assert failed == 0
    assert kafka.rd_kafka_flush(producer, 20_000) == 0
    kafka.rd_kafka_destroy(producer)


def test_a_header_whose_name_is_not_utf8_is_a_dead_letter_and_stops_nothing(platform: Platform) -> None:
    platform.apply(NOTE)
    platform.start("run")
    platform.worker()
    produce_with_a_header_named(b"\xff\xfebad", platform)
    platform.send([event(1)])
    eventually(lambda: len(platform.effects()) == 1, "the record behind it has its run")
    [(value, headers, _)] = platform.records(platform.dlq_topic)
    assert value == b"{}"
    assert dict(headers)["taskfactory_dlq_reason"] == b"invalid_headers"
    assert "invalid_headers" in platform.run("dlq", "list").stdout
    told = platform.run("explain", "--topic", platform.topic, "--partition", "0", "--offset", "0").stdout
    assert "invalid_headers" in told
    eventually(lambda: platform.committed() == platform.end_offsets(), "every offset is committed")
    platform.run("audit", "--topic", platform.topic, "--from", "earliest", "--to", "latest")
