"""The shop's events: pure, seeded, and each with what has to come of it.

`python -m examples.shop.demo` sends a mix of them (`traffic.py`); `sample-events.jsonl` has one of each to play with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from examples.shop.catalogue import FORGETFUL_MAIL_DOMAIN, IN_STOCK, SOLD_OUT
from examples.shop.expectation import (
    Consequence,
    Effect,
    ExpectedDeadLetter,
    ExpectedRun,
    ExpectedTask,
)
from taskfactory.envelope import EventEnvelope

OPENING: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ShopEvent:
    """An event and its consequence."""

    envelope: EventEnvelope
    consequence: Consequence


class Shop:
    """Makes events, numbered from 1. The same random source and token always give the same events."""

    def __init__(self, random: Random, token: str) -> None:
        """Open the shop.

        Args:
            random: decides what is bought.
            token: becomes part of every event, order and payment id, so that two shops never share one.
        """
        self._random = random
        self._token = token
        self._number = 0

    def order(
        self, *, vip: bool = False, sold_out: bool = False, channel: str = "web", items: int | None = None
    ) -> ShopEvent:
        """An order of one to three articles, or of `items`; one more that is sold out, if asked for."""
        order_id, customer = self._new("order"), f"customer-{self._random.randint(1, 50)}"
        count = self._random.randint(1, 3) if items is None else items
        skus = [*self._random.sample(IN_STOCK, count), *(SOLD_OUT if sold_out else ())]
        data = {
            "order_id": order_id,
            "channel": channel,
            "customer": {"id": customer, "tier": "vip" if vip else "standard"},
            "items": [{"sku": sku, "quantity": self._random.randint(1, 4)} for sku in skus],
            "total": self._amount(),
        }
        envelope = self._envelope("com.shop.order.placed", order_id, data)
        if channel == "test" or not skus:
            return self._ignored(envelope)
        reserves = [
            ExpectedTask(f"reserve/{index}", () if sku in SOLD_OUT else (Effect(f"reserve {sku} for {order_id}"),))
            for index, sku in enumerate(skus)
        ]
        pack = ExpectedTask("pack", (Effect(f"pick {order_id}", "pick"), Effect(f"label {order_id}", "label")))
        thanks = [ExpectedTask("thank-vip", (Effect(f"thank {customer} for {order_id}"),))] if vip else []
        return self._wanted(envelope, "order-fulfilment", *reserves, pack, *thanks)

    def order_without_items(self) -> ShopEvent:
        """A mistake of the producer: a valid event whose data lacks what a definition's `when` looks at."""
        order_id = self._new("order")
        envelope = self._envelope("com.shop.order.placed", order_id, {"order_id": order_id, "channel": "web"})
        letter = ExpectedDeadLetter("when_error", "order-fulfilment")
        return ShopEvent(envelope, Consequence(envelope.identity, dead_letter=letter))

    def payment(self, *, forgetful: bool = False) -> ShopEvent:
        """A payment; a forgetful mail server makes the receipt's first attempt fail after the mail went out."""
        payment_id = self._new("payment")
        mailbox = f"{payment_id}{FORGETFUL_MAIL_DOMAIN if forgetful else '@mail.example'}"
        data = {"payment_id": payment_id, "amount": self._amount(), "currency": "EUR", "email": mailbox}
        envelope = self._envelope("com.shop.payment.captured", payment_id, data)
        effect = Effect(f"receipt for {payment_id}")
        receipt = ExpectedTask("receipt", (effect,), attempts=2 if forgetful else 1)
        return self._wanted(envelope, "payment-receipt", receipt)

    def cancellation(self) -> ShopEvent:
        """A customer cancels an order."""
        return self._cancellation(self._new("order"))

    def cancellation_again(self, earlier: ShopEvent) -> ShopEvent:
        """The customer clicks once more: a new event about the same order, which must not refund twice."""
        return self._cancellation(earlier.envelope.data["order_id"])

    def stock_count(self, *, low: bool) -> ShopEvent:
        """A count of one article; fewer than five are few."""
        count_id, sku = self._new("count"), self._random.choice(IN_STOCK)
        left = self._random.randint(0, 4) if low else self._random.randint(5, 500)
        data = {"count_id": count_id, "sku": sku, "on_hand": left}
        envelope = self._envelope("com.shop.stock.counted", sku, data)
        if not low:
            return self._ignored(envelope)
        return self._wanted(
            envelope, "low-stock", ExpectedTask("reorder", (Effect(f"reorder {sku} after {count_id}"),))
        )

    def page_view(self) -> ShopEvent:
        """Something that no definition is about."""
        page = f"/articles/{self._random.choice(IN_STOCK).lower()}"
        return self._ignored(self._envelope("com.shop.page.viewed", page, {"page": page}))

    def _cancellation(self, order_id: str) -> ShopEvent:
        reason = self._random.choice(["changed my mind", "found it cheaper", "ordered twice"])
        envelope = self._envelope("com.shop.order.cancelled", order_id, {"order_id": order_id, "reason": reason})
        refund = ExpectedTask("refund", (Effect(f"refund {order_id}"),))
        # The definition's dedupe expression is the order's id: whichever event comes first, the run is the same.
        run = ExpectedRun("order-cancellation", "expression", (order_id,), (refund,))
        return ShopEvent(envelope, Consequence(envelope.identity, (run,)))

    def _wanted(self, envelope: EventEnvelope, definition: str, *tasks: ExpectedTask) -> ShopEvent:
        run = ExpectedRun(definition, "event_id", envelope.identity, tasks)
        return ShopEvent(envelope, Consequence(envelope.identity, (run,)))

    def _ignored(self, envelope: EventEnvelope) -> ShopEvent:
        return ShopEvent(envelope, Consequence(envelope.identity))

    def _envelope(self, kind: str, subject: str, data: Mapping[str, Any]) -> EventEnvelope:
        self._number += 1
        return EventEnvelope(
            id=f"{self._token}-{self._number}",
            source="/shop",
            type=kind,
            subject=subject,
            time=(OPENING + timedelta(seconds=self._number)).isoformat().replace("+00:00", "Z"),
            datacontenttype="application/json",
            data=data,
        )

    def _new(self, what: str) -> str:
        return f"{what}-{self._token}-{self._number + 1}"

    def _amount(self) -> float:
        return self._random.randint(500, 50_000) / 100


SCENES: Final[Mapping[str, tuple[int, Callable[[Shop], ShopEvent]]]] = {
    "order": (24, lambda shop: shop.order()),
    "order of a vip": (6, lambda shop: shop.order(vip=True)),
    "order with a sold-out article": (4, lambda shop: shop.order(sold_out=True)),
    "test order": (2, lambda shop: shop.order(channel="test")),
    "empty order": (2, lambda shop: shop.order(items=0)),
    "order without items": (1, lambda shop: shop.order_without_items()),
    "payment": (14, lambda shop: shop.payment()),
    "payment with a forgetful mail server": (4, lambda shop: shop.payment(forgetful=True)),
    "cancellation": (6, lambda shop: shop.cancellation()),
    "low stock": (8, lambda shop: shop.stock_count(low=True)),
    "enough stock": (6, lambda shop: shop.stock_count(low=False)),
    "page view": (6, lambda shop: shop.page_view()),
}
"""What happens in the shop, and in how many of a hundred records."""
