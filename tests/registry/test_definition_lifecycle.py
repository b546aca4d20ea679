"""What happens to definitions besides new text, and that nobody overwrites what somebody else has done meanwhile."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from taskfactory.definitions import TopicMapping, parse_mapping
from taskfactory.registry import (
    Applied,
    DefinitionStore,
    DuplicateNames,
    NoShadow,
    NoShadowMappings,
    UnknownNames,
    UnknownVersion,
    VersionConflict,
    audit_trail,
)
from taskfactory.registry.audit_trail import AuditFilter, AuditLine
from tests.registry.samples import definition

Sql = Callable[..., list[Any]]


@pytest.fixture
def name() -> str:
    return f"order-{uuid4().hex}"


@pytest.fixture
def trail(engine: Engine) -> Callable[[str], list[AuditLine]]:
    """The audit trail's lines about one definition or mapping, oldest first."""

    def read(of: str) -> list[AuditLine]:
        with engine.connect() as connection:
            return audit_trail.read(connection, AuditFilter(name=of), before=None, limit=100)[::-1]

    return read


def outline(applied: Applied) -> tuple[int, str]:
    return applied.version, applied.action


def asked(definitions: DefinitionStore, name: str) -> tuple[int | None, int | None]:
    """The versions of a definition that are asked about events: the active one and the shadow version."""
    changes = definitions.changes(None)
    active, shadow = (
        next((item.version for item in items if item.definition.name == name), None)
        for items in (changes.in_force, changes.shadows)
    )
    return active, shadow


def test_disabling_and_enabling_make_versions_and_doing_it_twice_makes_none(
    definitions: DefinitionStore, name: str
) -> None:
    definitions.apply([definition(name)], "ann")
    for change, expected in (
        (definitions.disable, (2, "updated")),
        (definitions.disable, (2, "unchanged")),
        (definitions.enable, (3, "updated")),
        (definitions.enable, (3, "unchanged")),
    ):
        (applied,) = change([name], "bob", "a try")
        assert outline(applied) == expected
    assert [version.document["enabled"] for version in definitions.versions(name)] == [True, False, True]
    assert definitions.version_of(name, 2).reason == "a try"


def test_a_rollback_writes_a_new_version_with_the_text_of_the_old_one(definitions: DefinitionStore, name: str) -> None:
    definitions.apply([definition(name, description="first")], "ann")
    definitions.apply([definition(name, description="second")], "ann")
    applied = definitions.rollback(name, 1, "bob", "second was wrong")
    assert outline(applied) == (3, "updated")
    assert [(change.path, change.before, change.after) for change in applied.changes] == [
        ("description", "second", "first")
    ]
    newest, *_, oldest = definitions.versions(name)
    assert newest.document == oldest.document
    assert (newest.created_by, newest.reason, newest.active) == ("bob", "second was wrong", True)
    with pytest.raises(UnknownVersion, match="no version 9: it has 1 to 3"):
        definitions.rollback(name, 9, "bob")


def test_a_shadow_version_stands_beside_the_active_one_until_it_is_promoted(
    definitions: DefinitionStore, name: str
) -> None:
    definitions.apply([definition(name)], "ann")
    (shadowed,) = definitions.apply([definition(name, description="better")], "ann", shadow=True)
    assert outline(shadowed) == (2, "shadowed")
    assert [change.path for change in shadowed.changes] == ["description"]
    assert asked(definitions, name) == (1, 2)
    assert [(each.active, each.shadow) for each in definitions.versions(name)] == [(False, True), (True, False)]
    promoted = definitions.promote(name, "bob", "it does what it should")
    assert outline(promoted) == (2, "updated")
    assert asked(definitions, name) == (2, None)
    assert definitions.get(name).description == "better"


def test_a_shadow_version_ends_with_a_new_active_version_and_when_it_is_dropped(
    definitions: DefinitionStore, name: str
) -> None:
    definitions.apply([definition(name)], "ann")
    definitions.apply([definition(name, description="better")], "ann", shadow=True)
    assert definitions.apply([definition(name)], "ann")[0].action == "unchanged"
    assert asked(definitions, name) == (1, 2)
    definitions.apply([definition(name, description="other")], "ann")
    assert asked(definitions, name) == (3, None)
    definitions.apply([definition(name, description="best")], "ann", shadow=True)
    definitions.drop_shadow(name, "ann")
    assert asked(definitions, name) == (3, None)
    with pytest.raises(NoShadow, match=name):
        definitions.promote(name, "ann")


def test_a_shadow_version_alone_is_asked_and_nothing_is_in_force(definitions: DefinitionStore, name: str) -> None:
    (applied,) = definitions.apply([definition(name)], "ann", shadow=True)
    assert outline(applied) == (1, "shadowed")
    row = definitions.get(name)
    assert (row.state, row.version, row.shadow_version) == ("disabled", 1, 1)
    assert asked(definitions, name) == (None, 1)
    definitions.promote(name, "ann")
    assert asked(definitions, name) == (1, None)


