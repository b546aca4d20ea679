"""Examples about dead letters."""

import json
from collections.abc import Mapping
from typing import Any, Final

from taskfactory.admin.examples import shop
from taskfactory.admin.examples.exchange import Exchange
from taskfactory.intake import advice_for

REASON: Final = "when_error"
WHY: Final = "the condition is mended in version 4"
LETTER: Final[dict[str, Any]] = {
    "id": shop.LETTER,
    "state": "open",
    "reason": REASON,
    "message": "trigger.when: no such member in mapping: 'currency'",
    "definition": {"id": shop.RECEIPT, "name": "payment-receipt", "version": 3},
    "origin": {"topic": "payments", "partition": 0, "offset": 415, "timestamp": shop.at("09:20:00")},
    "attempts": 1,
    "dead_lettered_at": shop.at("09:20:01"),
    "truncated": False,
    "resolution": None,
}
PAYMENT: Final = {
    "specversion": "1.0",
    "id": "evt-8",
    "source": "/shop",
    "type": "com.shop.payment.captured",
    "data": {"payment_id": "payment-8", "email": "ada@example.com", "amount": 64.5},
}
SELECTION: Final = {"reason": REASON, "definition": "payment-receipt"}

EXCHANGES: Final[Mapping[str, Exchange]] = {
    "GET /v1/dead-letters": Exchange({200: shop.page(LETTER)}),
    "GET /v1/dead-letters/{letter}": Exchange(
        {
            200: {
                **LETTER,
                "record": {
                    "key": {"text": "payment-8", "base64": None},
                    "headers": [
                        {"name": "content-type", "text": "application/cloudevents+json", "base64": None},
                    ],
                    "value": {"text": json.dumps(PAYMENT), "base64": None},
                },
                "what_to_do": advice_for(REASON, whole_record=False),
            }
        }
    ),
    "POST /v1/dead-letters/redrive": Exchange(
        {
            200: {
                "items": [
                    {
                        "id": shop.LETTER,
                        "outcome": "started",
                        "message": f"activity-{shop.RECEIPT}-obqxs3lfnz2c24tfmnsws4dunq",
                        "resolved": True,
                    }
                ],
                "counts": {"started": 1},
                "remaining": 0,
                "dry_run": False,
            }
        },
        {"selection": SELECTION, "reason": WHY},
    ),
    "POST /v1/dead-letters/discard": Exchange(
        {200: {"ids": [shop.LETTER], "dry_run": False}},
        {"selection": {"ids": [shop.LETTER]}, "reason": "the payment was a test"},
    ),
}
"""By method and path."""
