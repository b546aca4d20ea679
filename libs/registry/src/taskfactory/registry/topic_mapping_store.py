"""Topic mappings in PostgreSQL: every version there ever was; the highest of a topic is in force."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text

from taskfactory.definitions import InvalidDefinitions, TopicMapping, diff_documents, parse_mapping
from taskfactory.registry import audit_trail
from taskfactory.registry.applied import Action, Applied, By
from taskfactory.registry.audit_trail import AuditEntry
from taskfactory.registry.columns import arrays, unnest
from taskfactory.registry.revisions import next_revision
from taskfactory.registry.stored_text import json_text

_VERSION: Final = {
    "topic": "text",
    "version": "integer",
    "revision": "bigint",
    "spec": "json",
    "created_by": "text",
}
_PUT: Final = text(f"""
    INSERT INTO topic_mappings ({", ".join(_VERSION)}) SELECT * FROM {unnest("m", _VERSION)}
""")  # noqa: S608 -- built from this module's constants
_STANDING: Final = text("""
    SELECT DISTINCT ON (topic) topic, version, revision, spec, created_at, created_by FROM topic_mappings
    WHERE revision > :since AND revision <= :until
    ORDER BY topic, version DESC
""")
_NEWEST_REVISION: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class TopicMappingRow:
    """A topic's mapping as `get mappings` lists it."""

    topic: str
    version: int
    mapping: TopicMapping
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class MappingChanges:
    """Mappings that changed."""

    in_force: Sequence[TopicMapping]
    gone: Sequence[str]
    """Topics whose mapping was removed."""


def apply_mappings(
    connection: Connection, mappings: Sequence[TopicMapping], by: By, *, dry_run: bool = False
) -> list[Applied]:
    """Make the mappings of these topics equal to the ones given; others stay. Whoever calls has taken its turn."""
    standing = {row.topic: row for row in _rows(connection)} if mappings else {}
    applied: list[Applied] = []
    changed: list[_Changed] = []
    for mapping in mappings:
        before = standing.get(mapping.topic)
        after = mapping.to_dict()
        if before is not None and before.spec == after:
            applied.append(Applied(mapping.topic, mapping.topic, before.version, "unchanged", "TopicMapping"))
            continue
        version = before.version + 1 if before is not None else 1
        action: Action = "created" if before is None or before.spec is None else "updated"
        changes = diff_documents(before.spec, after) if before is not None and before.spec is not None else ()
        applied.append(Applied(mapping.topic, mapping.topic, version, action, "TopicMapping", changes=changes))
        changed.append(
            _Changed(mapping.topic, version, json_text(after), "create" if action == "created" else "update")
        )
    if not dry_run:
        _put(connection, changed, by)
    return applied


def remove_mappings(connection: Connection, topics: Sequence[str], by: By, *, dry_run: bool = False) -> list[Applied]:
    """Let records of these topics be read as envelopes again; one entry per topic that had a mapping, sorted."""
    standing = {row.topic: row for row in _rows(connection) if row.spec is not None} if topics else {}
    removed = [
        _Changed(topic, standing[topic].version + 1, None, "delete") for topic in sorted(standing.keys() & set(topics))
    ]
    if not dry_run:
        _put(connection, removed, by)
    return [Applied(each.topic, each.topic, each.version, "deleted", "TopicMapping") for each in removed]


def mapping_changes(connection: Connection, since: int | None, until: int) -> MappingChanges:
    """What changed after revision `since` (None: ever) and up to `until`.

    Raises:
        InvalidDefinitions: this version of taskfactory can't read a mapping; without it, records would be misread.
    """
    rows = _rows(connection, -1 if since is None else since, until)
    return MappingChanges(
        [parse_mapping(row.spec) for row in rows if row.spec is not None],
        [row.topic for row in rows if row.spec is None],
    )


def list_mappings(connection: Connection) -> list[TopicMappingRow]:
    """The mappings in force, by topic; one that this version can't read is left out."""
    listed = []
    for row in _rows(connection):
        if row.spec is None:
            continue
        try:
            mapping = parse_mapping(row.spec)
        except InvalidDefinitions:
            continue
        listed.append(TopicMappingRow(row.topic, row.version, mapping, row.created_at, row.created_by))
    return listed


def _rows(connection: Connection, since: int = -1, until: int = _NEWEST_REVISION) -> Sequence[Any]:
    return connection.execute(_STANDING, {"since": since, "until": until}).all()


class _Changed(NamedTuple):
    topic: str
    version: int
    spec: str | None
    verb: str


def _put(connection: Connection, changed: Sequence[_Changed], by: By) -> None:
    if not changed:
        return
    revision = next_revision(connection)
    versions = [(each.topic, each.version, revision, each.spec, by.author) for each in changed]
    connection.execute(_PUT, arrays("m", _VERSION, versions))
    audit_trail.append(
        connection,
        [
            AuditEntry(by.author, each.verb, "mapping", each.topic, by.reason, by.request_id, {"version": each.version})
            for each in changed
        ],
    )
