"""How runs and lineages look in answers."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from taskfactory.envelope import Failure, Trigger
from taskfactory.registry import (
    Cause,
    Lineage,
    LineageRun,
    OutcomeRef,
    RerunLink,
    RunDetail,
    RunRow,
    RunState,
    ShownContext,
    TaskState,
)

RUN_ID = "activity-0b7c2f0e-9a34-4b53-8c2e-2f5f1f6f7c11-mzxw6ytboi3dsmzxw6ytboi3ds"


class RunSummary(BaseModel):
    """A run as lists have it."""

    run_id: str = Field(description="Also the workflow's id in Temporal.", examples=[RUN_ID])
    definition: str = Field(examples=["order-fulfilment"])
    version: int = Field(description="That it runs in.")
    generation: int = Field(description="The how-manieth time its dedupe key fired, by releases and reruns.")
    state: RunState
    error: Failure | None
    dedupe_strategy: str
    dedupe_key: str = Field(description="Readable; unprintable characters escaped, long keys cut.")
    event_source: str = Field(description="Readable, as the next two.")
    event_id: str
    event_type: str
    task_count: int
    started_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, row: RunRow) -> "RunSummary":
        """From the registry's row."""
        return cls(**_fields(row))


class RunModel(RunSummary):
    """A run."""

    definition_id: str
    trigger: Trigger = Field(description="The event that started it, with the coordinates of its record.")
    task_counts: dict[TaskState, int] | None = Field(description="Number of tasks by state; null while it runs.")
    rerun_of: RerunLink | None = Field(description="The run that it repeats.")
    rerun_as: RerunLink | None = Field(description="The run that repeats it.")

    @classmethod
    def of(cls, row: RunRow) -> "RunModel":
        """From the registry's row, a detailed one."""
        assert isinstance(row, RunDetail)  # noqa: S101 -- for the type checker
        own = {name: getattr(row, name) for name in ("trigger", "task_counts", "rerun_of", "rerun_as")}
        return cls(**_fields(row), **own, definition_id=row.activity_id)


class ContextModel(BaseModel):
    """A run's context."""

    items: list[ShownContext] = Field(description="In the definition's order; empty when it has none.")


class LineageOutcome(BaseModel):
    """An outcome that was, or is about to be, published."""

    id: str
    source: str
    type: str
    topic: str
    starts: list[str] = Field(description="Ids of the runs in this lineage that it started.")


class LineageTaskModel(BaseModel):
    """A task within a lineage."""

    task_id: str
    name: str
    index: int | None
    state: TaskState
    outcome: LineageOutcome | None


class LineageRunModel(BaseModel):
    """A run within a lineage."""

    run_id: str
    definition: str
    version: int
    generation: int
    state: RunState
    started_at: datetime
    ended_at: datetime | None
    distance: int = Field(description="Outcomes between it and the runs in the middle; negative: it led there.")
    event: Trigger
    chain: list[str] = Field(description="Definitions whose outcomes led to the event, the oldest first.")
    correlation_id: str | None
    caused_by: Cause | None = Field(description="The outcome that the event is; null when it is none of ours.")
    outcome: LineageOutcome | None = Field(description="Of the run's own end.")
    tasks: list[LineageTaskModel] = Field(description="The first 200.")
    task_count: int


class LineageModel(BaseModel):
    """Runs around one run, or one event."""

    runs: list[LineageRunModel] = Field(
        description="First those that led here, oldest first; then the ones in the middle; then what came of them."
    )
    complete: bool = Field(description="False when more than 100 runs, 10 steps or 200 tasks of a run belong to it.")
    gone: list[str] = Field(description="Ids of runs that led here and have no row any more.")

    @classmethod
    def of(cls, lineage: Lineage, outcomes_topic: str) -> "LineageModel":
        """From the registry's value.

        Args:
            lineage: what was found.
            outcomes_topic: the installation's, for outcomes of definitions that name none.
        """
        started: dict[tuple[str, str], list[str]] = {}
        for run in lineage.runs:
            started.setdefault((run.event.source, run.event.id), []).append(run.run_id)

        def told(outcome: OutcomeRef | None) -> LineageOutcome | None:
            if outcome is None:
                return None
            return LineageOutcome(
                id=outcome.id,
                source=outcome.source,
                type=outcome.type,
                topic=outcome.topic or outcomes_topic,
                starts=started.get((outcome.source, outcome.id), []),
            )

        def shown(run: LineageRun) -> LineageRunModel:
            fields = {
                name: getattr(run, name)
                for name in LineageRunModel.model_fields
                if name not in {"definition", "outcome", "tasks"}
            }
            tasks = [
                LineageTaskModel(
                    task_id=task.task_id,
                    name=task.name,
                    index=task.index,
                    state=task.state,
                    outcome=told(task.outcome),
                )
                for task in run.tasks
            ]
            return LineageRunModel(**fields, definition=run.activity_name, outcome=told(run.outcome), tasks=tasks)

        return cls(runs=[shown(run) for run in lineage.runs], complete=lineage.complete, gone=lineage.gone)


def _fields(row: RunRow) -> dict[str, Any]:
    named = {name: getattr(row, name) for name in RunSummary.model_fields if name != "definition"}
    return {**named, "definition": row.activity_name}