def test_dropping_a_shadow_version_that_stood_alone_leaves_nothing(definitions: DefinitionStore, name: str) -> None:
    definitions.apply([definition(name)], "ann", shadow=True)
    assert definitions.drop_shadow(name, "ann").action == "deleted"
    assert definitions.get(name).state == "deleted"
    assert asked(definitions, name) == (None, None)


def test_a_deleted_name_applied_again_goes_on_where_it_was(definitions: DefinitionStore, name: str) -> None:
    (created,) = definitions.apply([definition(name)], "ann")
    definitions.pause([name], "ann", None)
    definitions.apply([definition(name, description="better")], "ann", shadow=True)
    (deleted,) = definitions.remove([name], "bob", "not needed")
    assert (*outline(deleted), deleted.etag) == (1, "deleted", None)
    assert definitions.list(name) == []
    assert [row.state for row in definitions.list(name, deleted=True)] == ["deleted"]
    assert asked(definitions, name) == (None, None)
    assert created.id in definitions.changes(None).gone
    (revived,) = definitions.apply([definition(name)], "ann")
    assert (*outline(revived), revived.id) == (3, "revived", created.id)
    assert definitions.get(name).state == "enabled"


def test_what_was_deleted_can_only_be_applied_again(definitions: DefinitionStore, name: str) -> None:
    definitions.apply([definition(name)], "ann")
    definitions.remove([name], "ann")
    for change in (definitions.enable, definitions.disable, definitions.remove):
        with pytest.raises(UnknownNames, match=name):
            change([name], "ann")
    with pytest.raises(UnknownNames, match=name):
        definitions.rollback(name, 1, "ann")


def test_a_dry_run_says_what_an_apply_would_do_and_does_nothing(definitions: DefinitionStore, name: str) -> None:
    fresh, ended = f"{name}-new", f"{name}-old"
    definitions.apply([definition(name), definition(ended)], "ann")
    revision = definitions.revision()
    given = [definition(name, description="other"), definition(fresh)]
    tried = definitions.apply(given, "ann", remove=[ended], dry_run=True)
    assert definitions.revision() == revision
    assert [(one.name, *outline(one)) for one in tried] == [
        (name, 2, "updated"),
        (fresh, 1, "created"),
        (ended, 1, "deleted"),
    ]
    # What it says of each is what the apply itself may expect.
    expected = {one.name: one.etag for one in tried}
    done = definitions.apply(given, "ann", remove=[ended], expected=expected)
    assert [outline(one) for one in done] == [outline(one) for one in tried]
    assert [one.changes for one in done] == [one.changes for one in tried]


def test_the_etag_changes_with_everything_that_happens_to_a_definition(definitions: DefinitionStore, name: str) -> None:
    other = f"{name}-other"
    (applied,) = definitions.apply([definition(name)], "ann")
    seen = [applied.etag]
    for change in (
        lambda: definitions.pause([name], "ann"),
        lambda: definitions.apply([definition(name, description="x")], "ann", shadow=True),
        lambda: definitions.promote(name, "ann"),
        lambda: definitions.disable([name], "ann"),
    ):
        change()
        seen.append(definitions.get(name).etag)
    assert len(set(seen)) == len(seen)
    definitions.apply([definition(other)], "ann")
    assert definitions.get(name).etag == seen[-1]


@pytest.mark.parametrize(
    ("expected", "exists", "sentence"),
    [(None, True, "exists already"), ("1-0", True, "was changed meanwhile"), ("*", False, "does not exist")],
)
def test_a_change_of_what_stands_otherwise_than_expected_is_refused(
    definitions: DefinitionStore, name: str, expected: str | None, *, exists: bool, sentence: str
) -> None:
    if exists:
        definitions.apply([definition(name)], "ann")
    revision = definitions.revision()
    with pytest.raises(VersionConflict, match=f"{name}.*{sentence}"):
        definitions.apply([definition(name, description="x")], "bob", expected={name: expected})
    assert definitions.revision() == revision


def test_every_change_takes_an_expected_etag(definitions: DefinitionStore, name: str) -> None:
    definitions.apply([definition(name)], "ann")
    definitions.apply([definition(name, description="x")], "ann", shadow=True)
    wrong = {name: "7-7"}
    for change in (
        lambda: definitions.enable([name], "ann", expected=wrong),
        lambda: definitions.disable([name], "ann", expected=wrong),
        lambda: definitions.rollback(name, 1, "ann", expected=wrong),
        lambda: definitions.promote(name, "ann", expected=wrong),
        lambda: definitions.drop_shadow(name, "ann", expected=wrong),
        lambda: definitions.remove([name], "ann", expected=wrong),
        lambda: definitions.pause([name], "ann", expected=wrong),
        lambda: definitions.resume([name], "ann", expected=wrong),
    ):
        with pytest.raises(VersionConflict):
            change()


