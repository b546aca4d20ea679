"""`/v1/explain`, `/v1/test-event` and `/v1/lineage`: what became of an event, or would. Nothing is changed."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Self

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from taskfactory.admin.ascii_json import ascii_json
from taskfactory.admin.documents import EXAMPLE_TEXT, File, read_files
from taskfactory.admin.examples.shop import STOCK_EVENT as EVENT
from taskfactory.admin.explanation_shapes import Explanation, Trial, trial
from taskfactory.admin.operating import history_of
from taskfactory.admin.problems import InputError, Problem
from taskfactory.admin.roles import VIEWER
from taskfactory.admin.routing import ApiRouter
from taskfactory.admin.run_shapes import LineageModel
from taskfactory.admin.services import Services, Using
from taskfactory.definitions import Documents
from taskfactory.intake import ReadEvent, load_in_force
from taskfactory.intake.executions import Executions, TemporalExecutions
from taskfactory.intake.explaining import (
    Explained,
    Explainer,
    NobodyToAsk,
    NoRecord,
    Question,
    given_event,
    open_reader,
    read_question,
    record_at,
)
from taskfactory.intake.explanation_values import explanation_value
from taskfactory.intake.trying import Candidates, Tried, try_event, with_drafts
from taskfactory.registry import Evidence

router = ApiRouter(prefix="/v1", tag="explain")

Topic = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
"""What Kafka allows; with another name its client says that the broker is no help."""
Partition = Annotated[int, Field(ge=0, le=2**31 - 1)]
Offset = Annotated[int, Field(ge=0, le=2**63 - 2)]


class ToExplain(BaseModel):
    """An event, or where it lies.

    Either `event`, with `topic` if definitions are bound to topics, or all three of `topic`, `partition` and `offset`.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"topic": "orders", "partition": 3, "offset": 1200}, {"event": EVENT, "topic": "orders"}]
        },
    )

    event: Any = Field(None, description="One CloudEvent, or the value of a record of a topic with a mapping.")
    topic: Topic | None = None
    partition: Partition | None = None
    offset: Offset | None = None
    definition: Annotated[str | None, Field(max_length=200)] = Field(None, description="Ask only the one of this name.")

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        placed = self.topic is not None and self.partition is not None and self.offset is not None
        if self.event is None and not placed:
            raise ValueError("say which event: `event`, or `topic`, `partition` and `offset` of a record")
        if self.event is not None and (self.partition is not None or self.offset is not None):
            raise ValueError("`event` is given: leave out `partition` and `offset`, or leave out `event`")
        return self


