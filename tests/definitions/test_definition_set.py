"""What a set of definitions says about an event."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.definitions import (
    DedupeKey,
    DefinitionSet,
    EvaluationFailed,
    EventPattern,
    Filtered,
    Matched,
    event_identity,
    event_occurrence,
)
from tests.definitions.samples import EVENT, registered


def verdict(event: dict[str, Any] = EVENT, **fields: Any) -> Matched | Filtered | EvaluationFailed:
    [only] = DefinitionSet([registered(**fields)]).evaluate(event, "orders")
    return only


def failure(event: dict[str, Any] = EVENT, **fields: Any) -> tuple[str, str]:
    result = verdict(event, **fields)
    assert isinstance(result, EvaluationFailed)
    return result.code, result.message


def test_a_definition_that_takes_the_event_says_under_which_key() -> None:
    item = registered(when="event.data.total > 100")
    assert DefinitionSet([item]).evaluate(EVENT, "orders") == [Matched(item, event_identity(EVENT))]


def test_no_is_said_by_match_or_by_when() -> None:
    by_match = verdict(match={"type": ["com.shop.order.placed"], "data": {"total": [1]}})
    by_when = verdict(when="event.data.total < 100")
    assert isinstance(by_match, Filtered)
    assert by_match.reason == "match"
    assert isinstance(by_when, Filtered)
    assert by_when.reason == "when"


def test_when_is_not_asked_where_match_said_no() -> None:
    assert isinstance(verdict(match={"type": ["com.shop.order.placed"], "x": [1]}, when="event.missing"), Filtered)


def test_a_when_that_fails_is_not_a_no() -> None:
    assert failure(when="event.data.missing > 1") == ("when_error", 'Key not found in map : "missing"')


@pytest.mark.parametrize("expression", ["event.data.total", "null", "'true'", "[true]"])
def test_a_when_that_gives_no_boolean_is_not_a_no(expression: str) -> None:
    code, message = failure(when=expression)
    assert code == "when_error"
    assert message.startswith("`when` must give true or false; it gave ")


def test_the_dedupe_key_follows_its_strategy() -> None:
    subject = verdict(dedupe={"key": "subject"})
    expression = verdict(dedupe={"key": {"expression": "[event.source, event.data.order_id]"}})
    assert isinstance(subject, Matched)
    assert subject.key == DedupeKey("subject", ("order-7",))
    assert isinstance(expression, Matched)
    assert expression.key == DedupeKey("expression", (["/shop", "7"],))


def test_with_a_window_each_occurrence_asks_for_itself() -> None:
    timed = {**EVENT, "time": "2026-01-02T03:04:05Z"}
    windowed = verdict(timed, dedupe={"key": "subject", "window": "7d"})
    forever = verdict(timed, dedupe={"key": "subject"})
    assert isinstance(windowed, Matched)
    assert isinstance(forever, Matched)
    assert windowed.key == forever.key == forever.run_key == DedupeKey("subject", ("order-7",))
    assert windowed.run_key == event_occurrence(timed)


def test_a_window_without_a_time_to_measure_it_is_an_error_of_that_definition() -> None:
    code, message = failure(dedupe={"window": "7d"})
    assert code == "dedupe_time_missing"
    assert "set it, or use `window: forever`" in message


def test_a_key_that_cannot_be_made_is_an_error() -> None:
    without_subject = {**EVENT, "subject": None}
    assert failure(without_subject, dedupe={"key": "subject"})[0] == "dedupe_key_missing"
    assert failure(dedupe={"key": {"expression": "null"}})[0] == "dedupe_key_missing"
    assert failure(dedupe={"key": {"expression": "event.nope"}}) == ("dedupe_error", 'Key not found in map : "nope"')


def test_one_definition_that_fails_harms_no_other() -> None:
    failing, working = registered("failing", when="event.nope"), registered("working")
    first, second = DefinitionSet([failing, working]).evaluate(EVENT, None)
    assert isinstance(first, EvaluationFailed)
    assert isinstance(second, Matched)


def test_an_event_nested_without_end_is_an_error_of_each_definition() -> None:
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    code, message = failure({**EVENT, "data": deep})
    assert (code, message) == (
        "event_error",
        "the event is nested deeper than 200 levels, which is the most that is matched",
    )


def test_definitions_of_other_types_topics_or_that_are_disabled_are_not_asked() -> None:
    other_type = registered("other-type", match={"type": ["com.shop.order.paid"]})
    other_topic = registered(
        "other-topic", trigger={"type": "event", "topics": ["returns"], "match": {"type": ["com.shop.order.placed"]}}
    )
    disabled = registered("disabled", enabled=False)
    definitions = DefinitionSet([other_type, other_topic, disabled])
    assert definitions.definitions == (other_type, other_topic)
    assert len(definitions) == 2
    assert definitions.evaluate(EVENT, "orders") == []
    assert [found.registered for found in definitions.evaluate(EVENT, None)] == [other_topic]


def test_verdicts_come_in_the_order_of_the_definitions() -> None:
    any_type, exact = registered("b", match={"type": [{"prefix": "com."}]}), registered("a")
    assert [found.registered for found in DefinitionSet([any_type, exact]).evaluate(EVENT, None)] == [any_type, exact]


def test_text_that_databases_refuse_still_has_a_key_and_can_be_asked_about() -> None:
    for strange in ("a\0b", "\ud800", "x" * 5_000, "a/b/../c"):
        event = {**EVENT, "id": strange, "subject": strange}
        matched = verdict(
            event, when=f"event.subject.size() == {len(strange)}", dedupe={"key": {"expression": "event.subject"}}
        )
        assert isinstance(matched, Matched)
        assert matched.key.parts == (strange,)


TYPES = st.sampled_from(["a", "b", "c"])
TYPE_PATTERNS = st.lists(
    TYPES | st.sampled_from([{"prefix": "a"}, {"anything-but": "b"}, {"exists": False}, {"exists": True}]),
    min_size=1,
    max_size=2,
)
MATCHES = st.fixed_dictionaries(
    {}, optional={"type": TYPE_PATTERNS, "id": st.just(["1"]), "$or": st.just([{"type": ["a"]}, {"id": ["1"]}])}
).filter(bool)


@given(st.lists(MATCHES, max_size=4), TYPES, st.sampled_from(["1", "2"]))
def test_preselection_loses_no_match(patterns: list[dict[str, Any]], event_type: str, event_id: str) -> None:
    event = {"source": "/s", "id": event_id, "type": event_type}
    definitions = DefinitionSet([registered(f"d{n}", match=pattern) for n, pattern in enumerate(patterns)])
    matched = {
        found.registered.definition.name for found in definitions.evaluate(event, None) if isinstance(found, Matched)
    }
    assert matched == {f"d{n}" for n, pattern in enumerate(patterns) if EventPattern.parse(pattern).matches(event)}
