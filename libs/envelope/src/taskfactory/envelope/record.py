"""The part of a Kafka record that carries an envelope."""

from typing import Literal, NamedTuple

Format = Literal["structured", "binary", "avro", "confluent"]
"""CloudEvents structured JSON, CloudEvents binary mode, Avro single-object encoding, Confluent's wire format."""


class Record(NamedTuple):
    """What to produce; `decode(*record)` reads it back."""

    value: bytes | None
    headers: list[tuple[str, bytes]]
    key: bytes | None = None
