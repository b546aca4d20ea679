"""Outcome envelopes from the rows that say what ended. Pure: the same rows always give the same envelopes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from pydantic import ValidationError

from taskfactory.definitions import outcome_id
from taskfactory.envelope import CHAIN, EventEnvelope, Outcome, RunRef, TaskRef
from taskfactory.envelope.outcome import SOURCE_PREFIX, TYPE_PREFIX
from taskfactory.registry import EndedRun, EndedTask, Finished, RunContext

LONGEST_CHAIN: Final = 50
"""Names that an outcome carries at most: the latest ones."""


class KeyedOutcome(NamedTuple):
    """An outcome, where it goes, and under which record key."""

    topic: str | None
    """None: the installation's outcomes topic."""
    key: str | None
    """Base64, as the triggering record's."""
    envelope: EventEnvelope


def outcomes(finished: Finished) -> Iterator[KeyedOutcome]:
    """One envelope for each ended task and run whose definition publishes that kind, tasks before runs."""
    for task in finished.tasks:
        context = finished.contexts[task.run_id]
        if "task" in context.outcomes.of:
            yield _keyed(context, task_envelope(task, context))
    for run in finished.runs:
        context = finished.contexts[run.run_id]
        if "run" in context.outcomes.of:
            yield _keyed(context, run_envelope(run, context))


def task_envelope(task: EndedTask, context: RunContext) -> EventEnvelope:
    """The envelope `io.taskfactory.task.{status}`.

    A result that no event can carry (an integer beyond 64 bits, too many levels) stays in the registry, and the outcome
    says so: one odd result must not hold back the others.
    """
    ref = TaskRef(
        id=task.task_id,
        name=task.name,
        index=task.index,
        attempts=task.attempts,
        result=task.result,
        error=task.error,
    )
    try:
        return _task_envelope(task, ref, context)
    except ValidationError as error:
        reason = error.errors(include_url=False, include_input=False)[0]["msg"]
        return _task_envelope(task, _omitted(ref, task.run_id, f"no event can carry the result: {reason}"), context)


def _task_envelope(task: EndedTask, ref: TaskRef, context: RunContext) -> EventEnvelope:
    outcome = Outcome(activity=context.activity, run=RunRef(id=task.run_id), task=ref, trigger=context.trigger)
    return _envelope(f"task.{task.status}", outcome_id(task.task_id, task.status), task.ended_at, outcome, context)


def _omitted(ref: TaskRef, run_id: str, reason: str) -> TaskRef:
    hint = f"{reason}; see `taskfactory get tasks --run {run_id} -o json`"
    return ref.model_copy(update={"result": None, "result_omitted": hint})


def run_envelope(run: EndedRun, context: RunContext) -> EventEnvelope:
    """The envelope `io.taskfactory.run.{status}`."""
    counts = {state: number for state, number in run.task_counts.items() if number}
    outcome = Outcome(
        activity=context.activity,
        run=RunRef(id=run.run_id, tasks=counts, error=run.error),
        trigger=context.trigger,
    )
    return _envelope(f"run.{run.status}", outcome_id(run.run_id, run.status), run.ended_at, outcome, context)


def without_result(keyed: KeyedOutcome, size: int) -> KeyedOutcome:
    """The same outcome for a record that would be too large: the result stays in the registry.

    Args:
        keyed: the outcome of a task.
        size: bytes that the whole record would have had.
    """
    data = Outcome.model_validate(keyed.envelope.data)
    if data.task is None:
        return keyed
    task = _omitted(data.task, data.run.id, f"the outcome would have {size} bytes")
    slim = data.model_copy(update={"task": task}).model_dump(mode="json", exclude_none=True)
    return keyed._replace(envelope=keyed.envelope.model_copy(update={"data": slim}))


def _keyed(context: RunContext, envelope: EventEnvelope) -> KeyedOutcome:
    return KeyedOutcome(context.outcomes.topic, context.event_attributes.key, envelope)


def _envelope(kind: str, id_: str, ended_at: datetime, outcome: Outcome, context: RunContext) -> EventEnvelope:
    event = context.event_attributes
    return EventEnvelope(
        id=id_,
        source=f"{SOURCE_PREFIX}{context.activity.name}",
        type=f"{TYPE_PREFIX}{kind}",
        subject=context.trigger.subject,
        time=ended_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        datacontenttype="application/json",
        data=outcome.model_dump(mode="json", exclude_none=True),
        partitionkey=event.partitionkey,
        correlationid=event.correlationid or context.trigger.id,
        causationid=context.trigger.id,
        traceparent=event.traceparent,
        tracestate=event.tracestate,
        hops=(event.hops or 0) + 1,
        **{CHAIN: _chain(event.chain, context.activity.name)},
    )


def _chain(so_far: str | None, name: str) -> str:
    """Which definitions led here, so that a loop can be told by the names in it."""
    return " ".join([*(so_far or "").split(), name][-LONGEST_CHAIN:])
