"""Runs, tasks and definitions to put into the registry, each with an activity of its own."""

from typing import Any
from uuid import uuid4

from taskfactory.definitions import (
    ActivityDefinition,
    DedupeKey,
    PlannedTask,
    RunInput,
    event_identity,
    parse_definition,
    task_id,
    workflow_id,
)
from taskfactory.envelope import Trigger


def run_input(
    event_id: str = "e-1",
    *,
    activity_id: str,
    key: DedupeKey | None = None,
    name: str = "order-fulfilment",
    **attributes: Any,
) -> RunInput:
    event = {"specversion": "1.0", "source": "/shop", "type": "order.placed", "id": event_id, **attributes}
    key = key or event_identity(event)
    return RunInput(
        run_id=workflow_id(activity_id, key),
        activity_id=activity_id,
        activity_name=name,
        version=1,
        dedupe_strategy=key.strategy,
        dedupe_parts=list(key.parts),
        # Not validated: what a database refuses must not depend on what the envelope lets through.
        trigger=Trigger.model_construct(source="/shop", id=event_id, type="order.placed", topic="orders", offset=7),
        event=event,
    )


def planned_task(run: RunInput, name: str = "reserve", index: int | None = None, **fields: Any) -> PlannedTask:
    return PlannedTask.model_validate(
        {
            "task_id": task_id(run.run_id, name, index),
            "name": name,
            "index": index,
            "type": "activity",
            "handler": "reserve_stock",
            "queue": "warehouse",
            "params": {"sku": "A-1"},
            "timeout": 30.0,
            "schedule_to_close": 3600.0,
            "heartbeat": None,
            "retry": {"max_attempts": 5, "initial_interval": 1.0, "backoff": 2.0, "max_interval": 60.0},
            "skipped": False,
            **fields,
        }
    )


def one_task(run: RunInput) -> list[PlannedTask]:
    return [planned_task(run)]


def owner() -> str:
    return str(uuid4())


def definition(name: str, **fields: Any) -> ActivityDefinition:
    return parse_definition(
        {
            "apiVersion": "taskfactory/v1",
            "kind": "ActivityDefinition",
            "name": name,
            "trigger": {"type": "event", "match": {"type": ["order.placed"]}},
            "tasks": [{"name": "reserve", "type": "activity", "handler": "reserve_stock", "queue": "warehouse"}],
            **fields,
        }
    )
