"""The story that all examples of the OpenAPI document tell: one morning of the shop in `examples/shop`.

Order 7 was placed and its printer broke, so Ann ran it again; a count found few lamps, so new ones were ordered; a
payment without a currency became a dead letter; reports are made each working day.
"""

from typing import Any, Final

ORDERS: Final = "0b7c2f0e-9a34-4b53-8c2e-2f5f1f6f7c11"
STOCK: Final = "5d1f8c3a-6e0b-4a7d-9c55-7b1f2e8a4d02"
REPORT: Final = "c2a9e4d7-1b38-4f6e-8a10-3d5c7e9b6f03"
RECEIPT: Final = "8e6b0d52-47c1-4d9a-b3f8-1a2c5e7d9b04"

RUN: Final = f"activity-{ORDERS}-mzxw6ytboi3dsmzxw6ytboi3ds"
"""That failed."""
RERUN: Final = f"{RUN}-g2"
STOCK_RUN: Final = f"activity-{STOCK}-ovzxk4tjnzsxe3lmn5rgcytfmq"
REPORT_RUN: Final = f"activity-{REPORT}-nbswy3dpo5xxe3deorugk4tfmq"
LETTER: Final = f"payments/0/415/{RECEIPT}"

ANN: Final = "key:ann"
CI: Final = "key:ci"
REQUEST: Final = "5b3a0c3f8a0f4a0f9a4de0a7b2d0c1e2"
MENDED: Final = "the printer is mended"


def at(time: str, day: str = "24") -> str:
    """A moment of the story.

    Args:
        time: as `09:30:00`, of UTC.
        day: of November 2026.
    """
    return f"2026-11-{day}T{time}Z"


ORDER_DATA: Final[dict[str, Any]] = {
    "order_id": "order-7",
    "channel": "web",
    "customer": {"id": "ada", "tier": "vip"},
    "items": [{"sku": "LAMP-RED", "quantity": 1}],
}
ORDER_EVENT: Final[dict[str, Any]] = {
    "specversion": "1.0",
    "id": "evt-7",
    "source": "/shop",
    "type": "com.shop.order.placed",
    "subject": "order-7",
    "time": at("09:00:00"),
    "data": ORDER_DATA,
}
STOCK_EVENT: Final[dict[str, Any]] = {
    "specversion": "1.0",
    "id": "evt-9",
    "source": "/shop",
    "type": "com.shop.stock.counted",
    "data": {"sku": "LAMP-RED", "count_id": "count-31", "on_hand": 3},
}


def page(*items: Any) -> dict[str, Any]:
    """A list's last page."""
    return {"items": list(items), "next_cursor": None}
