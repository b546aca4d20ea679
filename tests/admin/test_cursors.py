"""Cursors that nobody was given: whatever they hold, they are refused or begin a page, and nothing breaks."""

import base64
import json
from typing import Any

import httpx
import pytest

from tests.admin.samples import document

LISTS = (
    "/v1/definitions",
    "/v1/definitions/{name}/versions",
    "/v1/mappings",
    "/v1/keys",
    "/v1/audit-trail",
    "/v1/runs",
    "/v1/tasks",
    "/v1/schedules",
)
ODD: tuple[Any, ...] = (
    10**30,
    -(10**30),
    2**31,
    2**63,
    "\x00",
    "\ud800",
    "x" * 1000,
    ["2026-01-01T00:00:00Z", "\x00"],
    ["2026-01-01T00:00:00Z", "\ud800"],
    ["2026-01-01T00:00:00", "a"],
    ["0001-01-01T00:00:00+14:00", "a"],
    ["9999-12-31T23:59:59-14:00", "a"],
    ["2026-01-01T00:00:00Z", "a", 10**30],
    ["2026-01-01T00:00:00Z", "a", 2**40],
    ["2026-01-01T00:00:00Z", "a", -1],
    None,
    {},
    True,
)


@pytest.fixture
def name(stack: Any) -> str:
    found: str = stack.name("cursors")
    return found


@pytest.mark.parametrize("path", LISTS)
async def test_a_cursor_that_was_made_up_breaks_nothing(api: httpx.AsyncClient, path: str, name: str) -> None:
    assert (await api.put(f"/v1/definitions/{name}", json=document(name))).status_code == 201
    for odd in ODD:
        cursor = base64.urlsafe_b64encode(json.dumps(odd).encode()).decode()
        answer = await api.get(path.format(name=name), params={"cursor": cursor, "limit": 1})
        assert answer.status_code in {200, 422}, (odd, answer.text)


async def test_a_version_beyond_all_numbers_is_not_there(api: httpx.AsyncClient, name: str) -> None:
    await api.put(f"/v1/definitions/{name}", json=document(name))
    for number in (2**31, 10**30, -1, 0):
        answer = await api.get(f"/v1/definitions/{name}/versions/{number}")
        assert answer.status_code in {404, 422}, answer.text
