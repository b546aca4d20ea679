"""Which definitions are in force: what changed since a revision, and what was in force at one. The log only grows."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from taskfactory.definitions import ActivityDefinition, InvalidDefinitions, RegisteredDefinition, trusted_definition
from taskfactory.registry.present import DefinitionState
from taskfactory.registry.topic_mapping_store import MappingChanges, mapping_changes

_log = logging.getLogger("taskfactory.registry")

# The newest row of each definition up to a revision says how it stands there.
_STANDING: Final = """
    SELECT DISTINCT ON (definition_id) definition_id, version, shadow_version, state, active_since
    FROM definition_activations
    WHERE revision > :since AND revision <= :until
    ORDER BY definition_id, revision DESC
"""
_CHANGED: Final = text(f"""
    SELECT d.name, a.*, v.spec, s.spec AS shadow_spec
    FROM ({_STANDING}) a
    JOIN activity_definitions d ON d.id = a.definition_id
    JOIN activity_definition_versions v ON v.definition_id = a.definition_id AND v.version = a.version
    LEFT JOIN activity_definition_versions s
        ON s.definition_id = a.definition_id AND s.version = a.shadow_version
    ORDER BY d.name
""")  # noqa: S608 -- built from this module's constants
_RELEASED: Final = text("""
    SELECT activity_id, digest, max(generation) AS generation FROM dedupe_releases
    WHERE rerun_of IS NULL AND revision > :since AND revision <= :until
    GROUP BY activity_id, digest
""")
_REVISION: Final = text("SELECT revision FROM definitions_revision")


@dataclass(frozen=True, slots=True)
class DefinitionChanges:
    """What changed after one revision and up to another."""

    revision: int
    """The registry's revision up to which this is."""
    in_force: Sequence[RegisteredDefinition]
    """Definitions that changed and are enabled, the paused ones among them, by name."""
    gone: Sequence[str]
    """Ids of definitions that changed and are not in force any more: disabled, deleted, or unreadable for this
    version."""
    released: Mapping[tuple[str, bytes], int] = field(default_factory=dict)
    """By activity id and key digest: the generation of keys that were released."""
    mappings: MappingChanges = field(default_factory=lambda: MappingChanges((), ()))
    shadows: Sequence[RegisteredDefinition] = ()
    """Shadow versions of definitions that changed, by name; whether the definition is in force does not matter."""
    shadows_gone: Sequence[str] = ()
    """Ids of definitions that changed and have no shadow version, or none that this version can read."""


@dataclass(frozen=True, slots=True)
class Activation:
    """One line of the log: from this revision on the definition stood so."""

    definition_id: str
    revision: int
    version: int
    state: DefinitionState
    active_since: datetime | None
    at: datetime
    by: str
    reason: str | None


def changes(connection: Connection, since: int | None, until: int | None = None) -> DefinitionChanges:
    """What changed after revision `since` (None: ever) and up to `until` (None: now).

    A definition that this version of taskfactory can't read (another version wrote it) counts as gone, with an error
    in the log, so that it keeps no other from being matched.

    Raises:
        InvalidDefinitions: this version can't read a topic mapping; without it, records would be misread.
    """
    # Read before the rows: a change in between is noticed twice, never missed.
    revision = until if until is not None else int(connection.execute(_REVISION).scalar_one())
    between = {"since": -1 if since is None else since, "until": revision}
    in_force: list[RegisteredDefinition] = []
    gone: list[str] = []
    shadows: list[RegisteredDefinition] = []
    shadows_gone: list[str] = []
    for row in connection.execute(_CHANGED, between):
        _sort(row, None if row.state in {"disabled", "deleted"} else _active(row), in_force, gone)
        _sort(row, None if row.shadow_version is None else _shadow(row), shadows, shadows_gone)
    released = {
        (str(activity_id), bytes(digest)): generation
        for activity_id, digest, generation in connection.execute(_RELEASED, between)
    }
    mappings = mapping_changes(connection, since, revision)
    return DefinitionChanges(revision, in_force, gone, released, mappings, shadows, shadows_gone)


def _sort(row: Any, read: RegisteredDefinition | None, there: list[RegisteredDefinition], gone: list[str]) -> None:
    if read is None:
        gone.append(str(row.definition_id))
    else:
        there.append(read)


def _active(row: Any) -> RegisteredDefinition | None:
    definition = _read_or_logged(row.name, row.version, row.spec)
    if definition is None:
        return None
    return RegisteredDefinition(
        str(row.definition_id), row.version, definition, row.state == "paused", row.active_since
    )


def _shadow(row: Any) -> RegisteredDefinition | None:
    definition = _read_or_logged(row.name, row.shadow_version, row.shadow_spec)
    if definition is None:
        return None
    return RegisteredDefinition(str(row.definition_id), row.shadow_version, definition)


def _read_or_logged(name: str, version: int, spec: Any) -> ActivityDefinition | None:
    try:
        return trusted_definition(spec)
    except InvalidDefinitions as invalid:
        _log.error(
            "definition %s version %d is left out, no event can start it: %s; apply it again in a form that this "
            "version of taskfactory reads",
            name,
            version,
            "; ".join(str(error) for error in invalid.errors),
        )
        return None
