"""Dedupe keys through the API: shown, and released once."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine

from taskfactory.definitions import DedupeKey, parse_definition
from taskfactory.registry import AuditFilter, AuditTrail, DefinitionStore, RunStore
from tests.admin.trial_samples import document
from tests.registry.samples import one_task, owner, run_input


@pytest.fixture
def name(engine: Engine) -> str:
    """A definition that dedupes by subject, with one run for the subject `order-7`."""
    name = f"keyed-{uuid4()}"
    [applied] = DefinitionStore(engine).apply(
        [parse_definition(document(name, "order", dedupe={"key": "subject"}))], "me"
    )
    run = run_input("e-1", activity_id=applied.id, name=name, key=DedupeKey("subject", ("order-7",)))
    RunStore(engine).plan([run], owner(), one_task)
    return name


async def released(api: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await api.post("/v1/dedupe-keys/release", json={"reason": "the flood", **body})


async def test_a_key_is_released_once_and_the_trail_says_so(api: httpx.AsyncClient, engine: Engine, name: str) -> None:
    shown = (await api.get("/v1/dedupe-keys", params={"definition": name, "key": '["order-7"]'})).json()
    assert [(item["generation"], item["run_state"]) for item in shown["items"]] == [(1, "running")]
    rehearsed = await released(api, definition=name, key=["order-7"], dry_run=True)
    first = await released(api, definition=name, key=["order-7"])
    second = await released(api, definition=name, key=["order-7"])
    assert [(answer.json()["generation"], answer.json()["already"]) for answer in (rehearsed, first, second)] == [
        (2, False),
        (2, False),
        (2, True),
    ]
    [line] = AuditTrail(engine).read(AuditFilter(resource="dedupe_key", name=name), before=None, limit=10)
    assert (line.entry.actor, line.entry.action, line.entry.reason) == ("local:tester", "release", "the flood")
    assert line.entry.detail == {"key": ["order-7"], "generation": 2}
    again = (await api.get("/v1/dedupe-keys", params={"definition": name, "key": '["order-7"]'})).json()["items"][1]
    assert (again["opened_by"], again["reason"], again["rerun_of"]) == ("local:tester", "the flood", None)


async def test_a_key_that_was_never_seen_is_a_404(api: httpx.AsyncClient, name: str) -> None:
    assert (await released(api, definition=name, key=["order-8"])).status_code == 404
    answer = await api.get("/v1/dedupe-keys", params={"definition": name, "key": '["order-8"]'})
    assert answer.status_code == 404
    assert (await released(api, definition="never-there", key=["order-8"])).status_code == 404


@pytest.mark.parametrize("key", ["order-7", "{", '{"a":1}', "[]", '["a","b"]', "[17]", "[NaN]", "[1e999]", "[" * 5_000])
async def test_a_key_that_the_definition_can_not_have_is_refused(api: httpx.AsyncClient, name: str, key: str) -> None:
    answer = await api.get("/v1/dedupe-keys", params={"definition": name, "key": key})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "query.key"


async def test_a_release_wants_a_reason(api: httpx.AsyncClient, name: str) -> None:
    for reason in ("", "   "):
        assert (await released(api, definition=name, key=["order-7"], reason=reason)).status_code == 422
