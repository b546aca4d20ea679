"""What an outcome envelope says in its `data`: which activity, run and task ended, how, and what triggered it.

The models are shared by everyone who writes or reads outcomes, so they live beside the envelope.
"""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

TYPE_PREFIX: Final = "io.taskfactory."
"""Every outcome's CloudEvents type is this prefix, `task` or `run`, a dot, and the terminal status."""

SOURCE_PREFIX: Final = "/taskfactory/"
"""Every outcome's source is this prefix and the definition's name: an outcome's identity is `(source, id)`."""

CHAIN: Final = "chain"
"""Extension attribute of outcomes: names of the definitions that led to them, oldest first, separated by spaces."""

TaskStatus = Literal["completed", "failed", "cancelled", "expired"]
RunStatus = Literal["completed", "failed", "cancelled", "skipped"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ActivityRef(_Strict):
    """The activity definition, in the version that ran."""

    id: str
    """UUID that the registry gave."""
    name: str
    version: int


class Trigger(_Strict):
    """The event that started the run, and where it was read.

    `topic`, `partition` and `offset` are None for a run that no Kafka record started.
    """

    source: str
    id: str
    type: str
    subject: str | None = None
    time: str | None = None
    """RFC 3339, as the producer wrote it."""
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None


class Failure(_Strict):
    """Why a task or run did not complete."""

    type: str
    """A short stable code, for programs."""
    message: str
    """A sentence, for people."""


class RunRef(_Strict):
    """The run; `error` is set on `run.failed` and `run.cancelled`, the counts on every end."""

    id: str
    tasks: dict[str, int] | None = None
    """Number of tasks by terminal status."""
    error: Failure | None = None


class TaskRef(_Strict):
    """The task; `result` is set when it completed, `error` otherwise."""

    id: str
    name: str
    index: int | None = None
    """Position within `foreach`, from 0; None for a task without it."""
    attempts: int | None = None
    """How often the handler was tried; None where that is not known, and for a task that was never started."""
    result: Any = None
    result_omitted: str | None = None
    """Set when the result is too large for a Kafka record: says how large, and where it can be read."""
    error: Failure | None = None


class Outcome(_Strict):
    """`data` of an outcome envelope. `task` is absent from the end of a run."""

    activity: ActivityRef
    run: RunRef
    task: TaskRef | None = None
    trigger: Trigger