class ToTry(BaseModel):
    """An event to try, and whom to ask."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"event": EVENT, "topic": "stock"},
                {"event": EVENT, "files": [{"origin": "low-stock.yaml", "text": EXAMPLE_TEXT}], "only_files": True},
            ]
        },
    )

    event: Any = Field(description="One CloudEvent, or the value of a record of a topic with a mapping.")
    topic: Topic | None = Field(None, description="Where it would be read; without it, all definitions are asked.")
    files: Annotated[list[File], Field(max_length=1000)] = Field(
        default=[],
        description="Drafts: tried as if they were enabled, in place of what is registered under their names.",
    )
    only_files: bool = Field(default=False, description="Ask nobody but the drafts.")
    context: dict[str, Any] = Field(
        default={},
        description="Values of context sources outside, by name. What is not given is not fetched: then the tasks of "
        "definitions that need it can't be shown.",
        examples=[{"customer": {"risk": 3}}],
    )


@router.post("/explain", roles=VIEWER, response_model=Explanation, response_model_exclude_unset=True)
async def explain_event(services: Using, asked: ToExplain) -> Response:
    """What each definition makes of an event, and why; of a record also what became of it."""
    if asked.event is not None:
        question = given_event(_bytes(asked.event), asked.topic)
    else:
        question = await _record(services, asked.topic or "", asked.partition or 0, asked.offset or 0)
    explained = await _explained(services, question, asked.definition)
    return ascii_json(explanation_value(question, explained))


@router.post("/test-event", roles=VIEWER, response_model=Trial)
async def test_event(services: Using, asked: ToTry) -> Response:
    """What each definition would make of an event, and with which tasks and params. Nothing is started or fetched."""
    drafts = (
        await asyncio.to_thread(read_files, asked.files, services.settings.document_limits)
        if asked.files
        else Documents((), ())
    )
    candidates = await asyncio.to_thread(_candidates, services, drafts, alone=asked.only_files)
    settings = services.settings
    question = given_event(_bytes(asked.event), asked.topic)
    async with open_reader(settings, settings.max_event_bytes) as reader:
        reading = await read_question(reader, question, candidates.in_force)
    tried: list[Tried] = []
    if isinstance(reading, ReadEvent):
        limits = settings.decision_limits
        tried = await asyncio.to_thread(try_event, reading, candidates, limits, asked.topic, asked.context)
    return ascii_json(trial(question, reading, tried))


@router.get("/lineage", roles=VIEWER)
async def show_lineage_of_event(
    services: Using,
    event_source: Annotated[str | None, Query(max_length=2000)] = None,
    event_id: Annotated[str | None, Query(max_length=2000)] = None,
    topic: Annotated[Topic | None, Query()] = None,
    partition: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
    offset: Annotated[int | None, Query(ge=0, le=2**63 - 2)] = None,
) -> LineageModel:
    """What led to an event, the runs that it started, and what came of them.

    The event is named by `event_source` and `event_id`, or by `topic`, `partition` and `offset` of its record.
    """
    if event_source is not None and event_id is not None:
        named = event_source, event_id
    elif topic is not None and partition is not None and offset is not None:
        named = await _identity(services, topic, partition, offset)
    else:
        message = "give event_source and event_id, or topic, partition and offset"
        raise Problem("invalid", "Say which event.", [InputError("query", message)])
    found = await asyncio.to_thread(services.run_reader.lineage_of_event, *named)
    return LineageModel.of(found, services.settings.outcomes_topic)


async def _record(services: Services, topic: str, partition: int, offset: int) -> Question:
    async with history_of(services) as history:
        try:
            return await asyncio.to_thread(record_at, history, topic, partition, offset)
        except NoRecord as error:
            raise Problem("not-found", f"{error}") from error


async def _explained(services: Services, question: Question, name: str | None) -> Explained:
    async def executions() -> Executions:
        return TemporalExecutions(await services.temporal())

    connect: Callable[[], Awaitable[Executions]] = executions
    settings = services.settings
    async with open_reader(settings, settings.max_event_bytes) as reader:
        explainer = Explainer(services.engine, reader, settings.decision_limits, connect)
        try:
            return await explainer.explain(question, name)
        except NobodyToAsk as error:
            raise Problem(
                "not-found", f"There is no definition named {name!r}; GET /v1/definitions lists them."
            ) from error


async def _identity(services: Services, topic: str, partition: int, offset: int) -> tuple[str, str]:
    question = await _record(services, topic, partition, offset)
    in_force = await asyncio.to_thread(load_in_force, services.engine)
    settings = services.settings
    async with open_reader(settings, settings.max_event_bytes) as reader:
        reading = await read_question(reader, question, in_force)
    if not isinstance(reading, ReadEvent):
        raise Problem("not-found", f"{question.title} holds no event, so that nothing came of it; explain says why.")
    return reading.envelope.source, reading.envelope.id


def _candidates(services: Services, drafts: Documents, *, alone: bool) -> Candidates:
    in_force = load_in_force(services.engine)
    registered = [*in_force.definitions.definitions, *Evidence(services.engine).not_asked()]
    return with_drafts(registered, in_force, drafts, alone=alone)


def _bytes(event: Any) -> bytes:
    return json.dumps(event).encode()
