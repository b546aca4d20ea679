"""Definitions over the API: one author, and two who don't know of each other."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.admin.samples import document

Name = Callable[[str], str]


@pytest.fixture
def name(stack: Any) -> str:
    found: str = stack.name("definition")
    return found


async def created(api: httpx.AsyncClient, name: str, **changed: Any) -> httpx.Response:
    answer = await api.put(f"/v1/definitions/{name}", json=document(name, **changed))
    assert answer.status_code == 201, answer.text
    return answer


async def test_a_definition_is_created_read_replaced_and_deleted(api: httpx.AsyncClient, name: str) -> None:
    first = await created(api, name)
    assert first.json() == {
        "name": name,
        "action": "created",
        "version": 1,
        "etag": first.headers["etag"].strip('"'),
    }

    read = await api.get(f"/v1/definitions/{name}")
    assert read.headers["etag"] == first.headers["etag"]
    assert (read.json()["state"], read.json()["created_by"]) == ("enabled", "local:tester")
    assert read.json()["document"]["tasks"][0]["handler"] == "order_more"

    replaced = await api.put(
        f"/v1/definitions/{name}",
        json=document(name, description="now with words"),
        headers={"If-Match": read.headers["etag"]},
        params={"reason": "readers asked"},
    )
    assert (replaced.status_code, replaced.json()["version"]) == (200, 2)
    assert (await api.get(f"/v1/definitions/{name}")).json()["reason"] == "readers asked"

    gone = await api.delete(f"/v1/definitions/{name}", headers={"If-Match": replaced.headers["etag"]})
    assert (gone.status_code, gone.content) == (204, b"")
    deleted = await api.get(f"/v1/definitions/{name}")
    assert (deleted.json()["state"], deleted.json()["etag"], "etag" in deleted.headers) == ("deleted", None, False)
    listed = await api.get("/v1/definitions", params={"name_prefix": name})
    assert listed.json()["items"] == []

    back = await api.put(f"/v1/definitions/{name}", json=document(name))
    assert (back.status_code, back.json()["action"], back.json()["version"]) == (201, "revived", 3)


async def test_the_same_document_again_changes_nothing(api: httpx.AsyncClient, name: str) -> None:
    first = await created(api, name)
    again = await api.put(f"/v1/definitions/{name}", json=document(name), headers={"If-Match": first.headers["etag"]})
    assert (again.status_code, again.json()["action"], again.json()["version"]) == (200, "unchanged", 1)
    assert again.headers["etag"] == first.headers["etag"]


async def test_a_change_must_say_which_version_it_is_about(api: httpx.AsyncClient, name: str) -> None:
    await created(api, name)
    path = f"/v1/definitions/{name}"
    answers = [
        await api.put(path, json=document(name, description="other")),
        await api.delete(path),
        await api.post(f"{path}/pause"),
        await api.post(f"{path}/rollback", json={"to_version": 1}),
    ]
    assert [answer.status_code for answer in answers] == [428] * 4
    assert {answer.json()["type"] for answer in answers} == {"urn:taskfactory:problem:precondition-required"}
    whichever = await api.post(f"{path}/pause", headers={"If-Match": "*"})
    assert (whichever.status_code, whichever.json()["state"]) == (200, "paused")


async def test_only_what_is_not_there_is_created_when_asked_so(api: httpx.AsyncClient, name: str) -> None:
    path, only_new = f"/v1/definitions/{name}", {"If-None-Match": "*"}
    assert (await api.put(path, json=document(name), headers=only_new)).status_code == 201
    again = await api.put(path, json=document(name), headers=only_new)
    assert (again.status_code, again.json()["type"]) == (412, "urn:taskfactory:problem:version-conflict")


async def test_of_two_authors_with_one_etag_one_wins_and_the_other_is_told(api: httpx.AsyncClient, name: str) -> None:
    first = await created(api, name)
    answers = await asyncio.gather(
        *(
            api.put(
                f"/v1/definitions/{name}",
                json=document(name, description=f"by {author}"),
                headers={"If-Match": first.headers["etag"]},
            )
            for author in range(8)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    lost = next(answer for answer in answers if answer.status_code == 412)
    assert name in lost.json()["detail"]
    versions = (await api.get(f"/v1/definitions/{name}/versions")).json()["items"]
    assert [version["version"] for version in versions] == [2, 1]


@pytest.mark.parametrize("etag", ['W/"1-1"', "1-1", '"1-1", "2-2"', ""])
async def test_a_condition_that_is_no_strong_tag_is_refused(api: httpx.AsyncClient, name: str, etag: str) -> None:
    answer = await api.delete(f"/v1/definitions/{name}", headers={"If-Match": etag})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "header.If-Match")


async def test_everything_wrong_with_a_document_is_named(api: httpx.AsyncClient, name: str) -> None:
    broken = document(
        name, dedupe={"key": "nothing"}, tasks=[{"name": "A b", "type": "activity", "handler": "x", "queue": "y"}]
    )
    answer = await api.put(f"/v1/definitions/{name}", json=broken)
    assert answer.status_code == 422
    assert {error["path"].partition(".")[0] for error in answer.json()["errors"]} == {"dedupe", "tasks[0]"}


async def test_a_document_of_another_name_than_the_path_is_refused(api: httpx.AsyncClient, name: str) -> None:
    answer = await api.put(f"/v1/definitions/{name}", json=document("another"))
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "name")


async def test_states_follow_the_verbs(api: httpx.AsyncClient, name: str) -> None:
    etag = (await created(api, name)).headers["etag"]
    seen = []
    for verb in ("pause", "resume", "disable", "enable"):
        answer = await api.post(f"/v1/definitions/{name}/{verb}", json={"reason": verb}, headers={"If-Match": etag})
        etag = answer.headers["etag"]
        seen.append((answer.json()["state"], answer.json()["version"], answer.json()["reason"]))
    assert seen == [
        ("paused", 1, "pause"),
        ("enabled", 1, "resume"),
        ("disabled", 2, "disable"),
        ("enabled", 3, "enable"),
    ]


async def test_a_rollback_is_a_new_version_with_an_old_document(api: httpx.AsyncClient, name: str) -> None:
    await created(api, name)
    path, whichever = f"/v1/definitions/{name}", {"If-Match": "*"}
    await api.put(path, json=document(name, description="worse"), headers=whichever)
    back = await api.post(f"{path}/rollback", json={"to_version": 1}, headers=whichever)
    assert (back.json()["version"], back.json()["description"]) == (3, None)
    same = await api.get(f"{path}/diff", params={"from": 1, "to": 3})
    assert same.json() == {"from": 1, "to": 3, "changes": []}
    latest = await api.get(f"{path}/diff")
    assert latest.json() == {
        "from": 2,
        "to": 3,
        "changes": [{"path": "description", "kind": "removed", "before": "worse", "after": None}],
    }
    unknown = await api.post(f"{path}/rollback", json={"to_version": 9}, headers=whichever)
    assert (unknown.status_code, "1 to 3" in unknown.json()["detail"]) == (404, True)


async def test_a_shadow_version_stands_beside_and_is_promoted_or_dropped(api: httpx.AsyncClient, name: str) -> None:
    await created(api, name)
    path, whichever = f"/v1/definitions/{name}", {"If-Match": "*"}
    shadow = await api.put(path, json=document(name, description="better?"), headers=whichever, params={"shadow": True})
    assert (shadow.status_code, shadow.json()["action"], shadow.json()["version"]) == (200, "shadowed", 2)
    beside = (await api.get(path)).json()
    assert (beside["version"], beside["shadow_version"], beside["document"].get("description")) == (1, 2, None)
    assert (await api.get(f"{path}/diff")).json()["from"] == 1
    versions = (await api.get(f"{path}/versions")).json()["items"]
    assert [(one["version"], one["active"], one["shadow"]) for one in versions] == [(2, False, True), (1, True, False)]

    promoted = await api.post(f"{path}/promote", headers=whichever)
    assert (promoted.json()["version"], promoted.json()["shadow_version"]) == (2, None)
    none_left = await api.post(f"{path}/drop-shadow", headers=whichever)
    assert (none_left.status_code, none_left.json()["type"]) == (409, "urn:taskfactory:problem:conflict")


async def test_what_is_not_there_is_not_found(api: httpx.AsyncClient, name: str) -> None:
    for path in ("", "/versions", "/versions/1", "/diff"):
        assert (await api.get(f"/v1/definitions/{name}{path}")).status_code == 404
    assert (await api.post(f"/v1/definitions/{name}/enable", headers={"If-Match": "*"})).status_code in {404, 412}


async def test_pages_hold_every_definition_once_while_others_are_created(api: httpx.AsyncClient, name: str) -> None:
    for number in (1, 3, 5, 7):
        await created(api, f"{name}-{number}")
    found: list[str] = []
    cursor: str | None = None
    while True:
        asked = {"name_prefix": name, "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/v1/definitions", params=asked)).json()
        found += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await created(api, f"{name}-0{len(found)}")  # before the cursor: on none of the pages that follow
    assert found == [f"{name}-{number}" for number in (1, 3, 5, 7)]


async def test_every_change_is_in_the_audit_trail_with_its_request(api: httpx.AsyncClient, name: str) -> None:
    answer = await api.put(
        f"/v1/definitions/{name}",
        json=document(name),
        params={"reason": "the first"},
        headers={"X-Request-Id": "request-1"},
    )
    assert answer.status_code == 201
    await api.post(f"/v1/definitions/{name}/pause", json={"reason": "night"}, headers={"If-Match": "*"})
    lines = (await api.get("/v1/audit-trail", params={"resource": "definition", "name": name})).json()["items"]
    told = [(line["actor"], line["action"], line["reason"]) for line in lines]
    assert told == [("local:tester", "pause", "night"), ("local:tester", "create", "the first")]
    assert lines[1]["request_id"] == "request-1"


async def test_a_shadow_version_is_compared_with_the_active_one(api: httpx.AsyncClient, name: str) -> None:
    await created(api, name)
    await api.put(
        f"/v1/definitions/{name}",
        json=document(name, description="better?"),
        headers={"If-Match": "*"},
        params={"shadow": True},
    )
    report = (await api.get(f"/v1/definitions/{name}/shadow", params={"since": "2026-01-01T00:00:00Z"})).json()
    assert (report["name"], report["both"], report["only_shadow"], report["examples"]) == (name, 0, 0, [])
    assert (await api.get(f"/v1/definitions/{name}-2/shadow")).status_code == 404