def test_of_two_authors_who_saw_the_same_exactly_one_wins(definitions: DefinitionStore, name: str) -> None:
    for _ in range(10):
        (applied,) = definitions.apply([definition(name, description=uuid4().hex)], "ann")
        start = Barrier(2)

        def change(author: str, etag: str | None = applied.etag, start: Barrier = start) -> Applied | VersionConflict:
            start.wait(timeout=10)
            try:
                return definitions.apply([definition(name, description=author)], author, expected={name: etag})[0]
            except VersionConflict as conflict:
                return conflict

        with ThreadPoolExecutor(2) as threads:
            results = list(threads.map(change, ("bob", "eve")))
        (won,) = (one for one in results if isinstance(one, Applied))
        (lost,) = (one for one in results if isinstance(one, VersionConflict))
        assert (won.version, lost.found, lost.expected) == (applied.version + 1, won.etag, applied.etag)


def test_the_database_refuses_to_alter_a_version(definitions: DefinitionStore, sql: Sql, name: str) -> None:
    definitions.apply([definition(name)], "ann")
    for statement in (
        "UPDATE activity_definition_versions SET created_by = 'eve'",
        "DELETE FROM activity_definition_versions",
        "TRUNCATE activity_definition_versions CASCADE",
    ):
        with pytest.raises(DBAPIError, match="immutable"):
            sql(statement)


def test_the_audit_trail_tells_of_every_change_and_of_nothing_else(
    definitions: DefinitionStore, name: str, trail: Callable[[str], list[AuditLine]]
) -> None:
    definitions.apply([definition(name)], "ann", reason="new", request_id="r-1")
    definitions.apply([definition(name)], "ann", reason="again")
    definitions.apply([definition(name, description="x")], "ann", dry_run=True)
    definitions.apply([definition(name, description="x")], "bob")
    definitions.pause([name], "bob", "noisy")
    definitions.pause([name], "bob", "noisy")
    definitions.resume([name], "bob")
    definitions.apply([definition(name, description="y")], "bob", shadow=True)
    definitions.drop_shadow(name, "bob")
    definitions.disable([name], "bob")
    definitions.rollback(name, 1, "bob")
    definitions.remove([name], "bob")
    definitions.apply([definition(name)], "bob")
    lines = trail(name)
    assert [line.entry.action for line in lines] == [
        *("create", "update", "pause", "resume", "shadow", "drop-shadow", "disable", "rollback", "delete", "revive")
    ]
    first = lines[0].entry
    assert (first.actor, first.resource, first.reason, first.request_id) == ("ann", "definition", "new", "r-1")
    assert lines[1].entry.detail["before"] == {"version": 1, "state": "enabled"}


def mapping_of(topic: str) -> TopicMapping:
    return parse_mapping(
        {
            "apiVersion": "taskfactory/v1",
            "kind": "TopicMapping",
            "topic": topic,
            "id": "value.id",
            "source": "'/legacy'",
            "type": "'order.placed'",
        }
    )


def test_a_mapping_does_not_come_into_force_together_with_shadow_versions(
    definitions: DefinitionStore, name: str
) -> None:
    topic = f"topic-{name}"
    for change in ({"mappings": [mapping_of(topic)]}, {"remove_topics": [topic]}):
        if "remove_topics" in change:
            definitions.apply([], "ann", [mapping_of(topic)])
        with pytest.raises(NoShadowMappings, match=topic):
            definitions.apply([definition(name)], "ann", shadow=True, **change)
        assert definitions.list(name) == []
    definitions.apply([definition(name)], "ann", [mapping_of(topic)], shadow=True)
    assert definitions.get(name).shadow_version == 1


def test_a_mapping_is_removed_and_told_of_together_with_the_rest(
    definitions: DefinitionStore, name: str, trail: Callable[[str], list[AuditLine]]
) -> None:
    topic = f"topic-{name}"
    mapping = mapping_of(topic)
    definitions.apply([], "ann", [mapping])
    (removed,) = definitions.apply([], "bob", remove_topics=[topic], reason="moved")
    assert (removed.name, removed.action, removed.kind) == (topic, "deleted", "TopicMapping")
    assert [(line.entry.action, line.entry.actor, line.entry.reason) for line in trail(topic)] == [
        ("create", "ann", None),
        ("delete", "bob", "moved"),
    ]


def test_what_is_applied_and_removed_at_once_is_refused(definitions: DefinitionStore, name: str) -> None:
    with pytest.raises(DuplicateNames, match=name):
        definitions.apply([definition(name)], "ann", remove=[name])
    with pytest.raises(UnknownNames, match=name):
        definitions.apply([definition(f"{name}-other")], "ann", remove=[name])
    assert definitions.list(f"{name}-other") == []


def test_definitions_are_listed_in_pages_by_name(definitions: DefinitionStore, name: str) -> None:
    names = [f"{name}-{number}" for number in range(5)]
    definitions.apply([definition(each, enabled=each != names[1]) for each in names], "ann")
    definitions.remove([names[2]], "ann")
    definitions.pause([names[3]], "ann")

    def listed(**narrowed: Any) -> list[str]:
        return [row.name for row in definitions.list_page(prefix=f"{name}-", **narrowed)]

    assert listed(limit=2) == names[:2]
    assert listed(limit=2, after=names[1]) == names[3:]
    assert listed(state="disabled") == [names[1]]
    assert listed(state="deleted") == [names[2]]
    assert listed(state="paused", trigger="event") == [names[3]]
    assert listed(trigger="cron") == []
