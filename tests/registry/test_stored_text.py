"""JSON that keeps everything, and readable text that any database takes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.registry.stored_text import Unstorable, json_text, readable, readable_key

any_text = st.text(st.characters(codec=None, exclude_categories=()))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=10,
)


@given(json_values)
def test_json_keeps_every_value_in_printable_ascii(value: object) -> None:
    text = json_text(value)
    assert json.loads(text) == value
    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), {1}, b"x", {"a": object()}])
def test_what_has_no_json_form_is_unstorable(value: object) -> None:
    with pytest.raises(Unstorable):
        json_text(value)


def test_nesting_without_end_is_unstorable() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(Unstorable):
        json_text(value)


@given(any_text, st.integers(1, 50))
def test_readable_text_is_short_and_printable(text: str, length: int) -> None:
    shown = readable(text, length)
    assert len(shown) <= length
    assert shown.isprintable()
    assert shown == text or not text.isprintable() or len(text) > length


def test_a_key_of_several_parts_reads_as_one_line() -> None:
    assert readable_key(["/shop", "a\nb", {"n": 1}]) == '/shop a\\nb {"n":1}'
