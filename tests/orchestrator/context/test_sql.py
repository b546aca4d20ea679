"""Queries on a real PostgreSQL: what comes back, and that nothing but reading within bounds is possible."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from taskfactory.orchestrator.context.connections import SqlConnection, parse_connections
from taskfactory.orchestrator.context.sql import Query, SqlFetcher
from taskfactory.orchestrator.context.trouble import ContextTrouble
from tests.conftest import RunningStack

TABLE = """
CREATE TABLE customers (id integer PRIMARY KEY, name text, vip boolean);
INSERT INTO customers SELECT n, 'c' || n, n % 2 = 0 FROM generate_series(1, 50) n;
CREATE TABLE salaries (id integer);
CREATE SEQUENCE numbers;
CREATE FUNCTION rename() RETURNS integer LANGUAGE sql AS $$ UPDATE customers SET name = 'hacked' RETURNING id $$;
"""


@dataclass
class Shop:
    """A database of its own, and a role that may read one table and, as roles by default may, call functions."""

    admin_url: str
    url: str

    def names(self) -> set[str]:
        with psycopg.connect(self.admin_url) as connection:
            return {name for (name,) in connection.execute("SELECT name FROM customers")}


@pytest.fixture(scope="module")
def shop(stack: RunningStack) -> Iterator[Shop]:
    admin_url = stack.database()
    role = stack.name("reader").replace("-", "_")
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(TABLE)
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'hunter2'")  # type: ignore[arg-type,unused-ignore]
        connection.execute(f"GRANT SELECT, UPDATE ON customers TO {role}")  # type: ignore[arg-type,unused-ignore]
        connection.execute(f"GRANT USAGE ON SEQUENCE numbers TO {role}")  # type: ignore[arg-type,unused-ignore]
        connection.execute(f"GRANT TEMPORARY ON DATABASE {urlsplit(admin_url).path[1:]} TO {role}")  # type: ignore[arg-type,unused-ignore]
    parts = urlsplit(admin_url)
    yield Shop(admin_url, f"postgresql://{role}:hunter2@{parts.hostname}:{parts.port}{parts.path}")
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {role}")  # type: ignore[arg-type,unused-ignore]
        connection.execute(f"DROP ROLE {role}")  # type: ignore[arg-type,unused-ignore]


@pytest.fixture
def connection(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> SqlConnection:
    monkeypatch.setenv("SHOP_URL", shop.url)
    return sql_connection()


def sql_connection(**fields: Any) -> SqlConnection:
    made = parse_connections({"shop": {"type": "sql", "url": "env:SHOP_URL", **fields}})["shop"]
    assert isinstance(made, SqlConnection)
    return made


async def ask(connection: SqlConnection, text: str, params: dict[str, Any] | None = None, **limits: Any) -> Any:
    given = {"timeout": 5.0, "max_rows": 100, "max_bytes": 100_000, "single": False, **limits}
    return await SqlFetcher().fetch("shop", connection, Query(text, params or {}, **given))


async def refusal(
    connection: SqlConnection, text: str, params: dict[str, Any] | None = None, **limits: Any
) -> ContextTrouble:
    with pytest.raises(ContextTrouble) as caught:
        await ask(connection, text, params, **limits)
    return caught.value


async def test_rows_come_as_mappings_in_their_order(connection: SqlConnection) -> None:
    text = "SELECT id, name FROM customers WHERE id = ANY(%(ids)s) AND vip = %(vip)s ORDER BY id DESC"
    found = await ask(connection, text, {"ids": [1, 2, 4], "vip": True})
    assert found == [{"id": 4, "name": "c4"}, {"id": 2, "name": "c2"}]


async def test_single_is_one_row_null_or_an_error(connection: SqlConnection) -> None:
    text = "SELECT id FROM customers WHERE id <= %(id)s"
    assert await ask(connection, text, {"id": 1}, single=True) == {"id": 1}
    assert await ask(connection, text, {"id": 0}, single=True) is None
    assert (await refusal(connection, text, {"id": 2}, single=True)).kind == "TooManyRows"


async def test_every_kind_of_value_becomes_json(connection: SqlConnection) -> None:
    text = """
        SELECT 1.10::numeric AS n, 'a'::text AS t, true AS b, NULL AS x, 1.5::float8 AS f, 'NaN'::float8 AS nan,
               9223372036854775807 AS big, '2026-01-02 03:04:05+00'::timestamptz AS at, '2026-01-02'::date AS d,
               'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS u, '{"a": [1]}'::jsonb AS j, ARRAY[1, 2] AS l,
               '\\x00ff'::bytea AS by, '90 minutes'::interval AS i, '100%%' AS percent
    """
    assert await ask(connection, text, single=True) == {
        "n": "1.10", "t": "a", "b": True, "x": None, "f": 1.5, "nan": "nan",
        "big": 9223372036854775807, "at": "2026-01-02T03:04:05Z", "d": "2026-01-02",
        "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "j": {"a": [1]}, "l": [1, 2],
        "by": "AP8=", "i": "5400s", "percent": "100%",
    }  # fmt: skip


async def test_a_value_is_bound_and_never_read_as_sql(connection: SqlConnection, shop: Shop) -> None:
    before = shop.names()
    for evil in ("c1' OR '1'='1", "'; DROP TABLE customers; --", "c1\\'", "%(id)s"):
        assert await ask(connection, "SELECT id FROM customers WHERE name = %(name)s", {"name": evil}) == []
    assert await ask(connection, "SELECT %(a)s::text AS a", {"a": "'; --"}) == [{"a": "'; --"}]
    assert await ask(connection, "SELECT %(a)s::jsonb -> 'b' AS a", {"a": {"b": [1]}}) == [{"a": [1]}]
    assert shop.names() == before


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1; UPDATE customers SET name = 'hacked'",
        "SELECT 1; COMMIT; UPDATE customers SET name = 'hacked'",
        "SELECT 1 /* ; */; DELETE FROM customers --",
        "SELECT 1;--\nUPDATE customers SET name = 'hacked'",
        "UPDATE customers SET name = 'hacked'",
        "/* SELECT */ UPDATE customers SET name = 'hacked'",
        "-- SELECT\nUPDATE customers SET name = 'hacked'",
        "WITH hacked AS (UPDATE customers SET name = 'hacked' RETURNING 1) SELECT * FROM hacked",
        "SELECT rename()",
        "SELECT * FROM rename()",
        "SELECT set_config('transaction_read_only', 'off', true), rename()",
        "SELECT nextval('numbers')",
        "SELECT 1 INTO TEMPORARY hacked",
        "SELECT * FROM customers FOR UPDATE",
        "CREATE TEMPORARY TABLE hacked (id integer)",
        "COPY customers TO STDOUT",
        "COPY (SELECT 1) TO PROGRAM 'touch /tmp/hacked'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM pg_ls_dir('/')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT * FROM salaries",
        "SELECT rolpassword FROM pg_authid",
        "SET ROLE postgres",
        "RESET ALL",
        "COMMIT",
        "DO $$ BEGIN UPDATE customers SET name = 'hacked'; END $$",
        "EXPLAIN ANALYZE UPDATE customers SET name = 'hacked'",
        "CALL hacked()",
        "LISTEN a",
    ],
)
async def test_whatever_is_not_reading_is_refused(connection: SqlConnection, shop: Shop, text: str) -> None:
    before = shop.names()
    found = await refusal(connection, text)
    assert (found.kind, found.retryable) == ("QueryRefused", False)
    assert shop.names() == before


async def test_nothing_of_a_query_is_left_for_the_next(connection: SqlConnection) -> None:
    await ask(connection, "SELECT set_config('default_transaction_read_only', 'off', false) AS a")
    assert (await refusal(connection, "SELECT rename()")).kind == "QueryRefused"


async def test_a_superuser_is_not_let_in(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", shop.admin_url)
    found = await refusal(sql_connection(), "SELECT 1 AS a")
    assert "its role is a superuser" in found.message


@pytest.mark.parametrize(
    "text",
    [
        "SELECT pg_sleep(60)",
        "SELECT count(*) FROM generate_series(1, 1000000000000)",
        "SELECT set_config('statement_timeout', '0', false), pg_sleep(60)",
    ],
)
async def test_a_query_ends_with_its_time(connection: SqlConnection, text: str) -> None:
    began = time.monotonic()
    found = await refusal(connection, text, timeout=0.5)
    assert found.retryable
    assert time.monotonic() - began < 5


async def test_more_rows_than_allowed_are_an_error_and_are_not_read(connection: SqlConnection) -> None:
    endless = "SELECT a.id FROM customers a, customers b, customers c, customers d, customers e, customers f"
    assert len(await ask(connection, f"{endless} LIMIT 100")) == 100
    for limits in (sql_connection(), sql_connection(max_rows=50)):
        began = time.monotonic()
        found = await refusal(limits, endless)
        assert (found.kind, found.retryable) == ("TooManyRows", False)
        assert time.monotonic() - began < 4
    assert "50 rows" in found.message


async def test_more_bytes_than_allowed_are_an_error(connection: SqlConnection) -> None:
    found = await refusal(connection, "SELECT repeat('x', 10000) AS x FROM generate_series(1, 100)")
    assert found.kind == "TooLarge"


async def test_large_rows_are_not_read_by_the_hundred_before_they_count(connection: SqlConnection) -> None:
    slow = "SELECT repeat('x', 10000) AS x, pg_sleep(0.1)::text FROM generate_series(1, 100)"
    found = await refusal(connection, slow, timeout=3.0, max_bytes=1000)
    assert found.kind == "TooLarge"


async def test_two_columns_of_one_name_are_an_error(connection: SqlConnection) -> None:
    assert "called 'a'" in (await refusal(connection, "SELECT 1 AS a, 2 AS a")).message


async def test_a_mistake_in_a_query_is_said_and_data_is_not(connection: SqlConnection) -> None:
    assert 'relation "nothing" does not exist' in (await refusal(connection, "SELECT * FROM nothing")).message
    found = await refusal(connection, "SELECT %(a)s::integer", {"a": "s3cret"})
    assert (found.kind, found.retryable) == ("QueryRefused", False)
    assert "s3cret" not in found.message


@pytest.mark.parametrize(
    "url",
    [
        "nonsense hunter2",
        "postgresql://nobody:hunter2@127.0.0.1:1/x",
        "postgresql://nobody:hunter2@127.0.0.1:notaport/x",
    ],
)
async def test_a_database_that_can_not_be_reached_is_said_without_its_url(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_URL", url)
    found = await refusal(sql_connection(), "SELECT 1 AS a")
    assert found.retryable
    assert "hunter2" not in found.message
    assert "hunter2" not in repr(found.__cause__)
