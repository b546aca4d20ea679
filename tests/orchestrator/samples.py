"""Rows and tasks as the registry would give them."""

from datetime import UTC, datetime
from typing import Any

from taskfactory.envelope import ActivityRef, Failure, Trigger
from taskfactory.registry import EndedRun, EndedTask, EventAttributes, Finished, OutcomesConfig, RunContext, StoredTask

ENDED_AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def stored_task(max_attempts: int | None = None, **changes: Any) -> StoredTask:
    return StoredTask.model_validate(
        {
            "task_id": "run-1/note",
            "name": "note",
            "index": None,
            "type": "activity",
            "handler": "note",
            "queue": "warehouse",
            "params": {},
            "timeout": 300,
            "schedule_to_close": 86400,
            "heartbeat": None,
            "retry": {"max_attempts": max_attempts, "initial_interval": 1, "backoff": 2, "max_interval": 60},
            "skipped": False,
            "position": 0,
            "state": "scheduled",
        }
        | changes
    )


def ended_task(*, status: Any = "completed", result: Any = None, error: tuple[str, str] | None = None) -> EndedTask:
    return EndedTask(
        run_id="run-1",
        task_id="run-1/note",
        name="note",
        index=None,
        position=0,
        type="activity",
        status=status,
        attempts=1,
        result=result,
        error=_failure(error),
        ended_at=ENDED_AT,
    )


def ended_run(*, status: Any = "completed", error: tuple[str, str] | None = None) -> EndedRun:
    return EndedRun(
        run_id="run-1",
        status=status,
        error=_failure(error),
        task_counts={"completed": 1},
        started_at=ENDED_AT,
        ended_at=ENDED_AT,
    )


def finished(
    *, of: Any = ("task", "run"), tasks: list[EndedTask] | None = None, runs: list[EndedRun] | None = None
) -> Finished:
    context = RunContext(
        activity=ActivityRef(id="a1", name="note-it", version=2),
        generation=1,
        trigger=Trigger(
            source="/shop", id="e1", type="order.placed", subject="order-1", topic="events", partition=0, offset=7
        ),
        event_attributes=EventAttributes(
            correlationid="c1", traceparent="00-1-1-01", hops=2, chain="first", key="b3JkZXItMQ=="
        ),
        outcomes=OutcomesConfig(of=of),
    )
    return Finished(
        tasks=[ended_task(result={"ok": True})] if tasks is None else tasks,
        runs=[ended_run()] if runs is None else runs,
        contexts={"run-1": context},
    )


def _failure(error: tuple[str, str] | None) -> Failure | None:
    return Failure(type=error[0], message=error[1]) if error else None
