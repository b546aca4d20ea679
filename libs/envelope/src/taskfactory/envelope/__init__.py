"""The wire: event envelopes, their codecs, and helpers to produce and subscribe.

Producers and subscribers on Kafka are in `taskfactory.envelope.kafka`, the client of a schema registry is in
`taskfactory.envelope.schema_registry`; this module needs no broker, no registry and no client of either.
"""

from taskfactory.envelope.codec import declares_cloudevent, decode, encode
from taskfactory.envelope.confluent import read_avro
from taskfactory.envelope.errors import InvalidCode, InvalidEnvelope, SchemaNeeded
from taskfactory.envelope.model import EventEnvelope
from taskfactory.envelope.outcome import (
    CHAIN,
    TYPE_PREFIX,
    ActivityRef,
    Failure,
    Outcome,
    RunRef,
    RunStatus,
    TaskRef,
    TaskStatus,
    Trigger,
)
from taskfactory.envelope.plain_json import read_json
from taskfactory.envelope.record import Format, Record
from taskfactory.envelope.writer_schema import SchemaRefused, Schemas, WriterSchema, parse_writer_schema

__all__ = [
    "CHAIN",
    "TYPE_PREFIX",
    "ActivityRef",
    "EventEnvelope",
    "Failure",
    "Format",
    "InvalidCode",
    "InvalidEnvelope",
    "Outcome",
    "Record",
    "RunRef",
    "RunStatus",
    "SchemaNeeded",
    "SchemaRefused",
    "Schemas",
    "TaskRef",
    "TaskStatus",
    "Trigger",
    "WriterSchema",
    "declares_cloudevent",
    "decode",
    "encode",
    "parse_writer_schema",
    "read_avro",
    "read_json",
]
