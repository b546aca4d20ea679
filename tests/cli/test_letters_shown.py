"""How dead letters are read: nothing of theirs can play with a terminal, and nothing is lost for programs."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.cli.letters_shown import (
    as_value,
    counts_by_reason,
    letter_text,
    letters_table,
    readable,
    with_record,
)
from taskfactory.intake import Listed, Record, StoredLetter
from taskfactory.registry import Resolution

RESOLUTION = Resolution("events/0/7", 1, "discarded", "a test", "ada", datetime(2026, 11, 24, 9, 0, tzinfo=UTC))


def letter(**changes: Any) -> StoredLetter:
    known = {
        "id": "events/0/7",
        "reason": "malformed_json",
        "message": "The value is not JSON.",
        "definition_id": None,
        "definition_name": None,
        "version": None,
        "topic": "events",
        "partition": 0,
        "offset": 7,
        "timestamp": 1_700_000_000_000,
        "attempts": 1,
        "truncated": False,
        "written_at": 1_700_000_001_000,
        "place": (0, 3),
    }
    return StoredLetter(**{**known, **changes})


def original(value: bytes | None, key: bytes | None = b"k") -> Record:
    return Record("events", 0, 7, 1_700_000_000_000, key, value, [("trace", b"\xff"), ("null", None)])


def test_a_row_says_when_what_and_why() -> None:
    table = letters_table([Listed(letter(definition_id="x", definition_name="orders", version=3), None)])
    row = dict(zip(table.head, table.rows[0], strict=True))
    assert row == {
        "WHEN": "2023-11-14 22:13:21Z",
        "STATE": "open",
        "REASON": "malformed_json",
        "DEFINITION": "orders@3",
        "ATTEMPTS": "1",
        "ID": "events/0/7",
        "MESSAGE": "The value is not JSON.",
    }


def test_letters_are_counted_by_reason_the_most_frequent_first() -> None:
    rows = [Listed(letter(reason=reason), None) for reason in ("a", "b", "b")]
    assert counts_by_reason(rows, 3) == "3 dead letters: 2 b, 1 a"
    assert counts_by_reason(rows, 2).endswith("(the newest 2 are shown; --limit shows more)")
    assert counts_by_reason(rows[:1], 1) == "1 dead letter: 1 a"
    assert counts_by_reason([], 0) == "0 dead letters"


quoted = st.text().map(lambda text: f'"{text}"'.encode("utf-8", "replace"))
values = st.none() | st.binary(max_size=5000) | quoted | st.text().map(json.dumps).map(str.encode)


@given(st.text(), st.text(), values, st.none() | st.binary(max_size=300))
def test_nothing_in_a_letter_can_play_with_a_terminal(
    reason: str, message: str, value: bytes | None, key: bytes | None
) -> None:
    row = Listed(letter(reason=reason, message=message, definition_name=message, definition_id="x"), None)
    shown = letter_text(row, original(value, key))
    assert all(character.isprintable() or character in "\n\t" for character in shown)
    assert all(cell.isprintable() for cell in letters_table([row]).rows[0])


def test_a_value_is_shown_as_json_as_text_or_in_hexadecimal() -> None:
    assert readable(b'{"a":[1]}') == '{\n  "a": [\n    1\n  ]\n}'
    assert readable("grüße\n".encode()) == "grüße\n"
    assert readable(b"\x1b[2J") == "00000000  1b 5b 32 4a" + " " * 38 + ".[2J"
    assert readable(None) == "no value"
    assert readable('"\x9b2J ü"'.encode()) == '"\\u009b2J \\u00fc"'
    assert readable(b'"\\ud800"') == '"\\ud800"'
    assert readable(b"\xff" * 5000).endswith("… 904 more bytes; -o json has all")
    assert readable(b"[" * 100_000) == "[" * 100_000


@given(st.none() | st.binary())
def test_programs_get_every_byte(value: bytes | None) -> None:
    shown = json.loads(json.dumps(with_record(Listed(letter(), None), original(value)), default=str))
    found = shown["record"]["value"]
    text = None if found.get("text") is None else found["text"].encode()
    assert value == (base64.b64decode(found["base64"]) if "base64" in found else text)
    assert shown["record"]["headers"][0] == {"name": "trace", "base64": "/w=="}


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"reason": "too_large"}, "Raise TASKFACTORY_MAX_EVENT_BYTES"),
        ({"reason": "malformed_json"}, "The producer has to be mended"),
        ({"reason": "anything new"}, "The producer has to be mended"),
        ({"reason": "when_error", "definition_id": "x"}, "Mend the definition"),
        ({"reason": "internal_error"}, "This is a fault of taskfactory's"),
    ],
)
def test_every_letter_says_what_to_do_with_the_commands_for_it(changes: dict[str, str], advice: str) -> None:
    shown = letter_text(Listed(letter(**changes), None), original(b"x"))
    assert f"What to do: {advice}" in shown
    assert shown.splitlines()[-2:] == [
        "  taskfactory dlq redrive --id events/0/7",
        '  taskfactory dlq discard --id events/0/7 --because "…"',
    ]


def test_a_resolved_letter_says_who_resolved_it_and_why() -> None:
    row = Listed(letter(), RESOLUTION)
    assert "discarded      2026-11-24 09:00:00Z by ada: a test" in letter_text(row, original(b"x"))
    assert (as_value(row)["state"], as_value(row)["resolution"]["by"]) == ("discarded", "ada")


def test_a_letter_whose_original_is_gone_is_shown_all_the_same() -> None:
    row = Listed(letter(written_at=2**62, timestamp=None), None)
    assert "its original record is gone from the topic" in letter_text(row, None)
    assert with_record(row, None)["record"] is None
