"""Transactions: what passes is tried again, what never will is said at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError

from taskfactory.registry import Refused
from taskfactory.registry.transactions import in_transaction


def test_a_deadlock_is_tried_again_until_both_are_through(engine: Engine) -> None:
    names = [f"deadlock-{uuid4()}" for _ in range(2)]
    both_hold_one = threading.Barrier(2)
    attempts = []

    def touch(connection: Connection, name: str) -> None:
        connection.execute(
            text(
                "INSERT INTO reconciler_state VALUES (:name, now(), now()) "
                "ON CONFLICT (name) DO UPDATE SET updated_at = now()"
            ),
            {"name": name},
        )

    def write(order: int) -> int:
        first_time = True

        def work(connection: Connection) -> int:
            nonlocal first_time
            attempts.append(order)
            touch(connection, names[::order][0])
            if first_time:
                first_time = False
                both_hold_one.wait(10)
            touch(connection, names[::order][1])
            return order

        return in_transaction(engine, work)

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(write, (1, -1))) == [1, -1]
    assert len(attempts) > 2, "the two never met"


@pytest.mark.parametrize(
    "statement",
    ["SELECT CAST('abc' AS integer)", "SELECT 1/0", "INSERT INTO reconciler_state VALUES (NULL, now(), now())"],
    ids=["data", "arithmetic", "integrity"],
)
def test_a_refused_value_is_told_from_other_trouble(engine: Engine, statement: str) -> None:
    with pytest.raises(Refused):
        in_transaction(engine, lambda connection: connection.execute(text(statement)))
    with pytest.raises(ProgrammingError):
        in_transaction(engine, lambda connection: connection.execute(text("SELECT nonsense")))


@pytest.mark.parametrize("value", ["a\x00b", "a\ud800b"], ids=["nul", "lone surrogate"])
def test_what_the_driver_refuses_is_refused_too(engine: Engine, value: str) -> None:
    with pytest.raises(Refused):
        in_transaction(engine, lambda connection: connection.execute(text("SELECT CAST(:v AS text)"), {"v": value}))
