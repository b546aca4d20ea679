"""Definitions as they were at a revision, in whatever order an audit asks for revisions."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from taskfactory.definitions import RegisteredDefinition
from taskfactory.intake.audit.versions import KEPT, Versions
from taskfactory.registry import DefinitionChanges, UnknownDefinition
from tests.intake.test_decisions import definition

Log = Mapping[int, Mapping[str, RegisteredDefinition | None]]
"""By revision: definitions by id as that revision puts them; None takes them away."""


class FakePast:
    """An activation log in memory."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.asked: list[tuple[int | None, int]] = []

    def changes(self, since: int | None, until: int) -> DefinitionChanges:
        self.asked.append((since, until))
        standing: dict[str, RegisteredDefinition | None] = {}
        for revision in sorted(self._log):
            if (-1 if since is None else since) < revision <= until:
                standing |= self._log[revision]
        put = [item for item in standing.values() if item is not None]
        return DefinitionChanges(until, put, [id_ for id_, item in standing.items() if item is None])

    def version(self, definition_id: str, version: int) -> RegisteredDefinition:
        for change in self._log.values():
            if (found := change.get(definition_id)) is not None and found.version == version:
                return found
        raise UnknownDefinition(definition_id, version)


def versions(log: Log, only: str | None = None) -> Versions:
    past = FakePast(log)
    return Versions(past, past, "events", only)


HERE = definition("here", {"type": ["order"]})
NAMED = definition("named", {"type": ["order"]}, topics=["events"])
ELSEWHERE = definition("elsewhere", {"type": ["order"]}, topics=["refunds"])
MOVED = RegisteredDefinition(HERE.id, 3, definition("here", {"type": ["order"]}, topics=["refunds"]).definition)


def test_only_definitions_that_read_the_topic_are_asked() -> None:
    seen = versions({1: {item.id: item for item in (HERE, NAMED, ELSEWHERE)}})
    assert seen.ids(1) == {HERE.id, NAMED.id}
    assert seen.names == {HERE.id: "here", NAMED.id: "named"}


def test_a_definition_that_was_moved_to_another_topic_is_asked_no_more() -> None:
    seen = versions({1: {HERE.id: HERE}, 2: {HERE.id: MOVED}})
    assert [set(seen.ids(1)), set(seen.ids(2))] == [{HERE.id}, set()]


def test_one_definition_can_be_looked_at_alone() -> None:
    assert versions({1: {HERE.id: HERE, NAMED.id: NAMED}}, only="named").ids(1) == {NAMED.id}


def test_only_what_changed_since_a_known_revision_is_read() -> None:
    past = FakePast({1: {HERE.id: HERE}, 5: {NAMED.id: NAMED}})
    seen = Versions(past, past, "events")
    for revision in (1, 5, 1, 3):
        seen.ids(revision)
    assert past.asked == [(None, 1), (1, 5), (1, 3)]


def test_a_version_that_is_unknown_is_none() -> None:
    seen = versions({1: {HERE.id: HERE}, 2: {HERE.id: None}})
    assert seen.version(HERE.id, HERE.version) == HERE
    assert seen.version(HERE.id, 99) is None


PUT = st.dictionaries(
    st.sampled_from([HERE.id, NAMED.id]), st.sampled_from([HERE, NAMED, MOVED, None]), min_size=1
).map(lambda put: {id_: item for id_, item in put.items() if item is None or item.id == id_})


@given(
    st.lists(PUT, min_size=1, max_size=KEPT + 6),
    st.lists(st.integers(1, KEPT + 6), min_size=1, max_size=2 * KEPT),
)
def test_in_whatever_order_revisions_are_asked_for_each_is_as_if_it_was_the_only_one(
    changes: list[dict[str, RegisteredDefinition | None]], asked: list[int]
) -> None:
    log = dict(enumerate(changes, start=1))
    seen = versions(log)
    for revision in asked:
        alone = versions(log).at(revision).definitions.definitions
        found = seen.at(revision)
        assert found.revision == revision
        assert {item.id: item for item in found.definitions.definitions} == {item.id: item for item in alone}
