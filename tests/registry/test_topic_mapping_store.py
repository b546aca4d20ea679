"""Topic mappings: applied with definitions, all or none; every version kept; the highest in force."""

from uuid import uuid4

import pytest
from sqlalchemy import Engine

from taskfactory.definitions import TopicMapping, parse_mapping
from taskfactory.registry import DefinitionStore, DuplicateNames, Evidence, Refused
from tests.registry.samples import definition


def mapping(topic: str, **fields: str) -> TopicMapping:
    given = {"id": "value.id", "source": "'/rows'", "type": "'row.changed'"} | fields
    return parse_mapping({"apiVersion": "taskfactory/v1", "kind": "TopicMapping", "topic": topic, **given})


@pytest.fixture
def topic() -> str:
    return f"topic-{uuid4()}"


def test_a_changed_mapping_is_a_new_version_and_an_unchanged_one_is_none(
    definitions: DefinitionStore, topic: str
) -> None:
    texts = [mapping(topic), mapping(topic), mapping(topic, subject="value.name")]
    applied = [definitions.apply([], "ann", [each])[0] for each in texts]
    assert [(each.version, each.action) for each in applied] == [(1, "created"), (1, "unchanged"), (2, "updated")]
    [row] = [row for row in definitions.mappings() if row.topic == topic]
    assert (row.version, row.mapping) == (2, texts[-1])


def test_listeners_are_told_what_changed_and_what_is_gone(
    definitions: DefinitionStore, engine: Engine, topic: str
) -> None:
    before = definitions.revision()
    definitions.apply([], "ann", [mapping(topic)])
    applied = definitions.changes(before)
    assert [each.topic for each in applied.mappings.in_force] == [topic]
    assert definitions.remove_mappings([topic, "unknown"], "ann") == [topic]
    removed = definitions.changes(applied.revision)
    assert (removed.mappings.in_force, removed.mappings.gone) == ([], [topic])
    assert topic in {each.topic for each in Evidence(engine).changes(None, applied.revision).mappings.in_force}
    assert definitions.remove_mappings([topic], "ann") == []


def test_a_mapping_that_was_removed_can_come_back(definitions: DefinitionStore, topic: str) -> None:
    definitions.apply([], "ann", [mapping(topic)])
    definitions.remove_mappings([topic], "ann")
    [back] = definitions.apply([], "ann", [mapping(topic)])
    assert (back.version, back.action) == (3, "created")


def test_definitions_and_mappings_are_applied_together_or_not_at_all(definitions: DefinitionStore, topic: str) -> None:
    name = f"name-{uuid4()}"
    with pytest.raises(Refused):
        definitions.apply([definition(name, description="a\x00b")], "ann", [mapping(topic)])
    assert topic not in {row.topic for row in definitions.mappings()}


def test_two_mappings_of_one_topic_are_refused(definitions: DefinitionStore, topic: str) -> None:
    with pytest.raises(DuplicateNames, match=topic):
        definitions.apply([], "ann", [mapping(topic), mapping(topic, subject="value.name")])
