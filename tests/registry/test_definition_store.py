"""Definitions: applied all or none, every version kept, changes seen."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from taskfactory.registry import (
    Applied,
    DefinitionChanges,
    DefinitionStore,
    DuplicateNames,
    Evidence,
    Refused,
    UnknownDefinition,
    UnknownNames,
)
from tests.registry.samples import definition

Sql = Callable[..., list[Any]]


def fresh_name() -> str:
    return f"name-{uuid4()}"


def outline(applied: list[Applied]) -> list[tuple[str, int, str]]:
    return [(one.name, one.version, one.action) for one in applied]


def test_a_definition_keeps_its_id_through_its_versions(definitions: DefinitionStore) -> None:
    name = fresh_name()
    (created,) = definitions.apply([definition(name)], "ann")
    (updated,) = definitions.apply([definition(name, description="now with words")], "bob")
    (unchanged,) = definitions.apply([definition(name, description="now with words")], "eve")
    assert outline([created, updated, unchanged]) == [
        (name, 1, "created"),
        (name, 2, "updated"),
        (name, 2, "unchanged"),
    ]
    assert created.id == updated.id == unchanged.id
    (row,) = definitions.list(name)
    assert (row.version, row.description, row.created_by) == (2, "now with words", "ann")


def test_every_version_can_be_read_as_it_was_applied(definitions: DefinitionStore) -> None:
    name = fresh_name()
    versions = [definition(name), definition(name, enabled=False)]
    for one in versions:
        (applied,) = definitions.apply([one], "ann")
    assert [definitions.version(applied.id, number + 1).definition for number in range(2)] == versions


def test_only_enabled_definitions_are_handed_out_for_matching(definitions: DefinitionStore) -> None:
    on, off = fresh_name(), fresh_name()
    definitions.apply([definition(on), definition(off, enabled=False)], "ann")
    enabled = {registered.definition.name for registered in definitions.changes(None).in_force}
    assert on in enabled
    assert off not in enabled
    assert [row.enabled for name in (on, off) for row in definitions.list(name)] == [True, False]


def test_a_definition_that_this_version_cannot_read_keeps_no_other_from_matching(
    definitions: DefinitionStore, sql: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad, other_good = (f"{place}-{fresh_name()}" for place in "abc")
    definitions.apply([definition(name) for name in (good, bad, other_good)], "ann")
    spec = definition(bad).to_dict() | {"apiVersion": "taskfactory/v9", "surprise": 1}
    sql(
        "INSERT INTO activity_definition_versions (definition_id, version, spec, outcomes, digest, created_by) "
        "SELECT id, 2, CAST(:spec AS json), '{}', '', 'eve' FROM activity_definitions WHERE name = :name",
        spec=json.dumps(spec),
        name=bad,
    )
    sql("UPDATE activity_definitions SET version = 2 WHERE name = :name", name=bad)
    with caplog.at_level("ERROR", logger="taskfactory.registry"):
        enabled = [registered.definition.name for registered in definitions.changes(None).in_force]
    assert [name for name in enabled if name in {good, bad, other_good}] == [good, other_good]
    (record,) = caplog.records
    assert record.name == "taskfactory.registry"
    for said in (bad, "version 2", "apiVersion: found 'taskfactory/v9'", "surprise: unknown field"):
        assert said in record.getMessage()
    definitions.remove([bad], "ann")


def in_force(changes: DefinitionChanges) -> dict[str, bool]:
    return {item.definition.name: item.paused for item in changes.in_force}


def test_changes_since_a_revision_are_those_and_no_others(definitions: DefinitionStore) -> None:
    steady, changing, ending = (fresh_name() for _ in range(3))
    definitions.apply([definition(name) for name in (steady, changing, ending)], "ann")
    before = definitions.revision()
    definitions.apply([definition(changing, description="other")], "ann")
    ended = definitions.apply([definition(ending, enabled=False)], "ann")[0].id
    definitions.pause([changing], "bob", "too noisy")
    changes = definitions.changes(before)
    assert in_force(changes) == {changing: True}
    assert changes.gone == [ended]
    assert in_force(definitions.changes(changes.revision)) == {}


def test_what_was_in_force_at_a_revision_can_be_asked_later(definitions: DefinitionStore, engine: Engine) -> None:
    name = fresh_name()
    definitions.apply([definition(name)], "ann")
    first = definitions.revision()
    definitions.pause([name], "bob", None)
    definitions.apply([definition(name, enabled=False)], "ann")
    past = Evidence(engine)
    (then,) = (item for item in past.changes(None, first).in_force if item.definition.name == name)
    assert (then.version, then.paused) == (1, False)
    assert name not in {item.definition.name for item in past.changes(None, definitions.revision()).in_force}


def test_a_pause_outlasts_new_versions_and_ends_with_a_resume(definitions: DefinitionStore) -> None:
    name = fresh_name()
    definitions.apply([definition(name)], "ann")
    assert definitions.pause([name], "bob", "maintenance") == [name]
    assert definitions.pause([name], "bob", "maintenance") == []
    definitions.apply([definition(name, description="other")], "ann")
    assert in_force(definitions.changes(None))[name] is True
    assert definitions.resume([name], "bob", None) == [name]
    assert in_force(definitions.changes(None))[name] is False


def test_pausing_an_unknown_name_changes_nothing(definitions: DefinitionStore) -> None:
    name, unknown = fresh_name(), fresh_name()
    definitions.apply([definition(name)], "ann")
    with pytest.raises(UnknownNames, match=unknown):
        definitions.pause([name, unknown], "bob", None)
    assert in_force(definitions.changes(None))[name] is False


def test_a_definition_is_active_since_it_was_enabled_last(definitions: DefinitionStore) -> None:
    name = fresh_name()

    def active_since() -> datetime | None:
        return next((i.active_since for i in definitions.changes(None).in_force if i.definition.name == name), None)

    definitions.apply([definition(name)], "ann")
    first = active_since()
    definitions.apply([definition(name, description="other")], "ann")
    assert first is not None
    assert active_since() == first
    definitions.apply([definition(name, enabled=False)], "ann")
    definitions.apply([definition(name)], "ann")
    again = active_since()
    assert again is not None
    assert again > first


def test_going_back_to_an_earlier_text_is_a_new_version(definitions: DefinitionStore) -> None:
    name = fresh_name()
    texts = [definition(name), definition(name, enabled=False), definition(name)]
    assert [definitions.apply([one], "ann")[0].version for one in texts] == [1, 2, 3]


def test_the_revision_rises_with_changes_only(definitions: DefinitionStore) -> None:
    name, before = fresh_name(), definitions.revision()
    definitions.apply([definition(name)], "ann")
    changed = definitions.revision()
    definitions.apply([definition(name)], "ann")
    assert before < changed == definitions.revision()


def test_the_columns_say_what_the_definition_says(definitions: DefinitionStore) -> None:
    name = fresh_name()
    definitions.apply([definition(name, dedupe={"key": {"expression": "event.data.order_id"}})], "ann")
    (row,) = definitions.list(name)
    assert (row.trigger_type, row.dedupe_key_strategy) == ("event", "expression: event.data.order_id")


def test_two_definitions_of_one_name_are_refused(definitions: DefinitionStore) -> None:
    name = fresh_name()
    with pytest.raises(DuplicateNames, match=name):
        definitions.apply([definition(name), definition(name, enabled=False)], "ann")
    assert definitions.list(name) == []


def test_one_refused_definition_means_that_none_is_applied(definitions: DefinitionStore) -> None:
    good, bad = fresh_name(), fresh_name()
    with pytest.raises(Refused):
        definitions.apply([definition(good), definition(bad, description="a\x00b")], "ann")
    assert definitions.list(good) == []


def test_unknown_versions_are_errors(definitions: DefinitionStore) -> None:
    missing = str(uuid4())
    with pytest.raises(UnknownDefinition, match=f"no version 3 of definition {missing}"):
        definitions.version(missing, 3)


def test_authors_who_apply_at_once_take_turns(definitions: DefinitionStore) -> None:
    names = [fresh_name() for _ in range(5)]

    def apply(author: int) -> list[Applied]:
        order = names if author % 2 else names[::-1]
        return definitions.apply([definition(name, description=f"by {author}") for name in order], f"author {author}")

    with ThreadPoolExecutor(4) as threads:
        applied = [one for part in threads.map(apply, range(4)) for one in part]
    assert sorted((one.name, one.version) for one in applied) == sorted(
        (name, v) for name in names for v in (1, 2, 3, 4)
    )
