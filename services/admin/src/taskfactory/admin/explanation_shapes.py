"""How explanations and trials look in answers."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel, Field

from taskfactory.intake import ReadResult
from taskfactory.intake.explaining import Explained, Question
from taskfactory.intake.explanation import Answer
from taskfactory.intake.explanation_values import answer_value, explanation_value
from taskfactory.intake.trying import Tried

SHOWN_TASKS: Final = 100
"""Of one definition; how many there are is said beside."""


class ExplainedEvent(BaseModel):
    """The event in short."""

    source: str
    id: str
    type: str
    subject: str | None


class ClauseMismatch(BaseModel):
    """A clause of `match` that fails."""

    path: str = Field(description="Of the field; empty where no single field is at fault.")
    expected: list[Any]
    actual: list[Any]
    reason: str


class DefinitionAnswer(BaseModel):
    """What one definition makes of the event."""

    name: str
    version: int | None = Field(description="Null for a draft.")
    answer: Answer
    sentence: str = Field(description="Why, for people.")
    run_id: str | None = Field(description="The run that it would start, or has.")
    held_by: str | None = Field(description="The run that has the event's dedupe key already.")
    reason: str | None = Field(description="The code of a dead letter.")
    letter: str | None = Field(description="The dead letter's id.")
    resolution: str | None = Field(description="How it was resolved.")
    mismatches: list[ClauseMismatch]


class Unreadable(BaseModel):
    """No event can be read."""

    reason: str
    message: str
    letter: str | None
    resolution: str | None


class _Read(BaseModel):
    topic: str | None
    event: ExplainedEvent | None = Field(None, description="Absent when there is none.")
    dead_lettered: Unreadable | None = Field(None, description="Present when no event can be read.")
    passed_over: bool = Field(default=False, description="True when the topic's mapping says that it is no event.")


class Explanation(_Read):
    """What became of an event, or would."""

    partition: int | None = Field(None, description="Present for a record, as the next two.")
    offset: int | None = None
    timestamp: int | None = Field(None, description="Milliseconds since the epoch.")
    definitions: list[DefinitionAnswer] = Field(description="Those that take the event first, near misses next.")


class TriedTask(BaseModel):
    """A task that would be done."""

    task_id: str
    name: str
    index: int | None
    type: str
    handler: str
    queue: str
    params: dict[str, Any]
    skipped: bool = Field(description="Its `when` is false.")


class PlanFailure(BaseModel):
    """Why the run would fail as it is planned."""

    code: str
    path: str
    message: str


class TriedDefinition(DefinitionAnswer):
    """What one definition would make of the event, and what it would do."""

    draft: bool
    task_count: int
    tasks: list[TriedTask] = Field(description="The first 100, in the order of the plan.")
    not_fetched: list[str] = Field(
        description="Context sources outside whose values were not given; without them, no tasks can be shown."
    )
    failure: PlanFailure | None


class Trial(_Read):
    """What every definition would make of an event."""

    definitions: list[TriedDefinition] = Field(description="Those that take the event first, near misses next.")


def trial(question: Question, reading: ReadResult, tried: Sequence[Tried]) -> dict[str, Any]:
    """A `Trial`'s fields."""
    described = explanation_value(question, Explained(reading))
    return {**described, "definitions": [_tried(item, question) for item in tried]}


def _tried(item: Tried, question: Question) -> dict[str, Any]:
    failure = item.failure
    return {
        **answer_value(item.answered, question),
        "draft": item.is_draft,
        "task_count": len(item.tasks),
        "tasks": [{name: getattr(task, name) for name in TriedTask.model_fields} for task in item.tasks[:SHOWN_TASKS]],
        "not_fetched": list(item.not_fetched),
        "failure": failure and {"code": failure.code, "path": failure.path, "message": failure.message},
    }
