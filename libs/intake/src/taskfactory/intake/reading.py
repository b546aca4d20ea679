"""From a record to the event in it: by its format, by the topic's mapping, with the schemas that it takes.

`read_event` is pure and says which schema it lacks; `EventReader` fetches that and reads again.
"""

from dataclasses import dataclass
from typing import Any, Final

from taskfactory.definitions import MappingFailed, RecordParts, map_record
from taskfactory.envelope import EventEnvelope, InvalidCode, InvalidEnvelope, SchemaNeeded, Schemas, decode
from taskfactory.envelope.schema_registry import RegistryUnavailable, SchemaRegistry
from taskfactory.intake.dead_letters import DeadLetter
from taskfactory.intake.in_force import InForce
from taskfactory.intake.records import Record
from taskfactory.intake.unavailable import Unavailable


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """An event and the record that it was read from."""

    record: Record
    envelope: EventEnvelope
    event: dict[str, Any]
    """The envelope in CloudEvents JSON form, as patterns and expressions see it."""


@dataclass(frozen=True, slots=True)
class NoEvent:
    """The topic's mapping says that this record is none: nothing follows from it."""

    record: Record


UNREADABLE_HEADERS: Final = (
    "the name of a header is not UTF-8, so that no header can be read; the dead letter has none of them, the record at "
    "its coordinates still does. Name headers in UTF-8"
)

ReadResult = ReadEvent | NoEvent | DeadLetter

READING_REASONS: Final = frozenset({"too_large", "invalid_headers", "mapping_error", "internal_error", *InvalidCode})
"""Why a record itself is a dead letter. Only a replay, which asks one definition, says such a thing of a definition."""


def read_event(record: Record, in_force: InForce, max_event_bytes: int, schemas: Schemas | None = None) -> ReadResult:
    """The event in a record, or the dead letter that the record is for every definition.

    Args:
        record: as it was consumed.
        in_force: has the mappings of topics without envelopes.
        max_event_bytes: a larger value is not even decoded.
        schemas: those of the schema registry that are known; None where there is no registry.

    Raises:
        SchemaNeeded: the record is Avro of a schema that is not known yet.
    """
    size = len(record.value or b"")
    if size > max_event_bytes:
        return DeadLetter(record, "too_large", f"the value has {size} bytes, {max_event_bytes} are allowed")
    if record.unreadable_headers:
        return DeadLetter(record, "invalid_headers", UNREADABLE_HEADERS)
    try:
        envelope = _envelope(record, in_force, schemas)
    except MappingFailed as failed:
        return DeadLetter(record, "mapping_error", f"the topic's mapping, {failed}")
    except InvalidEnvelope as error:
        return _dead_letter(record, error)
    return NoEvent(record) if envelope is None else ReadEvent(record, envelope, envelope.to_json_dict())


class EventReader:
    """Reads events, and fetches the schemas that this takes. It belongs to one event loop."""

    def __init__(self, max_event_bytes: int, registry: SchemaRegistry | None) -> None:
        """Read with this bound and, for records in Confluent's wire format, this registry."""
        self._max_event_bytes = max_event_bytes
        self._registry = registry

    def read_known(self, record: Record, in_force: InForce) -> ReadResult:
        """Read a record whose schema is known already, or that takes none; see `read_event`."""
        return read_event(record, in_force, self._max_event_bytes, self._registry)

    async def read(self, record: Record, in_force: InForce) -> ReadResult:
        """Read a record.

        Raises:
            Unavailable: the schema registry gives no answer now.
        """
        while True:
            try:
                return self.read_known(record, in_force)
            except SchemaNeeded as needed:
                letter = await self._fetch(record, needed)
                if letter is not None:
                    return letter

    async def _fetch(self, record: Record, needed: SchemaNeeded) -> DeadLetter | None:
        assert self._registry is not None  # noqa: S101 -- without one, nothing is needed of it
        try:
            await self._registry.fetch(needed.schema_id)
        except InvalidEnvelope as error:
            return _dead_letter(record, error)
        except RegistryUnavailable as away:
            raise Unavailable("SCHEMA_REGISTRY", str(away)) from away
        return None


def _envelope(record: Record, in_force: InForce, schemas: Schemas | None) -> EventEnvelope | None:
    mapping = in_force.mappings.get(record.topic)
    if mapping is None:
        return decode(record.value, record.headers, record.key, schemas)
    parts = RecordParts(
        record.topic, record.partition, record.offset, record.timestamp, record.key, record.value, record.headers
    )
    return map_record(mapping, parts, schemas)


def _dead_letter(record: Record, error: InvalidEnvelope) -> DeadLetter:
    place = f"{error.field}: " if error.field else ""
    return DeadLetter(record, error.code, f"{place}{error.message}")
