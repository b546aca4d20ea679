from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taskfactory.definitions import (
    DefinitionSet,
    Disabled,
    EvaluationFailed,
    Filtered,
    Matched,
    NotMatched,
    OtherTopics,
    RegisteredDefinition,
    WhenFalse,
    explain,
)
from tests.definitions.samples import EVENT, definition, registered


def test_every_failing_clause_is_named_with_what_was_found() -> None:
    match = {"type": ["com.shop.order.placed"], "data": {"total": [{"numeric": [">", 200]}], "gift": [True]}}
    [told] = explain([registered(match=match)], EVENT, None)
    assert isinstance(told, NotMatched)
    assert [(item.path, item.expected, item.actual) for item in told.mismatches] == [
        ("data.total", ({"numeric": [">", 200]},), (150,)),
        ("data.gift", (True,), ()),
    ]


def test_a_condition_that_gave_false_is_told_as_written() -> None:
    [told] = explain([registered(when="event.data.total > 1000")], EVENT, None)
    assert isinstance(told, WhenFalse)
    assert told.expression == "event.data.total > 1000"


def test_a_condition_that_fails_is_no_mismatch() -> None:
    [told] = explain([registered(when="event.data.missing > 1000")], EVENT, None)
    assert isinstance(told, EvaluationFailed)


def test_a_definition_of_other_topics_says_which_and_whether_it_would_match_there() -> None:
    bound = {"type": "event", "topics": ["orders"]}
    near, far = (
        registered(name, trigger={**bound, "match": {"type": [kind]}})
        for name, kind in (("near", "com.shop.order.placed"), ("far", "other"))
    )
    told = explain([near, far], EVENT, "events")
    assert all(isinstance(item, OtherTopics) and item.topics == ("orders",) for item in told)
    assert [len(item.mismatches) for item in told if isinstance(item, OtherTopics)] == [0, 1]
    assert isinstance(explain([near], EVENT, None)[0], Matched)


def test_a_disabled_definition_is_told_as_such() -> None:
    off = RegisteredDefinition("off", 1, definition("off", enabled=False))
    [told] = explain([off], EVENT, None)
    assert isinstance(told, Disabled)
    assert told.mismatches == ()


def test_an_event_that_is_too_deep_is_explained_to_definitions_of_other_types_too() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"x": deep}
    [told] = explain([registered(match={"type": ["other"]})], {**EVENT, "data": deep}, None)
    assert isinstance(told, NotMatched)
    assert told.mismatches


CLAUSES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.lists(st.sampled_from(["com.shop.order.placed", "other"]), min_size=1, max_size=2),
        "subject": st.sampled_from([["order-7"], [{"prefix": "x"}], [{"exists": False}]]),
        "data": st.fixed_dictionaries({"total": st.sampled_from([[150], [{"numeric": [">", 200]}]])}),
    },
).filter(bool)
WHENS = st.sampled_from([None, "event.data.total > 100", "event.data.total > 1000", "event.data.missing == 1"])
TOPICS = st.sampled_from([None, ["events"], ["orders"]])


@given(st.lists(st.tuples(CLAUSES, WHENS, TOPICS), min_size=1, max_size=5), st.sampled_from([None, "events"]))
def test_explanations_say_what_the_deciding_code_says(parts: list[tuple[Any, ...]], topic: str | None) -> None:
    items = []
    for number, (match, when, topics) in enumerate(parts):
        trigger = (
            {"type": "event", "match": match}
            | ({"when": when} if when else {})
            | ({"topics": topics} if topics else {})
        )
        items.append(registered(f"d-{number}", trigger=trigger))
    verdicts = {verdict.registered.id: verdict for verdict in DefinitionSet(items).evaluate(EVENT, topic)}
    told = explain(items, EVENT, topic)
    assert [item.registered for item in told] == items
    for item in told:
        verdict = verdicts.get(item.registered.id)
        match item:
            case Matched() | EvaluationFailed():
                assert item == verdict
            case WhenFalse():
                assert verdict == Filtered(item.registered, "when")
            case NotMatched(_, mismatches):
                assert verdict is None or verdict == Filtered(item.registered, "when")
                assert mismatches
            case OtherTopics():
                assert verdict is None
            case Disabled():
                raise AssertionError("all are enabled")
