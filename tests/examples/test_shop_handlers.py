"""The handlers are plain functions: called with a fake context, watched through their journal."""

from pathlib import Path

import pytest

from examples.shop import handlers, journal
from examples.shop.handlers import (
    LabelParams,
    ReceiptParams,
    RefundParams,
    ReorderParams,
    ReserveParams,
    ThanksParams,
)
from examples.shop.journal import Entry
from examples.shop.workflows import Line, PackParams
from taskfactory.tasks import TaskFailed
from taskfactory.tasks.testing import FakeTaskContext


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "journal.jsonl"
    monkeypatch.setenv(journal.VARIABLE, str(path))
    return path


def test_goods_are_reserved_under_the_tasks_id(written: Path) -> None:
    reservation = handlers.reserve_stock(
        ReserveParams(order_id="order-1", sku="DESK", quantity=2), FakeTaskContext(task_id="run/reserve/0")
    )

    assert (reservation.sku, reservation.quantity) == ("DESK", 2)
    assert list(journal.read(written)) == [Entry("reserve DESK for order-1", "run/reserve/0", 1)]


def test_what_is_sold_out_fails_for_good_and_has_no_effect(written: Path) -> None:
    with pytest.raises(TaskFailed, match="LAMP-RED is sold out") as caught:
        handlers.reserve_stock(ReserveParams(order_id="order-1", sku="LAMP-RED", quantity=1), FakeTaskContext())

    assert caught.value.non_retryable
    assert caught.value.type == "OutOfStock"
    assert list(journal.read(written)) == []


async def test_a_receipt_to_a_forgetful_mail_server_succeeds_on_retry_under_one_key(written: Path) -> None:
    receipt = ReceiptParams(payment_id="payment-1", email="ada@forgetful.example", text="Thank you!")

    with pytest.raises(ConnectionError):
        await handlers.send_receipt(receipt, FakeTaskContext(task_id="run/receipt", attempt=1))
    answer = await handlers.send_receipt(receipt, FakeTaskContext(task_id="run/receipt", attempt=2))

    assert answer == {"message_id": "<run/receipt@shop.example>"}
    assert list(journal.read(written)) == [
        Entry("receipt for payment-1", "run/receipt", 1),
        Entry("receipt for payment-1", "run/receipt", 2),
    ]


async def test_a_receipt_to_any_other_server_succeeds_at_once(written: Path) -> None:
    await handlers.send_receipt(
        ReceiptParams(payment_id="payment-1", email="ada@mail.example", text="Thank you!"), FakeTaskContext()
    )

    assert len(list(journal.read(written))) == 1


async def test_the_other_handlers_do_what_their_names_say(written: Path) -> None:
    ctx = FakeTaskContext(task_id="run/task")
    lines = [Line(sku="PEN", quantity=2), Line(sku="MUG", quantity=1)]

    assert handlers.pick_items(PackParams(order_id="order-1", items=lines), ctx) == {"pieces": 3}
    assert handlers.print_label(LabelParams(order_id="order-1", pieces=3), ctx) == {"label": "order-1 (3 pcs)"}
    assert handlers.reorder(ReorderParams(sku="PEN", count_id="count-1", quantity=46), ctx) == {
        "supplier_reference": "run/task"
    }
    handlers.refund_order(RefundParams(order_id="order-1"), ctx)
    await handlers.thank_customer(ThanksParams(customer="ada", order_id="order-1"), ctx)

    assert [entry.effect for entry in journal.read(written)] == [
        "pick order-1",
        "label order-1",
        "reorder PEN after count-1",
        "refund order-1",
        "thank ada for order-1",
    ]


def test_without_a_journal_handlers_work_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(journal.VARIABLE, raising=False)

    handlers.refund_order(RefundParams(order_id="order-1"), FakeTaskContext())

    assert list(journal.read(tmp_path / "journal.jsonl")) == []
