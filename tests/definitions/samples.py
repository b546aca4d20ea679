"""Definitions and events that several tests start from."""

from typing import Any

from taskfactory.definitions import ActivityDefinition, RegisteredDefinition, parse_definition, trusted_definition

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "source": "/shop",
    "id": "evt-1",
    "type": "com.shop.order.placed",
    "subject": "order-7",
    "data": {
        "order_id": "7",
        "total": 150,
        "customer": {"name": "Ada", "vip": True},
        "items": [{"sku": "A", "quantity": 2}, {"sku": "B", "quantity": 1}],
    },
}


def activity(name: str = "reserve", **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "activity", "handler": "reserve_stock", "queue": "warehouse", **fields}


def document(
    name: str = "order-fulfilment", *, match: Any = None, when: str | None = None, **fields: Any
) -> dict[str, Any]:
    trigger = {"type": "event", "match": match or {"type": ["com.shop.order.placed"]}}
    if when is not None:
        trigger["when"] = when
    return {
        "apiVersion": "taskfactory/v1",
        "kind": "ActivityDefinition",
        "name": name,
        "trigger": trigger,
        "tasks": [activity()],
        **fields,
    }


def definition(name: str = "order-fulfilment", **fields: Any) -> ActivityDefinition:
    return parse_definition(document(name, **fields))


def registered(name: str = "order-fulfilment", **fields: Any) -> RegisteredDefinition:
    return RegisteredDefinition(f"id-of-{name}", 1, definition(name, **fields))


def stored(match: dict[str, Any], identity: str, version: int = 1, **fields: Any) -> RegisteredDefinition:
    """As a registry gives it."""
    return RegisteredDefinition(identity, version, trusted_definition(document("stored", match=match, **fields)))
