"""CEL as definitions know it: JSON in, JSON or an error out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.definitions.cel import Bindings, CompileError, EvaluationError, compile_expression

EVENT = {"n": 7, "text": "x", "list": [1, 2], "none": None, "nested": {"key": "value"}}
EVENT_ONLY = frozenset({"event"})


def evaluate(expression: str, **values: Any) -> Any:
    return Bindings({"event": EVENT, **values}).evaluate(expression)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("event.n + 1", 8),
        ("event.n > 6.5", True),
        ("event.none", None),
        ("event.list.map(i, i * 2)", [2, 4]),
        ("event.nested", {"key": "value"}),
        ("has(event.missing)", False),
        ("event.n == 7 || event.missing", True),
        ("'Ab'.lowerAscii()", "ab"),
        ("timestamp('2026-01-02T03:04:05.5Z')", "2026-01-02T03:04:05.500000Z"),
        ("timestamp('2026-01-02T03:04:05Z') + duration('1h')", "2026-01-02T04:04:05Z"),
        ("[duration('1h'), duration('1.25s'), duration('0s')]", ["3600s", "1.25s", "0s"]),
        ("b'abc'", "YWJj"),
        ("18446744073709551615u", 18446744073709551615),
        ("1.0", 1.0),
    ],
)
def test_results_are_json(expression: str, result: Any) -> None:
    found = evaluate(expression)
    assert (found, type(found)) == (result, type(result))


def test_maps_come_back_with_sorted_keys_whatever_order_the_engine_has() -> None:
    assert list(evaluate("{'d': 1, 'b': {'z': 1, 'a': 2}, 'a': 1, 'c': 1}")) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("event.missing.deeper", 'Key not found in map : "missing"'),
        ("event.n / 0", "divide by zero"),
        ("event.n + event.text", "No matching overloads found"),
        ("event.list[9]", "Index error: index=9 size=2"),
        ("1.0 / 0.0", "the result holds inf, which JSON cannot say"),
        ("[0.0 / 0.0]", "the result holds nan, which JSON cannot say"),
        ("{1: 'a'}", "the result holds a map with the key 1; keys are text in JSON"),
        ("type(event.n)", "the result holds a Type, which JSON cannot say"),
        ("9223372036854775807 + event.n", "integer overflow"),
    ],
)
def test_what_has_no_json_value_is_an_error(expression: str, sentence: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression)
    assert sentence in caught.value.message
    assert caught.value.expression == expression


def test_a_loop_without_end_is_an_error() -> None:
    loop = "l.map(a, l.map(b, l.filter(c, c == a * b).size()).size()).size()"
    with pytest.raises(EvaluationError, match="Iteration budget exceeded"):
        Bindings({"l": list(range(400))}).evaluate(loop)


def test_an_integer_beyond_64_bits_is_an_error_and_not_another_number() -> None:
    with pytest.raises(EvaluationError, match="out of range"):
        Bindings({"event": {"n": 2**70}}).evaluate("event.n")


def test_a_syntax_error_points_at_its_place() -> None:
    with pytest.raises(CompileError) as caught:
        compile_expression("event.n ==== 1", EVENT_ONLY)
    assert caught.value.message == (
        "line 1, column 11: Syntax error: extraneous input '=='\n | event.n ==== 1\n | ..........^"
    )
    assert (caught.value.line, caught.value.column) == (1, 11)


def test_an_unknown_name_is_found_before_any_event_comes() -> None:
    with pytest.raises(CompileError) as caught:
        compile_expression("event.n > context.limit", frozenset({"event", "context.total"}))
    assert "line 1, column 18: undeclared reference to 'context.limit'" in caught.value.message
    assert caught.value.message.endswith("known here: context.total, event")


def test_an_expression_cannot_be_longer_than_its_limit() -> None:
    with pytest.raises(CompileError, match="found 10001 characters; allowed are at most 10000 in an expression"):
        compile_expression("1" * 10_001, EVENT_ONLY)


def test_inner_bindings_see_the_outer_ones() -> None:
    outer = Bindings({"event": EVENT})
    inner = Bindings({"item": 5, "index": 0}, Bindings({"context.limit": 10}, outer))
    assert inner.evaluate("event.n + item + index + context.limit") == 22
    assert inner.evaluate("event.list.map(item, item)") == [1, 2]


ANY_TEXT = st.text(st.characters(categories=["L", "Cs", "Cc", "P"]))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_a_value_that_only_passes_through_stays_as_it_is(value: Any) -> None:
    assert Bindings({"event": {"data": value}}).evaluate("event.data") == value


@given(ANY_TEXT, ANY_TEXT)
def test_text_with_nul_and_lone_surrogates_is_compared_joined_and_counted_whole(first: str, second: str) -> None:
    bindings = Bindings({"a": first, "b": second})
    assert bindings.evaluate("a == b") is (first == second)
    assert bindings.evaluate("a + b") == first + second
    assert bindings.evaluate("a.size()") == len(first)


def test_characters_that_stand_in_for_others_are_not_mistaken_for_them() -> None:
    assert Bindings({"a": "\U0010f800"}).evaluate("a") == "\U0010f800"
    with pytest.raises(EvaluationError, match=r"beside characters of U\+10F000"):
        Bindings({"a": "\0\U0010f800"}).evaluate("a")
