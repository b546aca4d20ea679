"""The wire: event envelopes, their codecs, and helpers to produce and subscribe.

Producers and subscribers on Kafka are in `taskfactory.envelope.kafka`; this module needs no broker and no Kafka client.
"""

from taskfactory.envelope.codec import decode, encode
from taskfactory.envelope.errors import InvalidCode, InvalidEnvelope
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
from taskfactory.envelope.record import Format, Record

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
    "TaskRef",
    "TaskStatus",
    "Trigger",
    "decode",
    "encode",
]
