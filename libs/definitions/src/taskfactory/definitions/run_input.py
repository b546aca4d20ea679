"""What ingress hands to Temporal and the orchestrator receives: one run, fully identified.

The version that matched travels in it, so that a later change of the definition does not touch runs that are under way.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from taskfactory.envelope import Trigger

RUN_WORKFLOW = "RunActivityWorkflow"
"""The workflow type that ingress starts by name."""

RunKind = Literal["event", "scheduled", "backfill", "manual"]


class OpenChild(BaseModel):
    """A child workflow that was open when its run continued as new."""

    model_config = ConfigDict(frozen=True)

    task_id: str
    """Also the child's workflow id."""
    name: str
    """The task's name."""


class RunProgress(BaseModel):
    """What a run that continues as new carries over; never set by who starts a run."""

    model_config = ConfigDict(frozen=True)

    next_position: int | None
    """Position of the first task that was not started yet; None when all were."""
    open_children: list[OpenChild]


class RunInput(BaseModel):
    """The argument of `RunActivityWorkflow`.

    Everything is JSON; the whole must stay below Temporal's payload limit (2 MiB by default).
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    """The workflow id: `activity-{activity_id}-{event_key}`, `-g{n}` appended from the second generation on.

    With a window, the event key is that of the event's occurrence (source, id, time): each event asks for itself.
    """
    activity_id: str
    activity_name: str
    version: int
    generation: int = 1
    kind: RunKind = "event"
    """What started it: an event, a tick of its schedule, a backfill of one, or somebody's trigger."""
    dedupe_strategy: str
    """`event_id`, `subject`, `expression`; `tick` for what no event started."""
    dedupe_parts: list[Any]
    """The readable parts that the key was made of (JSON values)."""
    window: float | None = None
    """Seconds, in the events' time, after which the key fires again; None: never."""
    trigger: Trigger
    key: str | None = None
    """The triggering record's Kafka key, base64; outcomes are keyed the same."""
    event: dict[str, Any]
    """The envelope in CloudEvents JSON form: attributes at the top level, `data` or `data_base64` beside them."""
    progress: RunProgress | None = None
    """Set when the run continued as new."""
