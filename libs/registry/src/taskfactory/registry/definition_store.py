"""Definitions in PostgreSQL: the present one of each name, and every version there ever was."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, text

from taskfactory.definitions import TICK, ActivityDefinition, RegisteredDefinition, TopicMapping, parse_definition
from taskfactory.registry import activations
from taskfactory.registry.applied import Applied
from taskfactory.registry.columns import arrays, unnest
from taskfactory.registry.revisions import take_turns
from taskfactory.registry.stored_text import json_text
from taskfactory.registry.topic_mapping_store import TopicMappingRow, apply_mappings, list_mappings, remove_mappings
from taskfactory.registry.transactions import in_transaction

_DEFINITION: Final = {
    "id": "uuid",
    "name": "text",
    "description": "text",
    "enabled": "boolean",
    "trigger_type": "text",
    "trigger_config": "json",
    "context_sources": "json",
    "task_templates": "json",
    "dedupe_key_strategy": "text",
    "version": "integer",
    "created_by": "text",
    "updated_by": "text",
}
_VERSION: Final = {
    "definition_id": "uuid",
    "version": "integer",
    "spec": "json",
    "outcomes": "json",
    "digest": "bytea",
    "created_by": "text",
}
_UPDATED: Final = [column for column in _DEFINITION if column not in {"id", "name", "created_by"}]

_PRESENT: Final = text("""
    SELECT d.name, d.id, d.version, v.digest
    FROM activity_definitions d
    JOIN activity_definition_versions v ON v.definition_id = d.id AND v.version = d.version
    WHERE d.name = ANY(CAST(:names AS text[]))
""")
_PUT: Final = text(f"""
    INSERT INTO activity_definitions ({", ".join(_DEFINITION)}) SELECT * FROM {unnest("d", _DEFINITION)}
    ON CONFLICT (name) DO UPDATE
    SET {", ".join(f"{column} = excluded.{column}" for column in _UPDATED)}, updated_at = now(), reason = NULL
""")  # noqa: S608 -- built from this module's constants
_PUT_VERSIONS: Final = text(f"""
    INSERT INTO activity_definition_versions ({", ".join(_VERSION)}) SELECT * FROM {unnest("v", _VERSION)}
""")  # noqa: S608 -- built from this module's constants

_ONE: Final = text("""
    SELECT definition_id, version, spec FROM activity_definition_versions
    WHERE definition_id = :id AND version = :version
""")
_LIST: Final = text("""
    SELECT name, id, version, enabled, paused, trigger_type, dedupe_key_strategy, description,
           created_at, updated_at, created_by
    FROM activity_definitions WHERE CAST(:name AS text) IS NULL OR name = :name ORDER BY name
""")
_REVISION: Final = text("SELECT revision FROM definitions_revision")


class DuplicateNames(ValueError):  # noqa: N818 -- it names what is wrong with the input
    """Two definitions of one name, or two mappings of one topic, were to be applied together.

    Attributes:
        names: the names or topics that occur more than once, sorted.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """Name them."""
        self.names = tuple(names)
        super().__init__(f"given more than once: {', '.join(names)}; a name stands for one document")


class UnknownDefinition(LookupError):  # noqa: N818 -- it names what is missing
    """No definition has this id in this version.

    Attributes:
        id: the definition's UUID.
        version: the version asked for.
    """

    def __init__(self, definition_id: str, version: int) -> None:
        """Keep both."""
        self.id = definition_id
        self.version = version
        super().__init__(f"the registry has no version {version} of definition {definition_id}")


@dataclass(frozen=True, slots=True)
class DefinitionRow:
    """A definition as `get definitions` lists it."""

    name: str
    id: str
    version: int
    enabled: bool
    paused: bool
    trigger_type: str
    dedupe_key_strategy: str
    """`event_id`, `subject`, or `expression: …`."""
    description: str | None
    created_at: datetime
    updated_at: datetime
    created_by: str
    """Who applied the first version; the others' authors are with the versions."""


