"""Examples about runs and their tasks, about what definitions make of events, and about dedupe keys."""

from collections.abc import Mapping
from typing import Any, Final

from taskfactory.admin.examples import shop
from taskfactory.admin.examples.exchange import Exchange

JAMMED: Final = {"type": "PrinterJammed", "message": "printer 2 does not answer"}
ENDED: Final = shop.at("09:05:10")
RUN: Final[dict[str, Any]] = {
    "run_id": shop.RUN,
    "definition": "order-fulfilment",
    "version": 7,
    "generation": 1,
    "state": "failed",
    "error": {"type": "task_failed", "message": f"task pack failed: {JAMMED['message']}"},
    "dedupe_strategy": "event_id",
    "dedupe_key": "/shop evt-7",
    "event_source": "/shop",
    "event_id": "evt-7",
    "event_type": "com.shop.order.placed",
    "task_count": 3,
    "started_at": shop.at("09:00:01"),
    "ended_at": ENDED,
}
TRIGGER: Final = {
    "source": "/shop",
    "id": "evt-7",
    "type": "com.shop.order.placed",
    "subject": "order-7",
    "time": shop.at("09:00:00"),
    "topic": "orders",
    "partition": 3,
    "offset": 1200,
}
WHOLE_RUN: Final = {
    **RUN,
    "definition_id": shop.ORDERS,
    "trigger": TRIGGER,
    "task_counts": {"completed": 2, "failed": 1},
    "rerun_of": None,
    "rerun_as": {"run_id": shop.RERUN, "by": shop.ANN, "at": shop.at("09:30:00"), "reason": shop.MENDED},
}
TASK: Final[dict[str, Any]] = {
    "task_id": f"{shop.RUN}/pack",
    "run_id": shop.RUN,
    "definition": "order-fulfilment",
    "name": "pack",
    "index": None,
    "type": "workflow",
    "handler": "pack-order",
    "queue": "warehouse",
    "state": "failed",
    "attempts": 1,
    "error": JAMMED,
    "scheduled_at": shop.at("09:00:01"),
    "ended_at": shop.at("09:05:09"),
}


def _outcome(ended: str, kind: str, status: str, *starts: str) -> dict[str, Any]:
    return {
        "id": f"{ended}/{status}",
        "source": "/taskfactory/order-fulfilment",
        "type": f"io.taskfactory.{kind}.{status}",
        "topic": "taskfactory.outcomes",
        "starts": list(starts),
    }


