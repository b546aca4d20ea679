"""`ActivityDefinition`: the shape of a definition. What needs its expressions compiled is checked in `checks`."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from taskfactory.definitions.context_sources import ContextSource
from taskfactory.definitions.cron_trigger import CronTrigger
from taskfactory.definitions.durations import DURATION_PATTERN, parse_duration
from taskfactory.definitions.retry import Retry
from taskfactory.definitions.strict_model import Duration, StrictModel, check_duration
from taskfactory.definitions.texts import Cel, Name, Reference, Topic

FOREVER: Final = "forever"
RESERVED_QUEUES: Final = "/_sys/"
"""Temporal refuses task queues whose names start with this: it names partitions so (its server's package `tqid`)."""


def _check_window(value: Any) -> Any:
    try:
        return value if value == FOREVER else check_duration(value)
    except PydanticCustomError as error:
        raise PydanticCustomError("window", "{message}", {"message": f"{error.message()}, or {FOREVER}"}) from None


def _check_queue(value: str) -> str:
    if value.startswith(RESERVED_QUEUES):
        message = f"found {value!r}; Temporal reserves names that start with {RESERVED_QUEUES!r}, choose another"
        raise PydanticCustomError("reserved_queue", "{message}", {"message": message})
    return value


Queue = Annotated[Reference, AfterValidator(_check_queue)]
Window = Annotated[
    str,
    BeforeValidator(_check_window),
    WithJsonSchema({"anyOf": [{"const": FOREVER}, {"type": "string", "pattern": DURATION_PATTERN, "minLength": 2}]}),
]


class EventTrigger(StrictModel):
    """Which events start a run."""

    type: Literal["event"]
    """`event`: a run for every event that matches."""
    topics: tuple[Topic, ...] | None = Field(default=None, min_length=1, strict=False)
    """Kafka topics to take events from; every topic that the ingress reads when left out."""
    match: dict[str, Any]
    """EventBridge pattern over the envelope's JSON form."""
    when: Cel | None = None
    """CEL over `event`, evaluated only after `match`: true or false."""


Trigger = Annotated[EventTrigger | CronTrigger, Discriminator("type")]


class DedupeExpression(StrictModel):
    """A dedupe key of the author's own."""

    expression: Cel
    """CEL over `event`: events for which it gives the same value are the same occasion."""


DedupeStrategy = Annotated[
    Annotated[Literal["event_id", "subject"], Tag("name")] | Annotated[DedupeExpression, Tag("expression")],
    Discriminator(lambda key: "expression" if isinstance(key, dict | DedupeExpression) else "name"),
]


class Dedupe(StrictModel):
    """Which events are the same occasion, so that only the first of them starts a run."""

    key: DedupeStrategy = "event_id"
    """`event_id` (source and id), `subject`, or `{expression: <CEL>}`."""
    window: Window = FOREVER
    """`forever`: a key fires once. A duration such as `7d`: again when an event's `time` is that much later."""

    @property
    def window_seconds(self) -> float | None:
        """The window's length; None for `forever`."""
        return None if self.window == FOREVER else parse_duration(self.window)


class _Task(StrictModel):
    name: Name
    """Unique within the definition; part of the task's id."""
    queue: Queue
    """Temporal task queue that the workers poll."""
    when: Cel | None = None
    """CEL: the task is skipped when it gives false. With `foreach` it is asked for every element."""
    foreach: Cel | None = None
    """CEL that gives a list: one task for each element, which expressions see as `item` and its position as `index`."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """What the handler receives; strings may hold `${…}` templates."""


class ActivityTask(_Task):
    """A task that a handler does in one step."""

    type: Literal["activity"]
    """`activity`: one handler function."""
    handler: Reference
    """The handler's name."""
    timeout: Duration = "5m"
    """Longest time of one attempt (start to close)."""
    schedule_to_close: Duration = "24h"
    """Longest time from planning to the end, waiting and retries included."""
    heartbeat: Duration | None = None
    """Longest time between two heartbeats of the handler; without it, none are expected."""
    retry: Retry = Retry()

    @model_validator(mode="after")
    def _times_in_order(self) -> Self:
        limits = [("timeout", self.timeout, "schedule_to_close", self.schedule_to_close)]
        if self.heartbeat is not None:
            limits.append(("heartbeat", self.heartbeat, "timeout", self.timeout))
        for name, value, limit_name, limit in limits:
            if parse_duration(value) > parse_duration(limit):
                message = f"found {name} {value}, longer than {limit_name} {limit}, which would end it earlier"
                raise PydanticCustomError("order", "{message}", {"message": message})
        return self


class WorkflowTask(_Task):
    """A task that is a workflow of its own."""

    type: Literal["workflow"]
    """`workflow`: a child workflow."""
    workflow: Reference
    """The workflow type's name."""
    timeout: Duration = "24h"
    """Longest time of the whole workflow, retries included (execution timeout)."""
    retry: Retry = Retry(max_attempts=1)
    """A workflow is started again after a failure only when this is given."""


TaskTemplate = Annotated[ActivityTask | WorkflowTask, Discriminator("type")]


class Outcomes(StrictModel):
    """Which ends are published, and where."""

    topic: Topic | None = None
    """Kafka topic; the service's setting when left out."""
    of: tuple[Literal["task", "run"], ...] = Field(default=("task", "run"), strict=False)
    """Ends of tasks, of runs, or both."""


class ActivityDefinition(StrictModel):
    """What happens when which events arrive, or at which times."""

    api_version: Literal["taskfactory/v1"] = Field(alias="apiVersion")
    """Version of this format."""
    kind: Literal["ActivityDefinition"]
    """Kind of document."""
    name: Name
    """Unique; the registry gives the definition an id and keeps it as long as the name stays."""
    description: str | None = Field(default=None, max_length=10_000)
    """For readers."""
    enabled: bool = True
    """Whether events or ticks start runs."""
    trigger: Trigger
    """What starts runs: events, or the ticks of a schedule."""
    dedupe: Dedupe = Dedupe()
    """Of a definition that fires by schedule it says nothing: there, each tick is an occasion of its own."""
    context: tuple[ContextSource, ...] = Field(default=(), strict=False)
    """Named values, computed in order before the tasks; each sees those above it."""
    tasks: tuple[TaskTemplate, ...] = Field(min_length=1, max_length=100, strict=False)
    """What to do. Tasks run side by side."""
    outcomes: Outcomes = Outcomes()

    def to_dict(self) -> dict[str, Any]:
        """The canonical JSON form: defaults written out, absent fields left out. `parse_definition` reads it."""
        exclude = {"dedupe"} if isinstance(self.trigger, CronTrigger) else None
        return self.model_dump(mode="json", by_alias=True, exclude=exclude)
