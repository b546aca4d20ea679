"""Trying an event out: verdicts with clauses, tasks with params, and nothing done."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine

from taskfactory.definitions import parse_definition
from taskfactory.registry import DefinitionStore
from tests.admin.trial_samples import document, event, file


def by_name(trial: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in trial["definitions"]}


async def posted(api: httpx.AsyncClient, path: str, body: Any) -> httpx.Response:
    """In ASCII, which carries lone surrogates too."""
    return await api.post(path, content=json.dumps(body), headers={"content-type": "application/json"})


async def tried(api: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await posted(api, "/v1/test-event", body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_drafts_are_tried_with_verdict_tasks_and_params(api: httpx.AsyncClient) -> None:
    kind = f"order.{uuid4()}"
    takes = document("takes", kind, foreach="event.data.skus", params={"sku": "${item}", "of": "${event.id}"})
    other = document("other", "refund")
    trial = await tried(api, event=event(kind, skus=["a", "b"]), files=[file(takes, other)], only_files=True)
    assert trial["event"]["id"] == "e-1"
    found = by_name(trial)
    assert list(found) == ["takes", "other"]
    assert (found["takes"]["answer"], found["takes"]["draft"], found["takes"]["task_count"]) == ("would_start", True, 2)
    assert [task["params"] for task in found["takes"]["tasks"]] == [
        {"sku": "a", "of": "e-1"},
        {"sku": "b", "of": "e-1"},
    ]
    assert found["takes"]["tasks"][1]["task_id"].endswith("/only/1")
    assert (found["other"]["answer"], found["other"]["tasks"]) == ("filtered", [])
    assert found["other"]["mismatches"][0]["path"] == "type"


async def test_secrets_of_the_context_are_masked_in_params(api: httpx.AsyncClient) -> None:
    kind = f"order.{uuid4()}"
    card = {"name": "card", "type": "event", "expression": "event.data.card", "secret": ["number"]}
    outside = {"name": "crm", "type": "http", "connection": "crm", "path": "/customers", "secret": ["$"]}
    params = {"card": "no ${context.card.number}", "token": "${context.crm.token}", "of": "${context.card.of}"}
    draft = document("takes", kind, params=params) | {"context": [card, outside]}
    given = {"context": {"crm": {"token": "hunter2"}}}
    sent = event(kind, card={"number": "4111222233334444", "of": "ada"})
    trial = await tried(api, event=sent, files=[file(draft)], only_files=True, **given)
    (task,) = by_name(trial)["takes"]["tasks"]
    assert task["params"] == {"card": "no ********", "token": "********", "of": "ada"}


async def test_a_disabled_draft_is_tried_as_if_it_were_enabled(api: httpx.AsyncClient) -> None:
    kind = f"order.{uuid4()}"
    trial = await tried(api, event=event(kind), files=[file(document("off", kind, enabled=False))], only_files=True)
    assert by_name(trial)["off"]["answer"] == "would_start"


async def test_a_draft_takes_the_place_of_what_is_registered(api: httpx.AsyncClient, engine: Engine) -> None:
    name, kind = f"placed-{uuid4()}", f"order.{uuid4()}"
    DefinitionStore(engine).apply([parse_definition(document(name, kind, params={"v": 1}))], "me")
    registered = by_name(await tried(api, event=event(kind)))[name]
    draft = by_name(await tried(api, event=event(kind), files=[file(document(name, kind, params={"v": 2}))]))[name]
    assert (registered["version"], registered["tasks"][0]["params"]) == (1, {"v": 1})
    assert (draft["version"], draft["draft"], draft["tasks"][0]["params"]) == (None, True, {"v": 2})
    assert registered["run_id"] == draft["run_id"]


async def test_context_from_outside_is_used_when_it_is_given_and_else_said_to_be_missing(
    api: httpx.AsyncClient,
) -> None:
    kind = f"order.{uuid4()}"
    source = {"name": "customer", "type": "http", "connection": "crm", "path": "/customers/1"}
    draft = document("asks", kind, context=[source], params={"risk": "${context.customer.risk}"})
    files = [file(draft)]
    without = by_name(await tried(api, event=event(kind), files=files, only_files=True))["asks"]
    assert (without["answer"], without["not_fetched"], without["tasks"]) == ("would_start", ["customer"], [])
    given = await tried(api, event=event(kind), files=files, only_files=True, context={"customer": {"risk": 3}})
    assert by_name(given)["asks"]["tasks"][0]["params"] == {"risk": 3}


async def test_a_plan_that_would_fail_says_where_and_why(api: httpx.AsyncClient) -> None:
    kind = f"order.{uuid4()}"
    files = [file(document("fails", kind, params={"sku": "${event.data.missing}"}))]
    found = by_name(await tried(api, event=event(kind), files=files, only_files=True))["fails"]
    assert (found["answer"], found["tasks"]) == ("would_start", [])
    assert (found["failure"]["code"], found["failure"]["path"]) == ("cel_error", "tasks[0].params.sku")


@pytest.mark.parametrize("broken", [{"no": "event"}, "text", 17, ["\ud800"], {"specversion": "1.0", "id": "\ud800"}])
async def test_what_is_no_event_is_told_as_the_dead_letter_that_it_would_be(
    api: httpx.AsyncClient, broken: Any
) -> None:
    trial = await tried(api, event=broken)
    assert trial["definitions"] == []
    assert trial["dead_lettered"]["reason"]
    explained = (await posted(api, "/v1/explain", {"event": broken})).json()
    assert explained["dead_lettered"] == trial["dead_lettered"]


async def test_errors_in_drafts_are_named_with_their_lines(api: httpx.AsyncClient) -> None:
    answer = await api.post(
        "/v1/test-event", json={"event": event("x"), "files": [{"origin": "a.yaml", "text": "kind: Nonsense\n"}]}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["origin"] == "a.yaml"


async def test_an_event_explained_is_answered_as_the_command_does(api: httpx.AsyncClient, engine: Engine) -> None:
    name, kind = f"explained-{uuid4()}", f"order.{uuid4()}"
    DefinitionStore(engine).apply([parse_definition(document(name, kind))], "me")
    answer = await api.post("/v1/explain", json={"event": event(kind), "definition": name})
    assert answer.status_code == 200
    [found] = answer.json()["definitions"]
    assert (found["name"], found["answer"], found["version"]) == (name, "would_start", 1)
    unknown = await api.post("/v1/explain", json={"event": event(kind), "definition": "never-there"})
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    "body",
    [{}, {"topic": "t"}, {"event": {}, "offset": 1}, {"topic": "t", "partition": -1, "offset": 0}, {"evnt": {}}],
)
async def test_a_question_that_names_no_event_is_refused(api: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await api.post("/v1/explain", json=body)).status_code == 422
