"""The part of a Kafka record that carries an envelope."""

from typing import Literal, NamedTuple

Format = Literal["structured", "binary", "avro"]
"""CloudEvents structured JSON, CloudEvents binary mode, Avro single-object encoding."""


class Record(NamedTuple):
    """What to produce; `decode(*record)` reads it back."""

    value: bytes | None
    headers: list[tuple[str, bytes]]
    key: bytes | None = None
