"""The table of large payloads, on a real PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from temporalio.api.common.v1 import Payload
from temporalio.converter import StorageDriverClaim, StorageDriverRetrieveContext, StorageDriverStoreContext

from taskfactory.payloads import TOUCH_AFTER, PayloadTable, PostgresPayloads, open_payload_table
from taskfactory.registry import migrate, open_engine
from taskfactory.runtime.payload_storage import PayloadLost, PayloadStorageAway
from tests.conftest import RunningStack


@pytest.fixture(scope="module")
def url(stack: RunningStack) -> str:
    url = stack.database()
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()
    return url


@pytest.fixture
def table(url: str) -> Iterator[PayloadTable]:
    opened = open_payload_table(url, pool_size=4)
    with opened._engine.connect() as connection:
        connection.execute(text("TRUNCATE payloads"))
    yield opened
    opened.close()


def ages(table: PayloadTable) -> dict[bytes, timedelta]:
    with table._engine.connect() as connection:
        return {
            row.digest: row.age
            for row in connection.execute(text("SELECT digest, now() - stored_at AS age FROM payloads"))
        }


def make_older(table: PayloadTable, by: timedelta) -> None:
    with table._engine.connect() as connection:
        connection.execute(text("UPDATE payloads SET stored_at = stored_at - :by"), {"by": by})


def test_what_is_stored_is_read_and_stored_once(table: PayloadTable) -> None:
    bodies = [b"one", b"\x00\xff" * 100_000, b"one", b""]
    digests = table.put(bodies)
    assert digests == [sha256(body).digest() for body in bodies]
    assert table.put(bodies) == digests
    assert table.get(digests) == dict(zip(digests, bodies, strict=True))
    assert len(ages(table)) == 3


def test_what_was_never_stored_is_left_out(table: PayloadTable) -> None:
    (digest,) = table.put([b"there"])
    assert table.get([digest, b"?" * 32]) == {digest: b"there"}


def test_bodies_that_are_stored_at_the_same_time_in_any_order_get_in_nobodys_way(table: PayloadTable) -> None:
    bodies = [bytes([number]) * 50_000 for number in range(20)]
    with ThreadPoolExecutor(4) as threads:
        stored = list(threads.map(table.put, [bodies, bodies[::-1], bodies[10:] + bodies[:10], bodies]))
    assert all(len(set(digests)) == 20 for digests in stored)
    assert len(ages(table)) == 20


def test_what_is_stored_again_is_young_again_and_outlives_what_is_not(table: PayloadTable) -> None:
    kept, gone = table.put([b"kept", b"gone"])
    make_older(table, timedelta(days=100))
    table.put([b"kept"])
    assert ages(table)[kept] < TOUCH_AFTER
    assert table.drop(datetime.now(UTC) - timedelta(days=50)) == 1
    assert table.get([kept, gone]) == {kept: b"kept"}


def test_a_young_row_is_not_written_again(table: PayloadTable) -> None:
    (digest,) = table.put([b"replayed"])
    make_older(table, TOUCH_AFTER / 2)
    table.put([b"replayed"])
    assert ages(table)[digest] > TOUCH_AFTER / 3


def test_more_than_one_batch_is_dropped(table: PayloadTable) -> None:
    table.put([str(number).encode() for number in range(1203)])
    assert table.drop(datetime.now(UTC) + timedelta(hours=1)) == 1203
    assert ages(table) == {}


async def test_a_payload_comes_back_whole_and_its_reference_is_its_digest(table: PayloadTable) -> None:
    driver = PostgresPayloads(table)
    payloads = [Payload(metadata={"encoding": b"json/plain", "b": b"2"}, data=b"x" * size) for size in (10, 3_000_000)]
    claims = await driver.store(StorageDriverStoreContext(), payloads)
    assert [len(bytes.fromhex(claim.claim_data["sha256"])) for claim in claims] == [32, 32]
    assert await driver.store(StorageDriverStoreContext(), payloads[::-1]) == claims[::-1]
    assert await driver.retrieve(StorageDriverRetrieveContext(), claims[::-1]) == payloads[::-1]


@pytest.mark.parametrize("claim", [{"sha256": "00" * 32}, {"sha256": "nonsense"}, {"key": "of another driver"}])
async def test_a_reference_that_leads_nowhere_says_what_to_look_at(table: PayloadTable, claim: dict[str, str]) -> None:
    with pytest.raises(PayloadLost, match="TASKFACTORY_PAYLOAD_STORAGE"):
        await PostgresPayloads(table).retrieve(StorageDriverRetrieveContext(), [StorageDriverClaim(claim)])


async def test_a_database_that_is_away_is_told_apart_from_what_is_lost() -> None:
    driver = PostgresPayloads(open_payload_table("postgresql://127.0.0.1:1/nowhere", pool_size=1))
    with pytest.raises(PayloadStorageAway, match="OperationalError"):
        await driver.store(StorageDriverStoreContext(), [Payload(data=b"x")])
    with pytest.raises(PayloadStorageAway):
        await driver.retrieve(StorageDriverRetrieveContext(), [StorageDriverClaim({"sha256": "00" * 32})])


async def test_a_database_that_was_not_migrated_is_waited_for(stack: RunningStack) -> None:
    driver = PostgresPayloads(open_payload_table(stack.database(), pool_size=1))
    with pytest.raises(PayloadStorageAway, match="payloads"):
        await driver.store(StorageDriverStoreContext(), [Payload(data=b"x")])


def test_a_url_of_something_else_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="mysql://") as refused:
        open_payload_table("mysql://user:geheim@host/db", pool_size=1)
    assert "geheim" not in str(refused.value)
    assert not isinstance(refused.value, SQLAlchemyError)
