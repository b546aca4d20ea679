"""The API that a command brings along."""

import httpx


async def test_the_caller_is_the_login_with_every_role(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/me")
    assert answer.json() == {
        "actor": "local:tester",
        "roles": ["assignee", "author", "operator", "viewer"],
        "expires_at": None,
    }


async def test_an_unknown_path_is_a_problem_like_any_other(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/nothing", headers={"X-Request-Id": "mine"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "mine"
    assert answer.json() | {"detail": ""} == {
        "type": "urn:taskfactory:problem:not-found",
        "title": "There is no such thing",
        "status": 404,
        "detail": "",
        "instance": "/v1/nothing",
        "request_id": "mine",
    }


async def test_a_method_that_a_path_does_not_know_says_which_it_knows(api: httpx.AsyncClient) -> None:
    answer = await api.delete("/v1/me")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


async def test_what_is_wrong_with_a_query_is_named(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/audit-trail", params={"limit": 0, "cursor": "?"})
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == ["query.limit"]


async def test_a_foreign_cursor_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/audit-trail", params={"cursor": "eyJ9"})
    assert [error["path"] for error in answer.json()["errors"]] == ["query.cursor"]
