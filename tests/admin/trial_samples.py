"""Definitions and events to try."""

import json
from typing import Any


def document(name: str, kind: str, *, foreach: str | None = None, params: Any = None, **fields: Any) -> dict[str, Any]:
    task = {"name": "only", "type": "activity", "handler": "handle", "queue": "work", "params": params or {}}
    return {
        "apiVersion": "taskfactory/v1",
        "kind": "ActivityDefinition",
        "name": name,
        "trigger": {"type": "event", "match": {"type": [kind]}},
        "tasks": [task if foreach is None else {**task, "foreach": foreach}],
        **fields,
    }


def event(kind: str, event_id: str = "e-1", **data: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": event_id, "source": "/shop", "type": kind, "data": data}


def file(*documents: dict[str, Any]) -> dict[str, str]:
    """JSON is YAML."""
    return {"origin": "drafts.yaml", "text": "\n---\n".join(map(json.dumps, documents))}
