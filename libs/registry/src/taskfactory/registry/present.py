"""How definitions stand before a change, and whether that is what the one who changes them has seen."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Connection, text

from taskfactory.registry.columns import arrays, unnest
from taskfactory.registry.definition_errors import UnknownNames, VersionConflict

DefinitionState = Literal["enabled", "paused", "disabled", "deleted"]

EXISTS: Final = "*"
"""Instead of an ETag: it must exist, however it stands."""

STATE: Final = """
    CASE WHEN d.deleted_at IS NOT NULL THEN 'deleted' WHEN NOT d.enabled THEN 'disabled'
         WHEN d.paused THEN 'paused' ELSE 'enabled' END AS state
"""
"""Of a row `d` of `activity_definitions`; the trigger that writes the log of activations says the same (0003)."""
REVISION: Final = "(SELECT max(revision) FROM definition_activations a WHERE a.definition_id = d.id) AS revision"
"""The newest revision of a row `d` of `activity_definitions`."""

_PRESENT: Final = text(f"""
    SELECT d.id, d.name, d.version, {STATE}, d.paused, d.shadow_version, {REVISION}, v.digest,
           s.digest AS shadow_digest,
           (SELECT max(version) FROM activity_definition_versions n WHERE n.definition_id = d.id) AS newest
    FROM activity_definitions d
    JOIN activity_definition_versions v ON v.definition_id = d.id AND v.version = d.version
    LEFT JOIN activity_definition_versions s ON s.definition_id = d.id AND s.version = d.shadow_version
    WHERE d.name = ANY(CAST(:names AS text[]))
""")  # noqa: S608 -- built from this module's constants
_NUMBERED: Final = {"definition_id": "uuid", "version": "integer"}
_SPECS: Final = text(f"""
    SELECT v.definition_id, v.version, v.spec FROM activity_definition_versions v
    JOIN {unnest("n", _NUMBERED)} ON v.definition_id = n.definition_id AND v.version = n.version
""")  # noqa: S608 -- built from this module's constants


@dataclass(frozen=True, slots=True)
class Present:
    """How one definition stands."""

    id: UUID
    name: str
    version: int
    state: DefinitionState
    paused: bool
    shadow_version: int | None
    revision: int
    digest: bytes
    """Of the active version's document."""
    shadow_digest: bytes | None
    newest: int
    """The highest version there is."""

    @property
    def exists(self) -> bool:
        """Not deleted."""
        return self.state != "deleted"

    @property
    def is_shadow_alone(self) -> bool:
        """No version is active yet: `version` is the shadow version."""
        return self.shadow_version == self.version

    @property
    def etag(self) -> str | None:
        """See `etag_of`."""
        return etag_of(self.version, self.revision, self.state)


def etag_of(version: int, revision: int, state: DefinitionState) -> str | None:
    """What changes with everything that happens to a definition; None for one that was deleted.

    The opaque part of HTTP's strong ETag (RFC 9110, section 8.8.3), without the quotes.
    """
    return None if state == "deleted" else f"{version}-{revision}"


def present(connection: Connection, names: Collection[str]) -> dict[str, Present]:
    """Those of the names that are known, deleted ones too."""
    rows = connection.execute(_PRESENT, {"names": sorted(set(names))})
    return {row["name"]: Present(**row) for row in rows.mappings()}


def existing(connection: Connection, names: Collection[str]) -> dict[str, Present]:
    """All of the names.

    Raises:
        UnknownNames: one is not known, or its definition was deleted.
    """
    found = {name: item for name, item in present(connection, names).items() if item.exists}
    if unknown := sorted(set(names) - found.keys()):
        raise UnknownNames(unknown)
    return found


def require_expected(found: Mapping[str, Present], expected: Mapping[str, str | None] | None) -> None:
    """Check that definitions stand as they were seen.

    Args:
        found: how they stand, by name; those of `expected` that are not in it do not exist.
        expected: by name an ETag, None (it must not exist) or `*` (it must). Others are not checked.

    Raises:
        VersionConflict: the first that does not, in the order of `expected`.
    """
    for name, etag in (expected or {}).items():
        standing = found[name].etag if name in found else None
        if standing is None if etag == EXISTS else standing != etag:
            raise VersionConflict(name, etag, standing)


def specs(connection: Connection, numbered: Sequence[tuple[UUID, int]]) -> dict[tuple[UUID, int], Any]:
    """The documents of versions, as they were written, by definition id and version."""
    rows = connection.execute(_SPECS, arrays("n", _NUMBERED, numbered)) if numbered else ()
    return {(row.definition_id, row.version): row.spec for row in rows}
