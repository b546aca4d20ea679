"""The audit trail over the API: found by what is asked for, and never altered."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from taskfactory.registry import AuditEntry, AuditTrail

Append = Callable[..., None]


@pytest.fixture
def name(stack: Any) -> str:
    found: str = stack.name("audited")
    return found


@pytest.fixture
def append(engine: Engine, name: str) -> Append:
    def append(*actions: str, actor: str = "key:ci") -> None:
        AuditTrail(engine).append([AuditEntry(actor, action, "definition", name) for action in actions])

    return append


async def test_pages_hold_every_line_once_while_lines_are_written(
    api: httpx.AsyncClient, name: str, append: Append
) -> None:
    append("create", "update", "pause", "resume", "delete")
    found: list[str] = []
    cursor: str | None = None
    while True:
        asked = {"name": name, "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/v1/audit-trail", params=asked)).json()
        found += [line["action"] for line in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        append("enable")  # newer than the first page: on none of those that follow
    assert found == ["delete", "resume", "pause", "update", "create"]


async def test_filters_narrow_together(api: httpx.AsyncClient, name: str, append: Append) -> None:
    append("create")
    append("update", "delete", actor="user:ann")
    only = {"name": name, "actor": "user:ann", "action": "delete", "since": "2026-01-01T00:00:00Z"}
    lines = (await api.get("/v1/audit-trail", params=only)).json()["items"]
    assert [(line["actor"], line["action"]) for line in lines] == [("user:ann", "delete")]
    before = await api.get("/v1/audit-trail", params=only | {"until": "2026-01-02T00:00:00Z"})
    assert before.json()["items"] == []
    without_zone = await api.get("/v1/audit-trail", params={"since": "2026-01-01T00:00:00"})
    assert without_zone.status_code == 422


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_trail SET actor = 'nobody'", "DELETE FROM audit_trail WHERE false", "TRUNCATE audit_trail"],
)
def test_the_database_alters_no_line(engine: Engine, append: Append, statement: str) -> None:
    append("create")
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))


def test_no_route_alters_it(engine: Engine, environment: None) -> None:
    from taskfactory.admin.routers.audit_trail import router  # noqa: PLC0415

    assert [route.methods for route in router.routes] == [{"GET"}]  # type: ignore[attr-defined]
