"""A task of several steps: a Temporal workflow that a task template names with `type: workflow`.

It takes one `TaskInput`, like every handler, and returns its result. Each step is a handler of its own, so each is
retried by itself and has an idempotency key of its own: `{task id}/pick`, `{task id}/label`.
"""

from datetime import timedelta

from pydantic import BaseModel
from temporalio import workflow
from temporalio.common import RetryPolicy

from taskfactory.tasks import TaskInput, TaskResult


class Line(BaseModel):
    """One line of an order."""

    sku: str
    quantity: int


class PackParams(BaseModel):
    """What the template's `params` must hold."""

    order_id: str
    items: list[Line]


class Parcel(BaseModel):
    """A packed order."""

    order_id: str
    pieces: int
    label: str


@workflow.defn(name="pack-order")
class PackOrder:
    """Pick the goods, then print a label for the parcel that they make."""

    @workflow.run
    async def run(self, task: TaskInput) -> Parcel:
        """Do one step after the other."""
        order = task.params_as(PackParams)
        picked = await _step(task.step("pick", task.params), "pick_items")
        label = await _step(task.step("label", {"order_id": order.order_id, **picked}), "print_label")
        return Parcel(order_id=order.order_id, pieces=picked["pieces"], label=label["label"])


async def _step(step: TaskInput, handler: str) -> dict[str, int | str]:
    answer = await workflow.execute_activity(
        handler,
        step,
        result_type=TaskResult,
        start_to_close_timeout=timedelta(seconds=10),
        retry_policy=RetryPolicy(maximum_attempts=5),
    )
    return dict(answer.result)
