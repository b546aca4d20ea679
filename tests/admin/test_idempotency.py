"""`Idempotency-Key`: a POST that arrives twice happens once."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from taskfactory.admin.idempotency import Answers
from taskfactory.admin.roles import EVERY_ROLE, Principal
from taskfactory.registry import Claim, IdempotencyKeys, InProgress, KeyReused, StoredAnswer
from tests.admin.samples import document, file
from tests.e2e.platform import eventually


@pytest.fixture
def key(stack: Any) -> str:
    found: str = stack.name("idempotency")
    return found


Count = Callable[[str], int]


@pytest.fixture
def keys_named(engine: Engine) -> Count:
    def count(name: str) -> int:
        with engine.connect() as connection:
            return int(
                connection.execute(text("SELECT count(*) FROM api_keys WHERE name = :n"), {"n": name}).scalar_one()
            )

    return count


async def test_the_same_request_again_is_answered_as_the_first_time(api: httpx.AsyncClient, key: str) -> None:
    body = {"files": [file(document(key))]}
    first = await api.post("/v1/apply", json=body, headers={"Idempotency-Key": key})
    again = await api.post("/v1/apply", json=body, headers={"Idempotency-Key": key})
    assert first.json()["items"][0]["action"] == "create"
    assert (again.status_code, again.json(), again.headers["content-type"]) == (200, first.json(), "application/json")
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    without = await api.post("/v1/apply", json=body)
    assert without.json()["items"][0]["action"] == "unchanged"


async def test_headers_that_the_answer_had_come_again(api: httpx.AsyncClient, key: str) -> None:
    await api.post("/v1/apply", json={"files": [file(document(key))]})
    headers = {"Idempotency-Key": key, "If-Match": "*"}
    first = await api.post(f"/v1/definitions/{key}/pause", json={"reason": "x"}, headers=headers)
    again = await api.post(f"/v1/definitions/{key}/pause", json={"reason": "x"}, headers=headers)
    assert first.headers["etag"] == again.headers["etag"]


async def test_many_at_once_have_one_effect(api: httpx.AsyncClient, key: str, keys_named: Count) -> None:
    body = {"name": key, "roles": ["viewer"]}
    answers = await asyncio.gather(
        *(api.post("/v1/keys", json=body, headers={"Idempotency-Key": key}) for _ in range(12))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    shown = [answer.json()["key"] for answer in answers if answer.status_code == 201]
    assert sum(secret is not None for secret in shown) == 1
    assert keys_named(key) == 1
    in_progress = [answer for answer in answers if answer.status_code == 409]
    assert {answer.json()["type"] for answer in in_progress} <= {"urn:taskfactory:problem:in-progress"}


async def test_a_secret_is_not_kept_for_a_repeated_answer(api: httpx.AsyncClient, engine: Engine, key: str) -> None:
    body = {"name": key, "roles": ["viewer"]}
    first = await api.post("/v1/keys", json=body, headers={"Idempotency-Key": key})
    again = await api.post("/v1/keys", json=body, headers={"Idempotency-Key": key})
    assert again.json() == first.json() | {"key": None}
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT body FROM idempotency_keys WHERE key = :key"), {"key": key}).scalar_one()
    assert first.json()["key"].encode()[12:] not in bytes(kept)


async def test_a_key_belongs_to_one_request(api: httpx.AsyncClient, key: str) -> None:
    headers = {"Idempotency-Key": key}
    await api.post("/v1/keys", json={"name": key, "roles": ["viewer"]}, headers=headers)
    for path, body in (("/v1/keys", {"name": f"{key}-2", "roles": ["viewer"]}), ("/v1/validate", {"files": []})):
        other = await api.post(path, json=body, headers=headers)
        assert (other.status_code, other.json()["type"]) == (422, "urn:taskfactory:problem:idempotency-key-reused")


async def test_a_request_about_another_version_is_another_request(api: httpx.AsyncClient, key: str) -> None:
    await api.post("/v1/apply", json={"files": [file(document(key))]})
    read = (await api.get(f"/v1/definitions/{key}")).headers["etag"]
    stale = {"Idempotency-Key": key, "If-Match": '"0-0"'}
    assert (await api.post(f"/v1/definitions/{key}/pause", headers=stale)).status_code == 412
    again = await api.post(f"/v1/definitions/{key}/pause", headers={"Idempotency-Key": key, "If-Match": read})
    assert (again.status_code, again.json()["type"]) == (422, "urn:taskfactory:problem:idempotency-key-reused")


async def test_what_was_refused_is_refused_again(api: httpx.AsyncClient, key: str) -> None:
    headers = {"Idempotency-Key": key, "If-Match": "*"}
    refused = await api.post(f"/v1/definitions/{key}/promote", headers=headers)
    await api.post("/v1/apply", json={"files": [file(document(key))]})
    again = await api.post(f"/v1/definitions/{key}/promote", headers=headers)
    assert again.status_code == refused.status_code in {404, 412}
    assert again.json() == refused.json()


@pytest.mark.parametrize("odd", ["", "a b", "x" * 256])
async def test_a_key_that_can_be_none_is_refused(api: httpx.AsyncClient, odd: str) -> None:
    answer = await api.post("/v1/validate", json={"files": []}, headers={"Idempotency-Key": odd})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "header.Idempotency-Key")


def claimed(found: Claim | StoredAnswer) -> Claim:
    assert isinstance(found, Claim)
    return found


def test_a_request_that_nobody_is_going_to_answer_may_be_tried_again(engine: Engine, key: str) -> None:
    at_once = IdempotencyKeys(engine, lease=timedelta(0))
    dead = claimed(at_once.claim("ann", key, b"content"))
    with pytest.raises(InProgress):
        IdempotencyKeys(engine).claim("ann", key, b"content")
    second = claimed(at_once.claim("ann", key, b"content"))
    at_once.answer(dead, StoredAnswer(200, {}, b"too late"))  # its claim was taken over
    at_once.answer(second, StoredAnswer(201, {"etag": '"1"'}, b"done"))
    assert at_once.claim("ann", key, b"content") == StoredAnswer(201, {"etag": '"1"'}, b"done")


async def test_a_request_keeps_its_claim_for_as_long_as_it_is_being_answered(engine: Engine, key: str) -> None:
    keys, done = IdempotencyKeys(engine, lease=timedelta(milliseconds=500)), asyncio.Event()

    async def endpoint(_: Request) -> Response:
        await done.wait()
        return Response(b"{}")

    async def body() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    def claimed_at() -> datetime | None:
        with engine.connect() as connection:
            found = connection.execute(text("SELECT claimed_at FROM idempotency_keys WHERE key = :key"), {"key": key})
            moment: datetime | None = found.scalar()
        return moment

    scope = {"type": "http", "method": "POST", "path": "/v1/x", "query_string": b"", "headers": [], "server": ("x", 1)}
    caller = Principal("local:ann", EVERY_ROLE)
    answering = asyncio.create_task(Answers(keys).once(Request(scope, body), caller, key, endpoint))
    first = await asyncio.to_thread(eventually, claimed_at, "the claim")
    await asyncio.to_thread(eventually, lambda: (claimed_at() or first) > first + 2 * keys.lease, "two leases", 20)
    done.set()
    assert (await answering).status_code == 200
    again = await Answers(keys).once(Request(scope, body), caller, key, endpoint)
    assert again.headers["idempotency-replayed"] == "true"


def test_everybody_has_keys_of_their_own(engine: Engine, key: str) -> None:
    keys = IdempotencyKeys(engine)
    claimed(keys.claim("ann", key, b"one"))
    claimed(keys.claim("bob", key, b"other"))
    with pytest.raises(KeyReused):
        keys.claim("ann", key, b"other")


def test_a_request_that_came_to_nothing_may_be_tried_again(engine: Engine, key: str) -> None:
    keys = IdempotencyKeys(engine)
    keys.give_up(claimed(keys.claim("ann", key, b"one")))
    claimed(keys.claim("ann", key, b"other"))


def test_answers_are_forgotten_after_their_time(engine: Engine, key: str) -> None:
    keys = IdempotencyKeys(engine)
    keys.answer(claimed(keys.claim("ann", key, b"one")), StoredAnswer(200, {}, b""))
    claimed(IdempotencyKeys(engine, kept=timedelta(0)).claim("ann", key, b"other"))