class DefinitionStore:
    """Definitions and their versions. Safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        """Use `engine`."""
        self._engine = engine

    def apply(
        self, definitions: Sequence[ActivityDefinition], author: str, mappings: Sequence[TopicMapping] = ()
    ) -> list[Applied]:
        """Make the registry's definitions of these names, and mappings of these topics, equal to the ones given.

        Others stay. What differs from its present version gets a new one; all happens in one transaction, and
        listeners are notified when it commits.

        Args:
            definitions: with distinct names.
            author: who is to be recorded.
            mappings: with distinct topics.

        Returns:
            One entry per definition, then one per mapping, in their order.

        Raises:
            DuplicateNames: a name or topic occurs more than once.
            Refused: a document holds a value that the database refuses; nothing was applied.
        """
        for names in ([each.name for each in definitions], [each.topic for each in mappings]):
            if twice := sorted(name for name, count in Counter(names).items() if count > 1):
                raise DuplicateNames(twice)

        def apply(connection: Connection) -> list[Applied]:
            # Of two who apply at once, the second compares with what the first has written.
            take_turns(connection)
            return [*_apply(connection, definitions, author), *apply_mappings(connection, mappings, author)]

        return in_transaction(self._engine, apply)

    def mappings(self) -> list[TopicMappingRow]:
        """The topic mappings in force, by topic."""
        return in_transaction(self._engine, list_mappings)

    def remove_mappings(self, topics: Sequence[str], author: str) -> list[str]:
        """Let records of these topics be read as envelopes again; the topics that had a mapping, sorted."""

        def remove(connection: Connection) -> list[str]:
            take_turns(connection)
            return remove_mappings(connection, topics, author)

        return in_transaction(self._engine, remove)

    def changes(self, since: int | None) -> activations.DefinitionChanges:
        """What changed after revision `since`; with None, everything that is in force.

        A definition that this version of taskfactory can't read (another version wrote it) counts as gone, with an
        error in the log, so that it keeps no other from being matched.
        """
        return in_transaction(self._engine, lambda connection: activations.changes(connection, since))

    def in_force_at(self, revision: int) -> activations.DefinitionChanges:
        """Everything that was in force at a revision, in the versions of then, as if all of it had changed."""
        return in_transaction(self._engine, lambda connection: activations.changes(connection, None, revision))

    def pause(self, names: Sequence[str], author: str, reason: str | None) -> list[str]:
        """Let definitions match without starting anything; the names of those that were not paused before.

        Raises:
            UnknownNames: a name is not known; nothing was changed.
        """
        return self._set_paused(names, author, reason, paused=True)

    def resume(self, names: Sequence[str], author: str, reason: str | None) -> list[str]:
        """Let paused definitions start runs again, from the next record on; the names of those that were paused.

        Raises:
            UnknownNames: a name is not known; nothing was changed.
        """
        return self._set_paused(names, author, reason, paused=False)

    def _set_paused(self, names: Sequence[str], author: str, reason: str | None, *, paused: bool) -> list[str]:
        return in_transaction(
            self._engine, lambda connection: activations.set_paused(connection, names, author, reason, paused=paused)
        )

    def version(self, definition_id: str, version: int) -> RegisteredDefinition:
        """One version, present or past.

        Raises:
            UnknownDefinition: there is none.
            InvalidDefinitions: this version of taskfactory can't read it.
        """
        asked = {"id": UUID(definition_id), "version": version}
        row = in_transaction(self._engine, lambda connection: connection.execute(_ONE, asked).first())
        if row is None:
            raise UnknownDefinition(definition_id, version)
        return _registered(row)

    def list(self, name: str | None = None) -> list[DefinitionRow]:
        """All definitions by name, disabled ones too; or the one of that name."""
        rows = in_transaction(
            self._engine, lambda connection: connection.execute(_LIST, {"name": name}).mappings().all()
        )
        return [DefinitionRow(**{**row, "id": str(row["id"])}) for row in rows]

    def revision(self) -> int:
        """A number that rises with every change of a definition; cheap to ask for.

        Read it before anything else, and a change in between is only ever noticed twice, never missed.
        """
        return int(in_transaction(self._engine, lambda connection: connection.execute(_REVISION).scalar_one()))


def _apply(connection: Connection, definitions: Sequence[ActivityDefinition], author: str) -> list[Applied]:
    names = sorted(definition.name for definition in definitions)
    present = {row.name: row for row in connection.execute(_PRESENT, {"names": names})}
    applied: list[Applied] = []
    rows: list[tuple[Any, ...]] = []
    versions: list[tuple[Any, ...]] = []
    for definition in definitions:
        spec = definition.to_dict()
        digest = _digest(spec)
        before = present.get(definition.name)
        definition_id = before.id if before else uuid4()
        if before and bytes(before.digest) == digest:
            applied.append(Applied(definition.name, str(definition_id), before.version, "unchanged"))
            continue
        version = before.version + 1 if before else 1
        applied.append(Applied(definition.name, str(definition_id), version, "updated" if before else "created"))
        rows.append(_row(definition_id, spec, version, author))
        versions.append((definition_id, version, json_text(spec), json_text(spec["outcomes"]), digest, author))
    if rows:
        connection.execute(_PUT, arrays("d", _DEFINITION, rows))
        connection.execute(_PUT_VERSIONS, arrays("v", _VERSION, versions))
    return applied


def _row(definition_id: UUID, spec: Mapping[str, Any], version: int, author: str) -> tuple[Any, ...]:
    key = spec["dedupe"]["key"] if "dedupe" in spec else TICK
    return (
        definition_id,
        spec["name"],
        spec.get("description"),
        spec["enabled"],
        spec["trigger"]["type"],
        json_text({name: value for name, value in spec["trigger"].items() if name != "type"}),
        json_text(spec["context"]),
        json_text(spec["tasks"]),
        key if isinstance(key, str) else f"expression: {key['expression']}",
        version,
        author,
        author,
    )


def _digest(spec: Mapping[str, Any]) -> bytes:
    canonical = json.dumps(spec, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).digest()


def _registered(row: Any) -> RegisteredDefinition:
    return RegisteredDefinition(id=str(row.definition_id), version=row.version, definition=parse_definition(row.spec))
