"""Writing versions of definitions: new ones, and which of them is active or asked as the shadow version."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from taskfactory.definitions import TICK
from taskfactory.registry.applied import By
from taskfactory.registry.columns import arrays, unnest
from taskfactory.registry.stored_text import json_text

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
    "shadow_version": "integer",
    "created_by": "text",
    "updated_by": "text",
    "reason": "text",
}
_VERSION: Final = {
    "definition_id": "uuid",
    "version": "integer",
    "spec": "json",
    "outcomes": "json",
    "digest": "bytea",
    "created_by": "text",
    "reason": "text",
}
_SHADOW: Final = {"id": "uuid", "version": "integer"}
_UPDATED: Final = [column for column in _DEFINITION if column not in {"id", "name", "created_by"}]

_PUT: Final = text(f"""
    INSERT INTO activity_definitions ({", ".join(_DEFINITION)}) SELECT * FROM {unnest("d", _DEFINITION)}
    ON CONFLICT (name) DO UPDATE
    SET {", ".join(f"{column} = excluded.{column}" for column in _UPDATED)}, updated_at = now(), deleted_at = NULL
""")  # noqa: S608 -- built from this module's constants
_PUT_VERSIONS: Final = text(f"""
    INSERT INTO activity_definition_versions ({", ".join(_VERSION)}) SELECT * FROM {unnest("v", _VERSION)}
""")  # noqa: S608 -- built from this module's constants
_SET_SHADOW: Final = text(f"""
    UPDATE activity_definitions d
    SET shadow_version = s.version, updated_at = now(), updated_by = :author, reason = :reason
    FROM {unnest("s", _SHADOW)} WHERE d.id = s.id
""")  # noqa: S608 -- built from this module's constants
_DELETE: Final = text("""
    UPDATE activity_definitions
    SET enabled = false, paused = false, shadow_version = NULL, deleted_at = now(), updated_at = now(),
        updated_by = :author, reason = :reason
    WHERE id = ANY(CAST(:ids AS uuid[]))
""")


@dataclass(frozen=True, slots=True)
class NumberedSpec:
    """A definition's document with its number."""

    id: UUID
    version: int
    spec: Mapping[str, Any]
    """As `ActivityDefinition.to_dict` gives it."""


def digest_of(spec: Mapping[str, Any]) -> bytes:
    """What two documents share if they say the same."""
    canonical = json.dumps(spec, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).digest()


def add_versions(connection: Connection, added: Sequence[NumberedSpec], by: By) -> None:
    """Write new versions; their definitions have rows already, or get them from `activate` before this is called."""
    if added:
        rows = [
            (
                each.id,
                each.version,
                json_text(each.spec),
                json_text(each.spec["outcomes"]),
                digest_of(each.spec),
                by.author,
                by.reason,
            )
            for each in added
        ]
        connection.execute(_PUT_VERSIONS, arrays("v", _VERSION, rows))


def activate(connection: Connection, activated: Sequence[NumberedSpec], by: By) -> None:
    """Make these the active versions; whatever shadow version there was ends, and who was deleted is back."""
    _put(connection, [_row(each, by, shadow=False) for each in activated])


def shadow_alone(connection: Connection, shadows: Sequence[NumberedSpec], by: By) -> None:
    """Give definitions of which no version is active their shadow version."""
    _put(connection, [_row(each, by, shadow=True) for each in shadows])


def shadow_beside(connection: Connection, shadows: Sequence[tuple[UUID, int | None]], by: By) -> None:
    """Put a shadow version beside the active one, in place of an earlier one; None ends it."""
    if shadows:
        asked = {"author": by.author, "reason": by.reason}
        connection.execute(_SET_SHADOW, {**arrays("s", _SHADOW, shadows), **asked})


def delete(connection: Connection, ids: Sequence[UUID], by: By) -> None:
    """Take definitions out of force for good; ids, versions and the ledger stay."""
    if ids:
        connection.execute(_DELETE, {"ids": list(ids), "author": by.author, "reason": by.reason})


def _put(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        connection.execute(_PUT, arrays("d", _DEFINITION, rows))


def _row(each: NumberedSpec, by: By, *, shadow: bool) -> tuple[Any, ...]:
    spec = each.spec
    key = spec["dedupe"]["key"] if "dedupe" in spec else TICK
    return (
        each.id,
        spec["name"],
        spec.get("description"),
        spec["enabled"] and not shadow,
        spec["trigger"]["type"],
        json_text({name: value for name, value in spec["trigger"].items() if name != "type"}),
        json_text(spec["context"]),
        json_text(spec["tasks"]),
        key if isinstance(key, str) else f"expression: {key['expression']}",
        each.version,
        each.version if shadow else None,
        by.author,
        by.author,
        by.reason,
    )
