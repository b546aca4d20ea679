"""Dead letters as people and programs read them. Pure."""

import base64
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from taskfactory.cli.cells import moment
from taskfactory.cli.output import Table, counted
from taskfactory.intake import Listed, Record, StoredLetter, advice_for

SHOWN_BYTES: Final = 4096
"""Of a value that is no text; -o json has all of it."""
ROW_BYTES: Final = 16


def letters_table(rows: Sequence[Listed]) -> Table:
    """Short cells first, the sentence last, for it is long."""
    return Table(
        ("WHEN", "STATE", "REASON", "DEFINITION", "ATTEMPTS", "ID", "MESSAGE"),
        [
            (
                moment(at(row.letter.written_at)),
                row.state,
                printable(row.letter.reason),
                definition_of(row.letter),
                str(row.letter.attempts),
                printable(row.letter.id),
                printable(row.letter.message),
            )
            for row in rows
        ],
    )


def counts_by_reason(rows: Sequence[Listed], shown: int) -> str:
    """`12 dead letters: 10 malformed_json, 2 when_error`, and how many of them are shown."""
    counts = Counter(printable(row.letter.reason) for row in rows)
    told = ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common())
    newest = f" (the newest {shown:,} are shown; --limit shows more)" if shown < len(rows) else ""
    return f"{counted(len(rows), 'dead letter')}{': ' if told else ''}{told}{newest}"


def as_value(row: Listed) -> dict[str, Any]:
    """A letter for programs."""
    letter = row.letter
    return {
        "id": letter.id,
        "state": row.state,
        "reason": letter.reason,
        "message": letter.message,
        "definition": None
        if letter.definition_id is None
        else {"id": letter.definition_id, "name": letter.definition_name, "version": letter.version},
        "origin": {
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "timestamp": None if letter.timestamp is None else at(letter.timestamp),
        },
        "attempts": letter.attempts,
        "dead_lettered_at": at(letter.written_at),
        "truncated": letter.truncated,
        "resolution": None if row.resolution is None else asdict(row.resolution),
    }


def with_record(row: Listed, original: Record | None) -> dict[str, Any]:
    """The same with the original record: bytes as text where they are, in base64 otherwise."""
    if original is None:
        return {**as_value(row), "record": None}
    headers = [{"name": name, **_bytes_value(value)} for name, value in original.headers]
    record = {"key": _bytes_value(original.key), "headers": headers, "value": _bytes_value(original.value)}
    return {**as_value(row), "record": record, "what_to_do": what_to_do(row)}


def letter_text(row: Listed, original: Record | None) -> str:
    """Everything about one letter, with what to do, for people."""
    letter, resolution = row.letter, row.resolution
    origin = f"{letter.topic}, partition {letter.partition}, offset {letter.offset}"
    lines = [
        ("id", letter.id),
        ("state", row.state),
        ("reason", letter.reason),
        ("message", letter.message),
        ("definition", definition_of(letter)),
        ("origin", origin if letter.timestamp is None else f"{origin}, {moment(at(letter.timestamp))}"),
        ("dead-lettered", moment(at(letter.written_at))),
        ("attempts", str(letter.attempts)),
    ]
    if resolution is not None:
        lines.append((resolution.resolution, f"{moment(resolution.at)} by {resolution.by}: {resolution.reason}"))
    if original is not None:
        lines.append(("key", "-" if original.key is None else _short(original.key)))
        lines.extend((f"header {name}", "-" if value is None else _short(value)) for name, value in original.headers)
    width = max(len(printable(name)) for name, _ in lines)
    shown = [f"{printable(name).ljust(width)}  {printable(text)}" for name, text in lines]
    value = "its original record is gone from the topic" if original is None else readable(original.value)
    return "\n".join([*shown, "", value, "", f"What to do: {what_to_do(row)}.", *commands_for(row)])


def what_to_do(row: Listed) -> str:
    """A sentence about the letter's reason, without its full stop."""
    if row.resolution is not None:
        return f"nothing, it was {row.resolution.resolution}"
    letter = row.letter
    return advice_for(letter.reason, whole_record=letter.definition_id is None)


def commands_for(row: Listed) -> list[str]:
    """The commands that take a letter off the list, a line each; none for one that is off it."""
    if row.resolution is not None:
        return []
    letter_id = printable(row.letter.id)
    return [
        f"  taskfactory dlq redrive --id {letter_id}",
        f'  taskfactory dlq discard --id {letter_id} --because "…"',
    ]


def readable(value: bytes | None) -> str:
    """Bytes as people can read them: JSON indented, text as it is, anything else in hexadecimal."""
    if value is None:
        return "no value"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return _hexadecimal(value)
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return text if _is_harmless(text) else _hexadecimal(value)
    shown = json.dumps(parsed, indent=2, ensure_ascii=False)
    return shown if _is_harmless(shown) else json.dumps(parsed, indent=2)


def _is_harmless(text: str) -> bool:
    return all(character.isprintable() or character in "\n\t" for character in text)


def printable(text: str) -> str:
    """Text of others that can't play with a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def definition_of(letter: StoredLetter) -> str:
    """`orders@3`, or `all` for a letter of the record itself."""
    return "all" if letter.definition_id is None else printable(f"{letter.definition_name}@{letter.version}")


def at(milliseconds: int) -> datetime:
    """Kafka's milliseconds as a time; one beyond the calendar is its first or last."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC) if milliseconds > 0 else datetime.min.replace(tzinfo=UTC)


def _hexadecimal(value: bytes) -> str:
    rows = [
        f"{start:08x}  {value[start : start + ROW_BYTES].hex(' '):<47}  {_ascii(value[start : start + ROW_BYTES])}"
        for start in range(0, min(len(value), SHOWN_BYTES), ROW_BYTES)
    ]
    if len(value) > SHOWN_BYTES:
        rows.append(f"… {len(value) - SHOWN_BYTES:,} more bytes; -o json has all")
    return "\n".join(rows)


def _ascii(row: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)  # noqa: PLR2004 -- printable ASCII


def _short(value: bytes) -> str:
    text = value.decode("utf-8", "backslashreplace")
    return text if len(text) <= 200 else f"{text[:200]}…"  # noqa: PLR2004 -- a few lines of a terminal


def _bytes_value(value: bytes | None) -> dict[str, str | None]:
    try:
        return {"text": None if value is None else value.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value or b"").decode()}
