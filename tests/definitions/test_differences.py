"""What differs between two documents."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taskfactory.definitions import DocumentChange, diff_documents

LEAVES = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, 1.0]) | st.text("ab", max_size=2)
NAMED = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abc")}, optional={"queue": LEAVES}),
    max_size=3,
    unique_by=lambda item: item["name"],
)
VALUES = st.recursive(
    LEAVES | NAMED,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "a.b"]), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.sampled_from(["a", "b", "tasks"]), VALUES, max_size=3)


def canonical(document: Any) -> str:
    return json.dumps(document, sort_keys=True)


@given(before=DOCUMENTS, after=DOCUMENTS)
def test_there_are_differences_exactly_between_documents_that_differ(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert bool(diff_documents(before, after)) == (canonical(before) != canonical(after))


@given(before=DOCUMENTS, after=DOCUMENTS)
def test_the_other_way_round_what_was_added_is_removed(before: dict[str, Any], after: dict[str, Any]) -> None:
    opposite = {"added": "removed", "removed": "added", "changed": "changed"}
    back = {
        (each.path, opposite[each.kind], canonical([each.after, each.before])) for each in diff_documents(after, before)
    }
    assert {
        (each.path, each.kind, canonical([each.before, each.after])) for each in diff_documents(before, after)
    } == back


@given(before=DOCUMENTS, after=DOCUMENTS)
def test_a_place_is_told_once(before: dict[str, Any], after: dict[str, Any]) -> None:
    paths = [each.path for each in diff_documents(before, after)]
    assert len(paths) == len(set(paths))


def test_tasks_are_compared_by_their_names() -> None:
    before = {"tasks": [{"name": "reserve", "queue": "a"}, {"name": "charge", "queue": "a"}]}
    after = {"tasks": [{"name": "check"}, {"name": "reserve", "queue": "b"}, {"name": "charge", "queue": "a"}]}
    assert diff_documents(before, after) == (
        DocumentChange("tasks[reserve].queue", "changed", "a", "b"),
        DocumentChange("tasks[check]", "added", None, {"name": "check"}),
    )


def test_another_order_of_named_things_is_a_change_of_their_list() -> None:
    before = {"tasks": [{"name": "reserve"}, {"name": "charge"}]}
    after = {"tasks": [{"name": "charge"}, {"name": "reserve"}]}
    assert diff_documents(before, after) == (
        DocumentChange("tasks", "changed", ["reserve", "charge"], ["charge", "reserve"]),
    )


def test_places_are_written_as_in_error_messages() -> None:
    before = {"trigger": {"match": {"data.total": [1], "type": ["a", "b"]}}}
    after = {"trigger": {"match": {"data.total": [2], "type": ["a"]}, "when": "true"}}
    assert [(each.path, each.kind) for each in diff_documents(before, after)] == [
        ('trigger.match["data.total"][0]', "changed"),
        ("trigger.match.type[1]", "removed"),
        ("trigger.when", "added"),
    ]
