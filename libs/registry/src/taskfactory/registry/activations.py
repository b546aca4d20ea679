"""Which definitions are in force: what changed since a revision, and what was in force at one. The log only grows."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, text

from taskfactory.definitions import ActivityDefinition, InvalidDefinitions, RegisteredDefinition, trusted_definition
from taskfactory.registry.topic_mapping_store import MappingChanges, mapping_changes

_log = logging.getLogger("taskfactory.registry")

DefinitionState = Literal["enabled", "paused", "disabled"]

# The newest row of each definition up to a revision says how it stands there.
_STANDING: Final = """
    SELECT DISTINCT ON (definition_id) definition_id, version, state, active_since, revision, at, by, reason
    FROM definition_activations
    WHERE revision > :since AND revision <= :until
    ORDER BY definition_id, revision DESC
"""
_CHANGED: Final = text(f"""
    SELECT d.name, a.*, v.spec
    FROM ({_STANDING}) a
    JOIN activity_definitions d ON d.id = a.definition_id
    JOIN activity_definition_versions v ON v.definition_id = a.definition_id AND v.version = a.version
    ORDER BY d.name
""")  # noqa: S608 -- built from this module's constants
_RELEASED: Final = text("""
    SELECT activity_id, digest, max(generation) AS generation FROM dedupe_releases
    WHERE rerun_of IS NULL AND revision > :since AND revision <= :until
    GROUP BY activity_id, digest
""")
_REVISION: Final = text("SELECT revision FROM definitions_revision")
_SET_PAUSED: Final = text("""
    UPDATE activity_definitions SET paused = :paused, updated_by = :by, reason = :reason
    WHERE name = ANY(CAST(:names AS text[])) AND paused <> :paused
    RETURNING name
""")
_NAMES: Final = text("SELECT name FROM activity_definitions WHERE name = ANY(CAST(:names AS text[]))")


@dataclass(frozen=True, slots=True)
class DefinitionChanges:
    """What changed after one revision and up to another."""

    revision: int
    """The registry's revision up to which this is."""
    in_force: Sequence[RegisteredDefinition]
    """Definitions that changed and are enabled, the paused ones among them, by name."""
    gone: Sequence[str]
    """Ids of definitions that changed and are not in force any more: disabled, or unreadable for this version."""
    released: Mapping[tuple[str, bytes], int] = field(default_factory=dict)
    """By activity id and key digest: the generation of keys that were released."""
    mappings: MappingChanges = field(default_factory=lambda: MappingChanges((), ()))


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


class UnknownNames(LookupError):  # noqa: N818 -- it names what is missing
    """No definition has one of these names.

    Attributes:
        names: those that are unknown, sorted.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """Name them."""
        self.names = tuple(names)
        super().__init__(f"no definition is named {', '.join(names)}; `taskfactory get definitions` lists them")


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
    rows = connection.execute(_CHANGED, between)
    in_force: list[RegisteredDefinition] = []
    gone: list[str] = []
    for row in rows:
        registered = None if row.state == "disabled" else _registered_or_logged(row)
        if registered is None:
            gone.append(str(row.definition_id))
        else:
            in_force.append(registered)
    released = {
        (str(activity_id), bytes(digest)): generation
        for activity_id, digest, generation in connection.execute(_RELEASED, between)
    }
    mappings = mapping_changes(connection, since, revision)
    return DefinitionChanges(revision, in_force, gone, released, mappings)


def set_paused(connection: Connection, names: Sequence[str], by: str, reason: str | None, *, paused: bool) -> list[str]:
    """Pause or resume definitions.

    Returns:
        Names of those that were not so already, sorted.

    Raises:
        UnknownNames: a name is not known; nothing was changed.
    """
    known = set(connection.execute(_NAMES, {"names": list(names)}).scalars())
    if unknown := sorted(set(names) - known):
        raise UnknownNames(unknown)
    asked = {"names": sorted(known), "paused": paused, "by": by, "reason": reason}
    return sorted(connection.execute(_SET_PAUSED, asked).scalars())


def _registered_or_logged(row: Any) -> RegisteredDefinition | None:
    try:
        definition: ActivityDefinition = trusted_definition(row.spec)
    except InvalidDefinitions as invalid:
        _log.error(
            "definition %s version %d is left out, no event can start it: %s; apply it again in a form that this "
            "version of taskfactory reads",
            row.name,
            row.version,
            "; ".join(str(error) for error in invalid.errors),
        )
        return None
    return RegisteredDefinition(
        id=str(row.definition_id),
        version=row.version,
        definition=definition,
        paused=row.state == "paused",
        active_since=row.active_since,
    )
