"""Dedupe keys and the ids that are made of them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.definitions import (
    DedupeKey,
    DedupeKeyMissing,
    DedupeTimeMissing,
    event_identity,
    event_occurrence,
    outcome_id,
    task_id,
    workflow_id,
)
from taskfactory.definitions.dedupe import canonical_json, expression_key, subject_key

TEXT = st.text(st.characters())  # surrogates and NUL included
PARTS = st.lists(TEXT | st.integers() | st.booleans() | st.lists(TEXT, max_size=2), max_size=3).map(tuple)


@given(PARTS)
def test_a_key_is_stable_through_json(parts: tuple[Any, ...]) -> None:
    copied = DedupeKey("expression", tuple(json.loads(json.dumps(parts))))
    assert copied.event_key == DedupeKey("expression", parts).event_key
    assert copied.digest == DedupeKey("expression", parts).digest


@given(PARTS, PARTS)
def test_different_parts_have_different_keys(first: tuple[Any, ...], second: tuple[Any, ...]) -> None:
    same = canonical_json(first) == canonical_json(second)
    assert (DedupeKey("expression", first).event_key == DedupeKey("expression", second).event_key) is same
    assert (DedupeKey("expression", first).digest == DedupeKey("expression", second).digest) is same


@given(PARTS)
def test_keys_have_a_fixed_shape(parts: tuple[Any, ...]) -> None:
    key = DedupeKey("expression", parts)
    assert len(key.event_key) == 26
    assert set(key.event_key) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert len(key.digest) == 16
    assert len(key.slug) <= 40
    assert set(key.slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_the_key_never_changes_between_releases() -> None:
    key = DedupeKey("event_id", ("/shop", "evt-1"))
    assert key.event_key == "a7bx2bze4q5n3wqzsrkqvpej7a"
    assert key.digest.hex() == "07c37d0724e43addda1994550abc89f8"


def test_the_order_of_an_objects_members_makes_no_difference() -> None:
    one, other = (
        expression_key({"order": 7, "line": {"a": 1, "b": 2}}),
        expression_key({"line": {"b": 2, "a": 1}, "order": 7}),
    )
    assert one.event_key == other.event_key


def test_parts_are_not_joined_where_a_separator_could_be_forged() -> None:
    assert DedupeKey("event_id", ("a/b", "c")).event_key != DedupeKey("event_id", ("a", "b/c")).event_key


def test_the_strategy_is_part_of_the_key() -> None:
    assert DedupeKey("subject", ("x",)).event_key != DedupeKey("expression", ("x",)).event_key


def test_a_whole_number_is_the_same_key_however_a_codec_gives_it() -> None:
    assert expression_key(35.0).event_key == expression_key(35).event_key
    assert expression_key(35.5).event_key != expression_key(35).event_key
    assert expression_key(True).event_key != expression_key(1).event_key  # noqa: FBT003  a JSON value
    assert expression_key("35").event_key != expression_key(35).event_key


@pytest.mark.parametrize("text", ["a" * 5_000, "a\0b", "\ud800", "a/b/c", "é☃", "🦊"])
def test_any_text_makes_a_key(text: str) -> None:
    key = event_identity({"source": "/s", "id": text})
    assert key.parts == ("/s", text)
    assert len(workflow_id("f3b0", key)) == len("activity-f3b0-") + 26


def test_a_slug_reminds_of_the_parts() -> None:
    assert event_identity({"source": "/Shop", "id": "Order 7"}).slug == "shop-order-7"
    assert expression_key(["a", 5]).slug == "a-5"
    assert DedupeKey("subject", ("x" * 39 + " yz",)).slug == "x" * 39


@pytest.mark.parametrize("event", [{}, {"subject": None}, {"subject": ""}])
def test_a_missing_subject_is_no_key(event: dict[str, Any]) -> None:
    with pytest.raises(DedupeKeyMissing, match="the dedupe key is `subject`, but the event has none"):
        subject_key(event)


@pytest.mark.parametrize("value", [None, "", [], [None], ["a", ""], [["a", []]]])
def test_a_value_that_tells_no_events_apart_is_no_key(value: Any) -> None:
    with pytest.raises(DedupeKeyMissing, match="it must give a value that tells events apart"):
        expression_key(value)


@pytest.mark.parametrize("value", [0, False, 0.0, {}, "0", [0]])
def test_other_values_are_keys_even_when_python_calls_them_false(value: Any) -> None:
    assert expression_key(value).parts == (value,)


def test_ids_are_derived_from_one_another() -> None:
    key = DedupeKey("subject", ("order-7",))
    run = workflow_id("f3b0", key)
    assert run == f"activity-f3b0-{key.event_key}"
    assert workflow_id("f3b0", key, generation=2) == f"{run}-g2"
    assert task_id(run, "reserve") == f"{run}/reserve"
    assert task_id(run, "reserve", 0) == f"{run}/reserve/0"
    assert outcome_id(task_id(run, "reserve", 0), "completed") == f"{run}/reserve/0/completed"


def test_an_occurrence_is_the_event_at_its_time_however_the_time_is_written() -> None:
    event = {"source": "/shop", "id": "7", "time": "2026-01-02T03:04:05Z"}
    same = event_occurrence({**event, "time": "2026-01-02t04:04:05.000+01:00"})
    assert same == event_occurrence(event)
    assert event_occurrence({**event, "time": "2026-01-02T03:04:06Z"}).digest != same.digest
    assert event_occurrence(event).digest != event_identity(event).digest


@pytest.mark.parametrize("event", [{}, {"time": None}, {"time": ""}])
def test_an_event_without_time_has_no_occurrence(event: dict[str, Any]) -> None:
    with pytest.raises(DedupeTimeMissing, match="measured in the event's `time`, but the event has none"):
        event_occurrence({"source": "/s", "id": "1", **event})


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00", "yesterday"])
def test_a_time_outside_the_calendar_has_no_occurrence(time: str) -> None:
    with pytest.raises(DedupeTimeMissing, match="can't be measured from"):
        event_occurrence({"source": "/s", "id": "1", "time": time})
