"""Definitions and their versions as people look at them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from taskfactory.registry.definition_errors import UnknownNames, UnknownVersion
from taskfactory.registry.present import REVISION, STATE, DefinitionState, etag_of

_COLUMNS: Final = f"""
    d.name, d.id, d.version, {STATE}, d.enabled, d.paused, d.shadow_version, d.trigger_type, d.dedupe_key_strategy,
    d.description, d.created_at, d.created_by, d.updated_at, d.updated_by, d.reason, {REVISION}
"""
_LIST: Final = text(f"""
    SELECT {_COLUMNS} FROM activity_definitions d
    WHERE (CAST(:name AS text) IS NULL OR d.name = :name) AND (:deleted OR d.deleted_at IS NULL)
    ORDER BY d.name
""")  # noqa: S608 -- built from this module's constants
_PAGE: Final = text(f"""
    SELECT * FROM (SELECT {_COLUMNS} FROM activity_definitions d WHERE
        (CAST(:after AS text) IS NULL OR d.name > :after)
        AND (CAST(:prefix AS text) IS NULL OR starts_with(d.name, :prefix))
        AND (CAST(:trigger AS text) IS NULL OR d.trigger_type = :trigger)
    ) listed
    WHERE CASE WHEN CAST(:state AS text) IS NULL THEN state <> 'deleted' ELSE state = :state END
    ORDER BY name LIMIT :limit
""")  # noqa: S608 -- built from this module's constants
_VERSIONS: Final = text("""
    SELECT d.name, v.definition_id AS id, v.version, v.spec AS document, v.created_at, v.created_by, v.reason,
           v.version = d.version AND d.deleted_at IS NULL AND d.version IS DISTINCT FROM d.shadow_version AS active,
           v.version IS NOT DISTINCT FROM d.shadow_version AS shadow
    FROM activity_definition_versions v JOIN activity_definitions d ON d.id = v.definition_id
    WHERE d.name = :name AND (CAST(:version AS integer) IS NULL OR v.version = :version)
      AND (CAST(:below AS integer) IS NULL OR v.version < :below)
    ORDER BY v.version DESC LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class DefinitionRow:
    """A definition as `get definitions` lists it."""

    name: str
    id: str
    version: int
    """The active version; of a shadow version alone, and of a deleted definition, the one that would be or last was."""
    state: DefinitionState
    enabled: bool
    """It is in force: neither disabled nor deleted, nor a shadow version alone."""
    paused: bool
    shadow_version: int | None
    trigger_type: str
    dedupe_key_strategy: str
    """`event_id`, `subject`, or `expression: …`."""
    description: str | None
    created_at: datetime
    created_by: str
    """Who applied the first version."""
    updated_at: datetime
    """When anything last happened to it: a new version, a pause, …"""
    updated_by: str
    reason: str | None
    """Why, in that person's words."""
    etag: str | None
    """What changes with everything that happens to it; None if it was deleted."""


@dataclass(frozen=True, slots=True)
class DefinitionVersion:
    """One version of a definition; it never changes."""

    name: str
    id: str
    version: int
    document: Mapping[str, Any]
    """As it was applied, in JSON form; this version of taskfactory need not be able to read it."""
    created_at: datetime
    created_by: str
    reason: str | None
    active: bool
    shadow: bool


def list_definitions(connection: Connection, name: str | None, *, deleted: bool) -> list[DefinitionRow]:
    """All by name, or the one of that name."""
    return [_row(row) for row in connection.execute(_LIST, {"name": name, "deleted": deleted}).mappings()]


def page_of_definitions(  # noqa: PLR0913 -- what narrows the page
    connection: Connection,
    *,
    prefix: str | None,
    state: DefinitionState | None,
    trigger: str | None,
    after: str | None,
    limit: int,
) -> list[DefinitionRow]:
    """Those that fit, by name, after a name."""
    asked = {"prefix": prefix, "state": state, "trigger": trigger, "after": after, "limit": limit}
    return [_row(row) for row in connection.execute(_PAGE, asked).mappings()]


def versions_of(connection: Connection, name: str, *, below: int | None, limit: int | None) -> list[DefinitionVersion]:
    """The versions of one definition, newest first.

    Raises:
        UnknownNames: no definition ever had the name.
    """
    found = _versions(connection, name, version=None, below=below, limit=limit)
    if not found and not list_definitions(connection, name, deleted=True):
        raise UnknownNames([name])
    return found


def version_of(connection: Connection, name: str, version: int) -> DefinitionVersion:
    """One version.

    Raises:
        UnknownNames: no definition ever had the name.
        UnknownVersion: it has no such version.
    """
    found = _versions(connection, name, version=version, below=None, limit=None)
    if not found:
        raise UnknownVersion(name, version, versions_of(connection, name, below=None, limit=1)[0].version)
    return found[0]


def _versions(
    connection: Connection, name: str, *, version: int | None, below: int | None, limit: int | None
) -> list[DefinitionVersion]:
    asked = {"name": name, "version": version, "below": below, "limit": limit}
    rows = connection.execute(_VERSIONS, asked).mappings()
    return [DefinitionVersion(**{**row, "id": str(row["id"])}) for row in rows]


def _row(row: Mapping[Any, Any]) -> DefinitionRow:
    fields = {name: row[name] for name in DefinitionRow.__dataclass_fields__ if name not in {"id", "etag"}}
    return DefinitionRow(**fields, id=str(row["id"]), etag=etag_of(row["version"], row["revision"], row["state"]))
