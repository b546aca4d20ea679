"""How dead letters look in requests and answers."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from taskfactory.admin.moments import Moment
from taskfactory.intake import LetterFilter, Listed, Record, StoredLetter, advice_for

LETTER_ID: Final = "orders/3/1200/0b7c2f0e-9a34-4b53-8c2e-2f5f1f6f7c11"
MOST_LETTERS: Final = 1000
"""Of one request."""

Outcome = Literal["started", "already_started", "filtered", "failed", "refused"]
Text = Annotated[str | None, Field(max_length=1000)]


class Selection(BaseModel):
    """Which letters are meant: those that fit everything that is given. At least one thing has to be."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=MOST_LETTERS)] = Field(
        default=[], description="Letters' ids.", examples=[[LETTER_ID]]
    )
    reason: Text = Field(None, description="The code that says why they became dead letters.", examples=["when_error"])
    definition: Text = Field(None, description="A definition's name or id.")
    topic: Text = Field(None, description="Where they came from, as the next two.")
    partition: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    offset: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None
    since: Moment | None = Field(None, description="Dead-lettered then or later.")
    until: Moment | None = Field(None, description="Dead-lettered before.")

    def filter(self) -> LetterFilter:
        """As `taskfactory.intake` takes it."""
        return LetterFilter(
            frozenset(self.ids),
            self.reason,
            self.definition,
            self.since,
            self.until,
            self.topic,
            self.partition,
            self.offset,
        )


class LetterDefinition(BaseModel):
    """The definition that a letter concerns."""

    id: str
    name: str | None
    version: int | None


class Origin(BaseModel):
    """Where a letter's record came from."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime | None


class ResolutionModel(BaseModel):
    """How a letter left the list."""

    resolution: Literal["redriven", "discarded"]
    reason: str | None
    by: str
    at: datetime | None


class LetterSummary(BaseModel):
    """A dead letter without its record."""

    id: str = Field(examples=[LETTER_ID])
    state: Literal["open", "redriven", "discarded"]
    reason: str = Field(description="A stable code.", examples=["when_error"])
    message: str
    definition: LetterDefinition | None = Field(description="Null: the record itself is at fault.")
    origin: Origin
    attempts: int
    dead_lettered_at: datetime
    truncated: bool = Field(description="The dead letter topic found it too large: its value is at its origin only.")
    resolution: ResolutionModel | None


class Part(BaseModel):
    """Bytes: as text where they are UTF-8, otherwise in base64."""

    text: str | None = None
    base64: str | None = None


class Header(Part):
    """A record's header."""

    name: str


class RecordModel(BaseModel):
    """A letter's original record."""

    key: Part
    headers: list[Header]
    value: Part


class LetterModel(LetterSummary):
    """A dead letter."""

    record: RecordModel | None = Field(description="Null: retention took it.")
    what_to_do: str = Field(description="A sentence about the reason.")


def summary(row: Listed) -> dict[str, Any]:
    """A `LetterSummary`'s fields."""
    letter, resolution = row.letter, row.resolution
    return {
        "id": letter.id,
        "state": row.state,
        "reason": letter.reason,
        "message": letter.message,
        "definition": _definition(letter),
        "origin": {
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "timestamp": None if letter.timestamp is None else moment(letter.timestamp),
        },
        "attempts": letter.attempts,
        "dead_lettered_at": moment(letter.written_at),
        "truncated": letter.truncated,
        "resolution": resolution
        and {
            "resolution": resolution.resolution,
            "reason": resolution.reason,
            "by": resolution.by,
            "at": resolution.at,
        },
    }


def with_record(row: Listed, original: Record | None) -> dict[str, Any]:
    """A `LetterModel`'s fields."""
    done = f"nothing, it was {row.state}"
    advice = advice_for(row.letter.reason, whole_record=row.letter.definition_id is None)
    return {
        **summary(row),
        "record": original and _record(original),
        "what_to_do": advice if row.resolution is None else done,
    }


def moment(milliseconds: int) -> datetime:
    """Kafka's milliseconds as a time; one beyond the calendar is its first or last."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC) if milliseconds > 0 else datetime.min.replace(tzinfo=UTC)


def _definition(letter: StoredLetter) -> dict[str, Any] | None:
    if letter.definition_id is None:
        return None
    return {"id": letter.definition_id, "name": letter.definition_name, "version": letter.version}


def _record(record: Record) -> dict[str, Any]:
    headers: Sequence[tuple[str, bytes | None]] = record.headers
    return {
        "key": _part(record.key),
        "headers": [{"name": name, **_part(value)} for name, value in headers],
        "value": _part(record.value),
    }


def _part(value: bytes | None) -> dict[str, str | None]:
    if value is None:
        return {"text": None, "base64": None}
    try:
        return {"text": value.decode(), "base64": None}
    except UnicodeDecodeError:
        return {"text": None, "base64": base64.b64encode(value).decode()}
