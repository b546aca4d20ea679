"""What a set of definitions says about an event."""

from typing import Any

import pytest

from taskfactory.definitions import (
    ActivityDefinition,
    DedupeKey,
    DefinitionSet,
    EvaluationFailed,
    Filtered,
    InvalidPattern,
    Matched,
    RegisteredDefinition,
    event_identity,
    event_occurrence,
)
from tests.definitions.samples import EVENT, document, registered, stored


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


def test_a_no_of_when_is_said_and_a_no_of_match_is_left_out() -> None:
    by_match = registered("by-match", match={"type": ["com.shop.order.placed"], "data": {"total": [1]}})
    by_when = registered("by-when", when="event.data.total < 100")
    assert DefinitionSet([by_match, by_when]).evaluate(EVENT, "orders") == [Filtered(by_when, "when")]


def test_when_is_not_asked_where_match_said_no() -> None:
    refusing = registered(match={"type": ["com.shop.order.placed"], "x": [1]}, when="event.missing")
    assert DefinitionSet([refusing]).evaluate(EVENT, "orders") == []


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


def test_an_event_nested_without_end_is_an_error_of_each_definition_that_looks_into_it() -> None:
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    event = {**EVENT, "data": deep}
    too_deep = ("event_error", "the event is nested deeper than 200 levels, which is the most that is matched")
    assert failure(event, match={"data": [1]}) == too_deep
    assert failure(event, when="event.type == 'x'") == too_deep
    assert failure(event, dedupe={"key": {"expression": "event.id"}}) == too_deep
    looking = registered("looking", match={"type": ["com.shop.order.placed"], "data": [1]})
    other = registered("other")
    first, second = DefinitionSet([looking, other]).evaluate(event, None)
    assert isinstance(first, EvaluationFailed)
    assert isinstance(second, Matched)


def test_a_stored_expression_that_does_not_compile_is_an_error_of_its_definition() -> None:
    broken, sound = stored({"type": ["com.shop.order.placed"]}, "broken", when="event."), registered("sound")
    first, second = DefinitionSet([broken, sound]).evaluate(EVENT, None)
    assert isinstance(first, EvaluationFailed)
    assert first.code == "when_error"
    assert isinstance(second, Matched)


def test_a_pattern_that_is_broken_is_refused_with_its_set() -> None:
    unread = ActivityDefinition.model_validate(document(match={"a": [{"prefxi": "x"}]}))
    with pytest.raises(InvalidPattern):
        DefinitionSet([RegisteredDefinition("id", 1, unread)])


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
