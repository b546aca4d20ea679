"""Examples about definitions, their versions and files, and topic mappings."""

from collections.abc import Mapping
from typing import Any, Final

from taskfactory.admin.definition_shapes import EXAMPLE_DOCUMENT
from taskfactory.admin.documents import EXAMPLE_TEXT
from taskfactory.admin.examples import shop
from taskfactory.admin.examples.exchange import Exchange

WHY: Final = "stocktaking"
LOW_STOCK: Final[dict[str, Any]] = {
    "name": "low-stock",
    "id": shop.STOCK,
    "version": 3,
    "etag": "3-17",
    "state": "enabled",
    "enabled": True,
    "paused": False,
    "shadow_version": None,
    "trigger_type": "event",
    "dedupe": "event_id",
    "description": None,
    "created_at": shop.at("08:00:00", "02"),
    "created_by": shop.CI,
    "updated_at": shop.at("10:00:00"),
    "updated_by": shop.ANN,
    "reason": WHY,
}
FILES: Final = [{"origin": "definitions/low-stock.yaml", "text": EXAMPLE_TEXT}]
CHANGE: Final = {
    "path": "trigger.match.data.on_hand",
    "kind": "changed",
    "before": [{"numeric": [">=", 0, "<", 3]}],
    "after": [{"numeric": [">=", 0, "<", 5]}],
}
VERSION: Final = {
    "version": 3,
    "created_at": shop.at("10:00:00"),
    "created_by": shop.ANN,
    "reason": WHY,
    "active": True,
    "shadow": False,
}
APPLIED: Final = {"name": "low-stock", "action": "updated", "version": 3, "etag": "3-17"}
MAPPING: Final = {
    "topic": "payments",
    "version": 1,
    "document": {
        "apiVersion": "taskfactory/v1",
        "kind": "TopicMapping",
        "topic": "payments",
        "id": "value.payment_id",
        "source": '"/payments"',
        "type": '"com.shop.payment." + value.status',
    },
    "created_at": shop.at("08:00:00", "02"),
    "created_by": shop.CI,
}
COMPARED: Final = {
    "comparison": "only_shadow",
    "topic": "stock",
    "partition": 0,
    "offset": 88,
    "event_source": "/shop",
    "event_id": "evt-9",
    "event_type": "com.shop.stock.counted",
    "verdict": "matched",
    "active_version": 2,
    "active_verdict": "none",
    "dedupe_key": "/shop evt-9",
    "same_key": None,
    "message": None,
    "at": shop.at("09:10:00"),
}


def _verb(**stands: Any) -> Exchange:
    return Exchange({200: {**LOW_STOCK, **stands}}, {"reason": WHY})


EXCHANGES: Final[Mapping[str, Exchange]] = {
    "GET /v1/definitions": Exchange({200: shop.page(LOW_STOCK)}),
    "GET /v1/definitions/{name}": Exchange({200: {**LOW_STOCK, "document": EXAMPLE_DOCUMENT}}),
    "PUT /v1/definitions/{name}": Exchange(
        {200: APPLIED, 201: {"name": "low-stock", "action": "created", "version": 1, "etag": "1-4"}}, EXAMPLE_DOCUMENT
    ),
    "POST /v1/definitions/{name}/enable": _verb(version=5, etag="5-19"),
    "POST /v1/definitions/{name}/disable": _verb(version=4, etag="4-18", state="disabled", enabled=False),
    "POST /v1/definitions/{name}/pause": _verb(etag="3-18", state="paused", paused=True),
    "POST /v1/definitions/{name}/resume": _verb(etag="3-19"),
    "POST /v1/definitions/{name}/rollback": Exchange(
        {200: {**LOW_STOCK, "version": 4, "etag": "4-18", "reason": "it ordered too many"}},
        {"to_version": 2, "reason": "it ordered too many"},
    ),
    "POST /v1/definitions/{name}/promote": _verb(),
    "POST /v1/definitions/{name}/drop-shadow": _verb(version=2, etag="2-16"),
    "GET /v1/definitions/{name}/versions": Exchange({200: shop.page(VERSION)}),
    "GET /v1/definitions/{name}/versions/{version}": Exchange({200: {**VERSION, "document": EXAMPLE_DOCUMENT}}),
    "GET /v1/definitions/{name}/diff": Exchange({200: {"from": 2, "to": 3, "changes": [CHANGE]}}),
    "GET /v1/definitions/{name}/shadow": Exchange(
        {
            200: {
                "name": "low-stock",
                "version": 3,
                "both": 11,
                "only_active": 0,
                "only_shadow": 1,
                "errors": 0,
                "other_key": 0,
                "first": shop.at("08:00:00"),
                "last": shop.at("09:10:00"),
                "full": False,
                "examples": [COMPARED],
            }
        }
    ),
    "POST /v1/validate": Exchange(
        {200: {"valid": True, "errors": [], "documents": [{"kind": "ActivityDefinition", "name": "low-stock"}]}},
        {"files": FILES},
    ),
    "POST /v1/apply": Exchange(
        {
            200: {
                "items": [
                    {
                        "kind": "ActivityDefinition",
                        "name": "low-stock",
                        "action": "update",
                        "version": 3,
                        "etag": "3-17",
                        "changes": [CHANGE],
                    }
                ],
                "applied": True,
            }
        },
        {"files": FILES, "reason": WHY, "expected": {"low-stock": "2-16"}},
    ),
    "GET /v1/mappings": Exchange({200: shop.page(MAPPING)}),
    "GET /v1/mappings/{topic}": Exchange({200: MAPPING}),
}
"""By method and path."""
