"""The decision stream: one envelope for each record that ingress has decided about, on a topic of its own.

It is for people and programs that watch what ingress does; nothing of taskfactory reads it. An envelope's id is the
record's coordinates, so a record that is decided again gives the same id again.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from taskfactory.envelope import TYPE_PREFIX, EventEnvelope, encode
from taskfactory.intake.dead_letters import MESSAGE_LIMIT
from taskfactory.intake.disposition import Disposition
from taskfactory.intake.kafka_writer import KafkaWriter, TooLarge
from taskfactory.intake.records import Record

TYPE: Final = f"{TYPE_PREFIX}record.decided"
SOURCE: Final = "/taskfactory/ingress"


@dataclass(frozen=True, slots=True)
class Decided:
    """A record and everything that became of it; if nothing but shadow versions took it, no definition matched."""

    record: Record
    event: Mapping[str, Any] | None
    """The envelope's JSON form; None if there was none to be read."""
    revision: int
    dispositions: Sequence[Disposition]


class DecisionStream(Protocol):
    """Where decisions are told."""

    async def publish(self, decided: Decided) -> None:
        """Return when it is durable.

        Raises:
            Unavailable: not now; the same may be published again.
        """


class KafkaDecisionStream:
    """Publishes decisions to a topic."""

    def __init__(self, config: Mapping[str, str], topic: str) -> None:
        """Create the producer; nothing is connected yet.

        Raises:
            KafkaException: librdkafka refuses the configuration.
        """
        batched = {"linger.ms": "20", "compression.type": "zstd", "message.timeout.ms": "30000"}
        self._writer = KafkaWriter({**batched, **config}, topic)

    async def publish(self, decided: Decided) -> None:
        """See `DecisionStream.publish`.

        What the topic finds too large is told in short: those who watch must not hold up what they watch.
        """
        now = datetime.now(UTC)
        told = encode(envelope_of(decided, now), key=decided.record.key)
        with contextlib.suppress(TooLarge):
            return await self._writer.write(told.key, told.value, told.headers)
        told = encode(envelope_of(decided, now, short=True))
        return await self._writer.write(told.key, told.value, told.headers)

    def close(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for what is under way, then stop."""
        self._writer.close(timeout)


def envelope_of(decided: Decided, now: datetime, *, short: bool = False) -> EventEnvelope:
    """What is published about a record.

    Args:
        decided: the record and what became of it.
        now: an aware time.
        short: leave out what may be of any size, the event's attributes and the decisions, and say `truncated`.
    """
    record, event = decided.record, ({} if short else decided.event) or {}
    data: dict[str, Any] = {
        "record": {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.timestamp,
        },
        "event": {name: event[name] for name in ("source", "id", "type", "subject", "time") if name in event},
        "revision": decided.revision,
        "filtered": all(each.kind == "shadowed" for each in decided.dispositions),
        **({"truncated": True} if short else {"decisions": list(map(_told, decided.dispositions))}),
    }
    return EventEnvelope(
        id=f"{record.topic}/{record.partition}/{record.offset}",
        source=SOURCE,
        type=TYPE,
        subject=event.get("subject"),
        time=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        datacontenttype="application/json",
        causationid=event.get("id"),
        data=data,
    )


def _told(disposition: Disposition) -> dict[str, Any]:
    definition, letter = disposition.definition, disposition.letter
    told = {
        "decision": disposition.kind,
        "activity": None
        if definition is None
        else {"id": definition.id, "name": definition.definition.name, "version": definition.version},
        "run": disposition.run_id,
        "reason": letter and letter.reason,
        "message": _message(letter.message if letter else disposition.trouble),
    }
    return {name: value for name, value in told.items() if value is not None}


def _message(text: str | None) -> str | None:
    return None if text is None else text[:MESSAGE_LIMIT].encode("utf-8", "backslashreplace").decode()
