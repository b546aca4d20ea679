"""The shop's handlers: plain functions that do one task each.

    taskfactory worker --module examples.shop.handlers --queue warehouse

`params` is checked against the annotated model before the function is called. `ctx.task_id` is the idempotency key: the
same for every attempt of a task, and for no other task. A handler that raises is called again as the task's `retry`
says; `TaskFailed` ends the task at once.
"""

import asyncio

from pydantic import BaseModel, Field

from examples.shop import journal
from examples.shop.catalogue import FORGETFUL_MAIL_DOMAIN, SOLD_OUT
from examples.shop.workflows import PackOrder, PackParams
from taskfactory.tasks import TaskContext, TaskFailed, task

__all__ = ["PackOrder"]  # imported so that a worker of this module serves it


class ReserveParams(BaseModel):
    """One line of an order."""

    order_id: str
    sku: str
    quantity: int = Field(gt=0)


class Reservation(BaseModel):
    """Goods set aside."""

    sku: str
    quantity: int
    shelf: str


@task("reserve_stock")
def reserve_stock(params: ReserveParams, ctx: TaskContext) -> Reservation:
    """Set goods aside. No retry brings back what is sold out, so that fails for good."""
    if params.sku in SOLD_OUT:
        raise TaskFailed(f"{params.sku} is sold out", type="OutOfStock")
    journal.write(f"reserve {params.sku} for {params.order_id}", ctx.task_id, ctx.attempt)
    return Reservation(sku=params.sku, quantity=params.quantity, shelf=f"{params.sku[:1]}-{len(params.sku)}")


@task
def pick_items(params: PackParams, ctx: TaskContext) -> dict[str, int]:
    """First step of `PackOrder`."""
    journal.write(f"pick {params.order_id}", ctx.task_id, ctx.attempt)
    return {"pieces": sum(line.quantity for line in params.items)}


class LabelParams(BaseModel):
    """A parcel that needs a label."""

    order_id: str
    pieces: int


@task
def print_label(params: LabelParams, ctx: TaskContext) -> dict[str, str]:
    """Second step of `PackOrder`."""
    journal.write(f"label {params.order_id}", ctx.task_id, ctx.attempt)
    return {"label": f"{params.order_id} ({params.pieces} pcs)"}


class ThanksParams(BaseModel):
    """Whom to thank for what."""

    customer: str
    order_id: str


@task
async def thank_customer(params: ThanksParams, ctx: TaskContext) -> None:
    """Async handlers share the worker's event loop; what would block it goes to a thread."""
    await asyncio.to_thread(journal.write, f"thank {params.customer} for {params.order_id}", ctx.task_id, ctx.attempt)


class ReceiptParams(BaseModel):
    """A payment, and where its receipt goes."""

    payment_id: str
    email: str
    text: str


@task
async def send_receipt(params: ReceiptParams, ctx: TaskContext) -> dict[str, str]:
    """Mail a receipt.

    With a forgetful mail server the first attempt fails after the mail went out. The second one sends it again, under
    the same key: that is what "at least once, under one key" means, and why a key matters.
    """
    await asyncio.to_thread(journal.write, f"receipt for {params.payment_id}", ctx.task_id, ctx.attempt)
    if params.email.endswith(FORGETFUL_MAIL_DOMAIN) and ctx.attempt == 1:
        raise ConnectionError("the mail server hung up")
    return {"message_id": f"<{ctx.task_id}@shop.example>"}


class RefundParams(BaseModel):
    """A cancelled order."""

    order_id: str


@task
def refund_order(params: RefundParams, ctx: TaskContext) -> None:
    """Give the money back, once, however often the customer clicked."""
    journal.write(f"refund {params.order_id}", ctx.task_id, ctx.attempt)


class ReorderParams(BaseModel):
    """An article that runs low, by the count that noticed it."""

    sku: str
    count_id: str
    quantity: int = Field(gt=0)


@task
def reorder(params: ReorderParams, ctx: TaskContext) -> dict[str, str]:
    """Order new goods; the key doubles as our reference in the supplier's books."""
    journal.write(f"reorder {params.sku} after {params.count_id}", ctx.task_id, ctx.attempt)
    return {"supplier_reference": ctx.task_id}
