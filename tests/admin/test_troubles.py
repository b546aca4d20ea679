"""Everything that goes wrong is answered as a problem, and tells nothing of the inside."""

import json
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from sqlalchemy import Engine, text

from taskfactory.admin.app import ROUTERS, build_app
from taskfactory.admin.authentication.local import Local
from taskfactory.admin.local import local_api
from taskfactory.admin.problems import KINDS
from taskfactory.admin.roles import VIEWER
from taskfactory.admin.routing import ApiRouter
from taskfactory.admin.services import Services, Using
from taskfactory.admin.settings import AdminSettings
from taskfactory.admin.temporal import LazyTemporal
from tests.admin.conftest import client_of
from tests.schema_registry_server import free_port

odd = ApiRouter(prefix="/v1/odd", tag="odd")


@odd.get("/broken", roles=VIEWER)
def broken() -> None:
    raise RuntimeError("the secret plan")


@odd.get("/temporal", roles=VIEWER)
async def temporal(services: Using) -> None:
    await services.temporal()


@odd.get("/statement", roles=VIEWER)
def statement(services: Using) -> None:
    with services.engine.connect() as connection:
        connection.execute(text("SELECT nothing FROM nowhere"))


@pytest.fixture
async def odd_api(
    engine: Engine, environment: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setenv("TASKFACTORY_TEMPORAL_ADDRESS", f"127.0.0.1:{free_port()}")
    settings = AdminSettings(max_request_bytes=2000)
    app = build_app(Services(settings, engine, LazyTemporal(settings)), Local("tester"), [*ROUTERS, odd])
    async with client_of(app) as client:
        yield client


def code_of(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["request_id"] == answer.headers["x-request-id"]
    code = str(body["type"]).removeprefix("urn:taskfactory:problem:")
    assert (
        (KINDS[code].status, KINDS[code].title)
        == (answer.status_code, body["title"])
        == (body["status"], body["title"])
    )
    return code


async def test_what_nobody_foresaw_is_told_to_the_log_and_to_nobody_else(
    odd_api: httpx.AsyncClient, log: Callable[[], str]
) -> None:
    answer = await odd_api.get("/v1/odd/broken")
    assert (answer.status_code, code_of(answer)) == (500, "internal")
    assert "secret plan" not in answer.text
    logged = log()
    assert "secret plan" in logged
    assert answer.json()["request_id"] in logged


async def test_a_server_that_is_away_is_worth_another_try(odd_api: httpx.AsyncClient) -> None:
    answer = await odd_api.get("/v1/odd/temporal")
    assert (code_of(answer), answer.headers["retry-after"]) == ("unavailable", "2")


async def test_a_database_that_is_not_migrated_says_what_to_do(odd_api: httpx.AsyncClient) -> None:
    answer = await odd_api.get("/v1/odd/statement")
    assert (code_of(answer), "taskfactory migrate" in answer.json()["detail"]) == ("not-migrated", True)
    assert "retry-after" not in answer.headers  # nothing gets better by waiting


@pytest.mark.parametrize(
    ("query", "told"),
    [("limit=501", "found 501; allowed is at most 500"), ("limit=-3", "found -3; allowed is at least 1")],
)
async def test_a_number_out_of_its_range_is_told_with_what_was_found(
    odd_api: httpx.AsyncClient, query: str, told: str
) -> None:
    answer = await odd_api.get(f"/v1/runs?{query}")
    assert answer.json()["errors"] == [{"path": "query.limit", "message": told}]


async def test_a_database_that_is_away_is_worth_another_try(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFACTORY_DATABASE_URL", f"postgresql://somebody:hush@127.0.0.1:{free_port()}/none")
    async with local_api("tester") as api:
        answers = [
            await api.get("/v1/definitions"),
            await api.post("/v1/validate", json={"files": []}, headers={"Idempotency-Key": "k"}),
        ]
        assert (await api.get("/v1/me")).status_code == 200
    assert [code_of(answer) for answer in answers] == ["unavailable", "unavailable"]
    assert "hush" not in answers[0].text


async def test_a_body_that_is_too_large_is_not_read_to_its_end(odd_api: httpx.AsyncClient) -> None:
    sent = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            sent.append(1)
            yield b" " * 500

    streamed = await odd_api.post("/v1/validate", content=endless(), headers={"Content-Type": "application/json"})
    declared = await odd_api.post("/v1/validate", content=b" " * 2001, headers={"Content-Type": "application/json"})
    assert (code_of(streamed), code_of(declared), len(sent)) == ("too-large", "too-large", 5)


@pytest.mark.parametrize(
    ("content", "media_type", "code"),
    [
        (b"{", "application/json", "malformed"),
        (b"\xff\xfe", "application/json", "malformed"),
        (b'{"files": 7}', "application/json", "invalid"),
        (b"[" * 1900, "application/json", "malformed"),
        (b"files: []", "application/yaml", "unsupported-media-type"),
        (b"{}", "", "unsupported-media-type"),
        (b"", "application/json", "invalid"),
        (b'{"files": []}', "application/problem+json; charset=utf-8", "invalid"),
    ],
    ids=str,
)
async def test_a_body_that_can_not_be_used_says_why(
    odd_api: httpx.AsyncClient, content: bytes, media_type: str, code: str
) -> None:
    answer = await odd_api.post("/v1/validate", content=content, headers={"Content-Type": media_type})
    assert code_of(answer) == code


async def test_text_that_no_answer_can_carry_is_no_catastrophe(odd_api: httpx.AsyncClient) -> None:
    body = json.dumps({"files": [{"origin": "\ud800", "text": "kind: \ud800"}]})
    answer = await odd_api.post("/v1/validate", content=body, headers={"Content-Type": "application/json"})
    assert code_of(answer) == "invalid"
    odd_document = json.dumps({"kind": "\ud800", "\udfff": "\x00"})
    answer = await odd_api.put("/v1/definitions/x", content=odd_document, headers={"Content-Type": "application/json"})
    assert code_of(answer) == "invalid"
    assert code_of(await odd_api.get("/v1/definitions/a%00b")) == "invalid"


async def test_an_odd_request_id_is_replaced(odd_api: httpx.AsyncClient) -> None:
    for odd_id in ("a b", "x" * 200, "<script>"):
        answer = await odd_api.get("/v1/me", headers={"X-Request-Id": odd_id})
        assert len(answer.headers["x-request-id"]) == 32


async def test_requests_are_counted_by_route_and_status(odd_api: httpx.AsyncClient) -> None:
    from prometheus_client import REGISTRY  # noqa: PLC0415

    def counted(route: str, status: str) -> float:
        labels = {"method": "GET", "route": route, "status": status}
        return REGISTRY.get_sample_value("taskfactory_admin_requests_total", labels) or 0

    before = counted("/v1/definitions/{name}", "404"), counted("unknown", "404"), counted("/v1/odd/broken", "500")
    for path in ("/v1/definitions/not-there-1", "/v1/definitions/not-there-2", "/v1/nowhere", "/v1/odd/broken"):
        await odd_api.get(path)
    after = counted("/v1/definitions/{name}", "404"), counted("unknown", "404"), counted("/v1/odd/broken", "500")
    assert [new - old for old, new in zip(before, after, strict=True)] == [2, 1, 1]


async def test_a_misspelt_parameter_or_field_is_not_passed_over(odd_api: httpx.AsyncClient) -> None:
    query = await odd_api.get("/v1/definitions", params={"name_prefx": "a"})
    assert (code_of(query), query.json()["errors"][0]["path"]) == ("invalid", "query.name_prefx")
    assert "did you mean 'name_prefix'?" in query.json()["errors"][0]["message"]
    none_known = await odd_api.get("/v1/me", params={"verbose": "1"})
    assert (code_of(none_known), none_known.json()["errors"][0]["path"]) == ("invalid", "query.verbose")
    body = await odd_api.post("/v1/apply", json={"files": [{"origin": "a", "text": "b"}], "dryrun": True})
    assert (code_of(body), body.json()["errors"][0]["path"]) == ("invalid", "body.dryrun")


async def test_a_redrive_that_would_never_end_is_refused(api: httpx.AsyncClient) -> None:
    body = {"selection": {"reason": "undecodable"}, "reason": "slowly", "rate": 1e-9}
    answer = await api.post("/v1/dead-letters/redrive", json=body)
    assert (answer.status_code, [error["path"] for error in answer.json()["errors"]]) == (422, ["body.rate"])
