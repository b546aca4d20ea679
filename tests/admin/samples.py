"""Documents that tests apply."""

import json
from typing import Any


def document(name: str, **changed: Any) -> dict[str, Any]:
    """A definition that this session's other tests have nothing to do with."""
    return {
        "apiVersion": "taskfactory/v1",
        "kind": "ActivityDefinition",
        "name": name,
        "trigger": {"type": "event", "match": {"type": [f"com.shop.{name}"]}},
        "tasks": [{"name": "order", "type": "activity", "handler": "order_more", "queue": "purchasing"}],
        **changed,
    }


def mapping(topic: str) -> dict[str, Any]:
    return {
        "apiVersion": "taskfactory/v1",
        "kind": "TopicMapping",
        "topic": topic,
        "id": "value.id",
        "source": "'/shop'",
        "type": "'com.shop.row'",
    }


def file(*documents: dict[str, Any], origin: str = "shop.yaml") -> dict[str, str]:
    """A file with these documents: JSON is YAML."""
    return {"origin": origin, "text": "\n---\n".join(json.dumps(each) for each in documents)}