LINEAGE: Final = {
    "runs": [
        {
            "run_id": shop.RUN,
            "definition": "order-fulfilment",
            "version": 7,
            "generation": 1,
            "state": "failed",
            "started_at": RUN["started_at"],
            "ended_at": ENDED,
            "distance": 0,
            "event": TRIGGER,
            "chain": [],
            "correlation_id": "order-7",
            "caused_by": None,
            "outcome": _outcome(shop.RUN, "run", "failed"),
            "tasks": [
                {
                    "task_id": TASK["task_id"],
                    "name": "pack",
                    "index": None,
                    "state": "failed",
                    "outcome": _outcome(TASK["task_id"], "task", "failed"),
                }
            ],
            "task_count": 3,
        }
    ],
    "complete": True,
    "gone": [],
}
ANSWERED: Final[dict[str, Any]] = {
    "name": "low-stock",
    "version": 3,
    "answer": "would_start",
    "sentence": f"would start run {shop.STOCK_RUN}",
    "run_id": shop.STOCK_RUN,
    "held_by": None,
    "reason": None,
    "letter": None,
    "resolution": None,
    "mismatches": [],
}
PASSED: Final[dict[str, Any]] = {
    **ANSWERED,
    "name": "order-fulfilment",
    "version": 7,
    "answer": "filtered",
    "sentence": "type: expected 'com.shop.order.placed', found 'com.shop.stock.counted'",
    "run_id": None,
    "mismatches": [
        {
            "path": "type",
            "expected": ["com.shop.order.placed"],
            "actual": ["com.shop.stock.counted"],
            "reason": "no value of the field matches",
        }
    ],
}
COUNTED: Final = {"source": "/shop", "id": "evt-9", "type": "com.shop.stock.counted", "subject": None}
TRIED: Final = {
    **ANSWERED,
    "draft": False,
    "task_count": 1,
    "tasks": [
        {
            "task_id": f"{shop.STOCK_RUN}/reorder",
            "name": "reorder",
            "index": None,
            "type": "activity",
            "handler": "reorder",
            "queue": "warehouse",
            "params": {"sku": "LAMP-RED", "count_id": "count-31", "quantity": 47},
            "skipped": False,
        }
    ],
    "not_fetched": [],
    "failure": None,
}
ASKED: Final = {"event": shop.STOCK_EVENT, "topic": "stock"}
RERUN: Final = {"run_id": shop.RERUN, "version": 8, "of": shop.RUN, "result": "started"}
KEY: Final = ["/shop", "evt-7"]
FIRST: Final = {
    "generation": 1,
    "opened_by": None,
    "opened_at": None,
    "reason": None,
    "rerun_of": None,
    "windows": 0,
    "newest_window": None,
    "run_id": shop.RUN,
    "run_state": "failed",
}
SECOND: Final = {
    **FIRST,
    "generation": 2,
    "opened_by": shop.ANN,
    "opened_at": shop.at("09:30:00"),
    "reason": shop.MENDED,
    "rerun_of": shop.RUN,
    "run_id": shop.RERUN,
    "run_state": "completed",
}

EXCHANGES: Final[Mapping[str, Exchange]] = {
    "GET /v1/runs": Exchange({200: shop.page(RUN)}),
    "GET /v1/runs/{run_id}": Exchange({200: WHOLE_RUN}),
    "GET /v1/runs/{run_id}/tasks": Exchange({200: shop.page(TASK)}),
    "GET /v1/runs/{run_id}/context": Exchange(
        {
            200: {
                "items": [
                    {
                        "name": "customer",
                        "type": "event",
                        "state": "given",
                        "value": {"id": "ada", "vip": True},
                        "error": None,
                        "at": shop.at("09:00:01"),
                    }
                ]
            }
        }
    ),
    "GET /v1/runs/{run_id}/lineage": Exchange({200: LINEAGE}),
    "GET /v1/lineage": Exchange({200: LINEAGE}),
    "POST /v1/runs/{run_id}/cancel": Exchange(
        {202: {"run_id": shop.RERUN, "state": "cancelling"}}, {"reason": "the customer called it off"}
    ),
    "POST /v1/runs/{run_id}/rerun": Exchange(
        {201: RERUN, 200: {**RERUN, "result": "would_start"}}, {"reason": shop.MENDED}
    ),
    "GET /v1/tasks": Exchange({200: shop.page(TASK)}),
    "GET /v1/tasks/{task_id}": Exchange(
        {200: {**TASK, "params": {"order_id": "order-7", "items": shop.ORDER_DATA["items"]}, "result": None}}
    ),
    "POST /v1/explain": Exchange({200: {"topic": "stock", "event": COUNTED, "definitions": [ANSWERED, PASSED]}}, ASKED),
    "POST /v1/test-event": Exchange({200: {"topic": "stock", "event": COUNTED, "definitions": [TRIED]}}, ASKED),
    "GET /v1/dedupe-keys": Exchange(
        {
            200: {
                "definition": "order-fulfilment",
                "strategy": "event_id",
                "key": KEY,
                "items": [FIRST, SECOND],
            }
        }
    ),
    "POST /v1/dedupe-keys/release": Exchange(
        {200: {"definition": "order-fulfilment", "key": KEY, "generation": 3, "already": False, "dry_run": False}},
        {"definition": "order-fulfilment", "key": KEY, "reason": "the parcel was lost"},
    ),
}
"""By method and path."""
