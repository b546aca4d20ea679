"""API keys: shown once, kept as a digest, ended at once."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text

from taskfactory.admin.settings import AdminSettings
from taskfactory.registry import ApiKeys, NameTaken, UnknownKeys, WantedKey
from taskfactory.registry.api_keys import KEY_FORM
from tests.admin.conftest import client_of, served


@pytest.fixture
async def app(engine: Engine, environment: None) -> AsyncIterator[FastAPI]:
    async with served(engine, AdminSettings()) as app:
        yield app


@pytest.fixture
def name(stack: Any) -> str:
    found: str = stack.name("key")
    return found


async def test_a_key_opens_what_its_roles_open_until_it_is_revoked(
    api: httpx.AsyncClient, app: FastAPI, name: str
) -> None:
    made = await api.post("/v1/keys", json={"name": name, "roles": ["viewer"], "expires_in": "90d", "reason": "ci"})
    assert made.status_code == 201
    assert KEY_FORM.fullmatch(made.json()["key"])
    async with client_of(app, made.json()["key"]) as client:
        me = (await client.get("/v1/me")).json()
        assert me == {"actor": f"key:{name}", "roles": ["viewer"], "expires_at": made.json()["expires_at"]}
        assert (await api.delete(f"/v1/keys/{made.json()['id']}", params={"reason": "left"})).status_code == 204
        refused = await client.get("/v1/me")
    assert (refused.status_code, f"{name} was revoked" in refused.json()["detail"]) == (401, True)

    lines = (await api.get("/v1/audit-trail", params={"resource": "key", "name": name})).json()["items"]
    assert [(line["action"], line["reason"]) for line in lines] == [("revoke", "left"), ("create", "ci")]
    assert made.json()["key"][12:] not in str(lines)


async def test_keys_are_listed_without_their_secrets(api: httpx.AsyncClient, app: FastAPI, name: str) -> None:
    made = (await api.post("/v1/keys", json={"name": name, "roles": ["author", "viewer"]})).json()
    async with client_of(app, made["key"]) as client:
        await client.get("/v1/me")
    listed = [item async for item in items(api, "/v1/keys") if item["id"] == made["id"]]
    assert [(item["name"], item["roles"], item["expires_at"]) for item in listed] == [
        (name, ["author", "viewer"], None)
    ]
    assert listed[0]["last_used_at"] is not None
    assert "key" not in listed[0]


async def items(api: httpx.AsyncClient, path: str) -> AsyncIterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        page = (await api.get(path, params={"limit": "100"} | ({"cursor": cursor} if cursor else {}))).json()
        for item in page["items"]:
            yield item
        cursor = page["next_cursor"]
        if cursor is None:
            return


async def test_nobody_gives_roles_that_they_have_not(app: FastAPI, keys: ApiKeys, name: str) -> None:
    (operator,) = keys.issue([WantedKey(name, frozenset({"operator"}))], "tester")
    async with client_of(app, operator.token) as client:
        for roles, status in ((["author"], 403), (["operator", "assignee"], 403), (["operator", "viewer"], 201)):
            answer = await client.post("/v1/keys", json={"name": f"{name}-{roles[-1]}", "roles": roles})
            assert answer.status_code == status, answer.text


async def test_a_key_does_not_outlive_the_credentials_that_made_it(app: FastAPI, keys: ApiKeys, name: str) -> None:
    ends = datetime.now(UTC) + timedelta(hours=2)
    (operator,) = keys.issue([WantedKey(name, frozenset({"operator"}), ends)], "tester")
    async with client_of(app, operator.token) as client:
        for expires_in in (None, "3h"):
            body = {"name": f"{name}-2", "roles": ["viewer"], "expires_in": expires_in}
            refused = await client.post("/v1/keys", json=body)
            assert refused.status_code == 422, refused.text
            (error,) = refused.json()["errors"]
            assert (error["path"], ends.isoformat() in error["message"]) == ("body.expires_in", True)
        made = await client.post("/v1/keys", json={"name": f"{name}-2", "roles": ["viewer"], "expires_in": "1h"})
    assert made.status_code == 201, made.text


def test_an_expired_key_leaves_its_name_to_another(keys: ApiKeys, name: str) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    (old,) = keys.issue([WantedKey(name, frozenset({"viewer"}), past)], "tester")
    (new,) = keys.issue([WantedKey(name, frozenset({"viewer"}))], "tester")
    found = {token: keys.find(token) for token in (old.token, new.token)}
    in_force = [each.key.id for each in found.values() if each and each.key.revoked_at is None and not each.expired]
    assert in_force == [new.key.id]
    with pytest.raises(NameTaken):
        keys.issue([WantedKey(name, frozenset({"viewer"}))], "tester")


async def test_a_new_key_does_not_get_the_answers_of_an_older_one_of_its_name(
    app: FastAPI, keys: ApiKeys, name: str
) -> None:
    body, headers = {"name": f"{name}-2", "roles": ["viewer"]}, {"Idempotency-Key": name}
    (old,) = keys.issue([WantedKey(name, frozenset({"operator"}))], "tester")
    async with client_of(app, old.token) as client:
        assert (await client.post("/v1/keys", json=body, headers=headers)).status_code == 201
    keys.revoke([old.key.id], "tester")
    (new,) = keys.issue([WantedKey(name, frozenset({"operator"}))], "tester")
    async with client_of(app, new.token) as client:
        answer = await client.post("/v1/keys", json=body, headers=headers)
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (409, False), (
        "it is another caller's answer"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "bootstrap"},
        {"name": "a b"},
        {"name": ""},
        {"roles": []},
        {"roles": ["admin"]},
        {"expires_in": "soon"},
        {"expires_in": "5000d"},
        {"expires_in": "0s"},
    ],
    ids=str,
)
async def test_what_is_wrong_with_a_wanted_key_is_named(api: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    answer = await api.post("/v1/keys", json={"name": "fine", "roles": ["viewer"], **wrong})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"].startswith(f"body.{next(iter(wrong))}")


def test_the_database_holds_a_digest_and_no_secret(engine: Engine, keys: ApiKeys, name: str) -> None:
    (issued,) = keys.issue([WantedKey(name, frozenset({"viewer"}))], "tester")
    with engine.connect() as connection:
        row = connection.execute(text("SELECT k.* FROM api_keys k WHERE id = :id"), {"id": issued.key.id}).one()
        audit = connection.execute(text("SELECT * FROM audit_trail WHERE name = :name"), {"name": name}).all()
    secret = issued.token[12:]
    assert secret not in str(row) + str(audit) + repr(issued)
    assert secret.encode() not in bytes(row.digest)
    assert len(bytes(row.digest)) == 32


def test_a_name_stands_for_one_key_at_a_time(keys: ApiKeys, name: str) -> None:
    wanted = WantedKey(name, frozenset({"viewer"}))
    (first,) = keys.issue([wanted], "tester")
    with pytest.raises(NameTaken) as taken:
        keys.issue([WantedKey(f"{name}-2", frozenset({"viewer"})), wanted], "tester")
    assert taken.value.names == (name,)
    assert all(key.name != f"{name}-2" for key in keys.page(after=None, limit=10_000)), "one was made all the same"
    assert keys.revoke([first.key.id], "tester") == [first.key.id]
    assert keys.revoke([first.key.id], "tester") == []
    keys.issue([wanted], "tester")
    with pytest.raises(UnknownKeys):
        keys.revoke([first.key.id, "nobody"], "tester")


async def test_neither_log_nor_answers_show_a_secret(
    app: FastAPI, keys: ApiKeys, name: str, log: Callable[[], str]
) -> None:
    (issued,) = keys.issue([WantedKey(name, frozenset({"operator"}))], "tester")
    async with client_of(app, issued.token) as client:
        made = await client.post("/v1/keys", json={"name": f"{name}-2", "roles": ["viewer"], "reason": "hush"})
        shown = [
            await client.get("/v1/me", params={"key": issued.token}),
            await client.get("/v1/keys"),
            await client.get("/openapi.json"),
        ]
    async with client_of(app, issued.token[:-1]) as client:
        shown.append(await client.get("/v1/me"))
    logged = log()
    assert logged.count('"event": "request"') == 5
    for secret in (issued.token[12:40], made.json()["key"][12:40]):
        assert secret not in logged
        assert all(secret not in answer.text for answer in shown)
