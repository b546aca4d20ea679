"""Writing down what shadow versions would have done: together, and again when it failed."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from sqlalchemy.exc import OperationalError

from taskfactory.ingress.shadow_log import RegistryShadows
from taskfactory.intake import Unavailable
from taskfactory.registry import Refused, ShadowMatch

PATIENCE = 10.0


def match(offset: int) -> ShadowMatch:
    return ShadowMatch("id", 2, "orders", 0, offset, "matched", 1, "matched", "/shop", f"e-{offset}", "order")


@dataclass
class Table:
    """Takes rows in transactions that the test lets through one by one."""

    failures: list[Exception] = field(default_factory=list)
    transactions: list[list[int]] = field(default_factory=list)
    began: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    may_end: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def put(self, matches: Sequence[ShadowMatch]) -> None:
        self.began.release()
        assert self.may_end.acquire(timeout=PATIENCE)
        if self.failures:
            raise self.failures.pop()
        self.transactions.append([each.offset for each in matches])

    async def wait_for_one(self) -> None:
        assert await asyncio.to_thread(self.began.acquire, timeout=PATIENCE)


async def test_who_comes_while_a_transaction_is_under_way_shares_the_next_one() -> None:
    table = Table()
    log = RegistryShadows(table.put)
    first = asyncio.create_task(log.put([match(0)]))
    await table.wait_for_one()
    others = [asyncio.create_task(log.put([match(offset)])) for offset in range(1, 50)]
    await asyncio.sleep(0)  # they join before the first transaction ends
    table.may_end.release(2)
    await asyncio.gather(first, *others)
    assert table.transactions == [[0], list(range(1, 50))]


async def test_everybody_in_a_transaction_that_failed_hears_of_it_and_may_try_again() -> None:
    table = Table()
    log = RegistryShadows(table.put)
    first, *others = (asyncio.create_task(log.put([match(offset)])) for offset in range(4))
    await table.wait_for_one()
    table.may_end.release()
    await table.wait_for_one()
    table.failures.append(OperationalError("INSERT", {}, Exception("connection refused")))
    table.may_end.release(2)
    await first
    assert [type(result) for result in await asyncio.gather(*others, return_exceptions=True)] == [Unavailable] * 3
    await log.put([match(7)])
    assert table.transactions == [[0], [7]]


async def test_rows_that_the_database_refuses_hold_nobody_up() -> None:
    table = Table([Refused("value too long")])
    table.may_end.release()
    await RegistryShadows(table.put).put([match(0)])
    assert table.transactions == []


async def test_a_batch_whose_writer_was_cancelled_counts_as_not_written() -> None:
    table = Table()
    log = RegistryShadows(table.put)
    first, writer, other = (asyncio.create_task(log.put([match(offset)])) for offset in range(3))
    await table.wait_for_one()
    table.may_end.release()
    await first
    await table.wait_for_one()
    writer.cancel()
    with pytest.raises(Unavailable):
        await other
    table.may_end.release()
