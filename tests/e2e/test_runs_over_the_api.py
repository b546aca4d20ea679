"""Operators' work over the Admin API, on everything real: lineages, cancels, reruns, dead letters."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from temporalio.api.enums.v1 import EventType

from taskfactory.admin.local import local_api
from tests.e2e.platform import Platform, event, eventually, temporal
from tests.e2e.test_dead_letters import GARBAGE, SOUND, STRICT, body, produce

CHAIN = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: first
trigger: {type: event, match: {type: [test.order]}}
tasks:
  - {name: note, type: activity, handler: note, queue: "{queue}", params: {number: "${event.data.number}"}}
---
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: second
trigger: {type: event, match: {type: [io.taskfactory.task.completed], source: [/taskfactory/first]}}
tasks:
  - {name: note, type: activity, handler: note, queue: "{queue}"}
---
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: third
trigger: {type: event, match: {type: [io.taskfactory.run.completed], source: [/taskfactory/second]}}
tasks:
  - {name: note, type: activity, handler: note, queue: "{queue}"}
"""
HELD = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: held
trigger: {type: event, match: {type: [test.order]}}
tasks:
  - {name: held, type: workflow, workflow: wait-for-signal, queue: "{queue}"}
"""
QUICK = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: quick
trigger: {type: event, match: {type: [test.order]}}
tasks:
  - {name: note, type: activity, handler: note, queue: "{queue}"}
"""


@pytest.fixture
async def api(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    for name, value in platform.env.items():
        if name.startswith("TASKFACTORY_"):
            monkeypatch.setenv(name, value)
    async with local_api("tester") as client:
        yield client


async def got(api: httpx.AsyncClient, path: str, **params: Any) -> Any:
    answer = await api.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def posted(api: httpx.AsyncClient, path: str, status: int, body: Any) -> Any:
    answer = await api.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def trail(api: httpx.AsyncClient, **only: str) -> list[tuple[str, str, str | None, Any]]:
    """Action, name, reason and result, the oldest first."""
    lines = (await got(api, "/v1/audit-trail", **only))["items"]
    return [(line["action"], line["name"], line["reason"], line["detail"].get("result")) for line in reversed(lines)]


def states(platform: Platform) -> dict[str, str]:
    """Of runs, by id."""
    return dict(platform.query("SELECT run_id, state FROM activity_runs"))


def wait_for_runs(platform: Platform, count: int) -> None:
    eventually(lambda: len(states(platform)) == count, f"{count} runs")


def one_run(platform: Platform, name: str, state: str) -> str:
    query = "SELECT run_id FROM activity_runs WHERE activity_name = %s AND state = %s"
    found: str = eventually(lambda: platform.query(query, name, state), f"{name} is {state}")[0][0]
    return found


async def test_a_lineage_goes_from_an_event_over_outcomes_that_come_back_to_ingress(
    platform: Platform, api: httpx.AsyncClient
) -> None:
    platform.env["TASKFACTORY_KAFKA_TOPICS"] = f"{platform.topic},{platform.outcomes_topic}"
    platform.apply(CHAIN)
    platform.start("orchestrator")
    platform.start("ingress")
    platform.worker()
    platform.send([event(1)])
    third = one_run(platform, "third", "completed")
    first, second = one_run(platform, "first", "completed"), one_run(platform, "second", "completed")

    lineage = await got(api, f"/v1/runs/{second}/lineage")
    assert [(run["run_id"], run["distance"]) for run in lineage["runs"]] == [(first, -1), (second, 0), (third, 1)]
    assert (lineage["complete"], lineage["gone"]) == (True, [])
    before, middle, after = lineage["runs"]
    assert before["tasks"][0]["outcome"]["starts"] == [second]
    assert before["tasks"][0]["outcome"]["topic"] == platform.outcomes_topic
    assert (middle["event"]["topic"], middle["chain"]) == (platform.outcomes_topic, ["first"])
    assert middle["caused_by"]["task_id"] == before["tasks"][0]["task_id"]
    assert middle["outcome"]["starts"] == [third]
    assert after["chain"] == ["first", "second"]
    published = {outcome.id for outcome in platform.outcomes()}
    told = [run["outcome"]["id"] for run in lineage["runs"]]
    told += [task["outcome"]["id"] for run in lineage["runs"] for task in run["tasks"]]
    assert set(told) == published

    of_event = await got(api, "/v1/lineage", event_source="/tests", event_id="event-1")
    assert [run["run_id"] for run in of_event["runs"]] == [first, second, third]
    place = before["event"]
    of_record = await got(
        api, "/v1/lineage", topic=place["topic"], partition=place["partition"], offset=place["offset"]
    )
    assert of_record == of_event

    explained = await posted(api, "/v1/explain", 200, {name: place[name] for name in ("topic", "partition", "offset")})
    assert {item["name"]: item["answer"] for item in explained["definitions"]}["first"] == "started"


async def test_a_cancel_lands_and_a_rerun_repeats_any_run_that_has_ended(
    platform: Platform, api: httpx.AsyncClient
) -> None:
    platform.apply(HELD + "---" + QUICK)
    platform.start("orchestrator")
    platform.start("ingress")
    platform.start("worker", "--module", "tests.e2e.handlers", "--queue", platform.queue)
    platform.send([event(1)])
    held, quick = one_run(platform, "held", "running"), one_run(platform, "quick", "completed")

    early = await api.post(f"/v1/runs/{held}/rerun", json={"reason": "too early"})
    assert (early.status_code, "still running" in early.json()["detail"]) == (409, True)
    asked = await posted(api, f"/v1/runs/{held}/cancel", 202, {"reason": "the order was withdrawn"})
    assert asked == {"run_id": held, "state": "cancelling"}
    eventually(lambda: states(platform)[held] == "cancelled", "the run is cancelled")
    [task] = (await got(api, f"/v1/runs/{held}/tasks"))["items"]
    assert task["state"] == "cancelled"
    assert await trail(api, resource="run", name=held, action="cancel") == [
        ("cancel", held, "the order was withdrawn", "requested"),
        ("cancel", held, "the order was withdrawn", "accepted"),
    ]
    late = await api.post(f"/v1/runs/{held}/cancel", json={"reason": "again"})
    assert (late.status_code, "cancelled" in late.json()["detail"]) == (409, True)
    assert len(await trail(api, resource="run", name=held, action="cancel")) == 2
    nobody = await api.post("/v1/runs/activity-never/cancel", json={"reason": "?"})
    assert nobody.status_code == 404
    client, foreign = await temporal(platform), platform.stack.name("foreign")
    handle = await client.start_workflow("SomebodyElses", id=foreign, task_queue=platform.queue)
    refused = await api.post(f"/v1/runs/{foreign}/cancel", json={"reason": "it is no run"})
    assert refused.status_code == 404
    assert not [each async for each in handle.fetch_history_events() if "CANCEL" in EventType.Name(each.event_type)]
    await handle.terminate()

    rehearsed = await posted(api, f"/v1/runs/{quick}/rerun", 200, {"reason": "a wish", "dry_run": True})
    assert (rehearsed["run_id"], rehearsed["result"]) == (f"{quick}-g2", "would_start")
    done = await posted(api, f"/v1/runs/{quick}/rerun", 201, {"reason": "the printer is mended"})
    assert done == {"run_id": f"{quick}-g2", "version": 1, "of": quick, "result": "started"}
    eventually(lambda: states(platform).get(f"{quick}-g2") == "completed", "the rerun is completed")
    shown = await got(api, f"/v1/runs/{quick}-g2")
    assert (shown["generation"], shown["rerun_of"]["run_id"]) == (2, quick)
    assert (shown["rerun_of"]["by"], shown["rerun_of"]["reason"]) == ("local:tester", "the printer is mended")
    assert (await got(api, f"/v1/runs/{quick}"))["rerun_as"]["run_id"] == f"{quick}-g2"
    newer = await api.post(f"/v1/runs/{quick}/rerun", json={"reason": "once more"})
    assert (newer.status_code, f"Rerun {quick}-g2 instead" in newer.json()["detail"]) == (409, True)
    assert (await trail(api, resource="run", name=quick))[:2] == [
        ("rerun", quick, "the printer is mended", "requested"),
        ("rerun", quick, "the printer is mended", "started"),
    ]


async def test_pages_stay_right_while_runs_start(platform: Platform, api: httpx.AsyncClient) -> None:
    platform.apply(QUICK)
    platform.start("orchestrator")
    platform.start("ingress")
    platform.worker()
    platform.send([event(number) for number in range(10)])
    wait_for_runs(platform, 10)
    before = set(states(platform))
    found: list[str] = []
    params: dict[str, Any] = {"limit": 3}
    for number in range(10, 14):
        page = await got(api, "/v1/runs", **params)
        found += [run["run_id"] for run in page["items"]]
        platform.send([event(number)])
        wait_for_runs(platform, number + 1)
        params["cursor"] = page["next_cursor"]
    assert params["cursor"] is None
    assert len(found) == len(set(found))
    assert set(found) == before


async def test_dead_letters_are_listed_shown_rehearsed_redriven_and_discarded(
    platform: Platform, api: httpx.AsyncClient
) -> None:
    platform.apply(STRICT + "---" + SOUND)
    platform.start("orchestrator")
    ingress = platform.start("ingress")
    produce(platform, body(1), GARBAGE, body(2), body(3, limit=5))
    eventually(lambda: platform.committed().get(0) == 4, "everything is disposed of")
    assert ingress.is_ready()

    pages = [await got(api, "/v1/dead-letters", limit=2)]
    pages.append(await got(api, "/v1/dead-letters", limit=2, cursor=pages[0]["next_cursor"]))
    letters = [letter for page in pages for letter in page["items"]]
    assert (len(letters), pages[1]["next_cursor"]) == (3, None)
    by_reason = {letter["reason"]: letter for letter in letters}
    strict = [letter for letter in letters if letter["definition"] is not None]
    garbage = next(letter for letter in letters if letter["definition"] is None)
    assert len(by_reason) == 2
    assert {letter["definition"]["name"] for letter in strict} == {"strict"}
    narrowed = await got(api, "/v1/dead-letters", definition="strict", topic=platform.topic, offset=0)
    assert [letter["origin"]["offset"] for letter in narrowed["items"]] == [0]

    shown = await got(api, f"/v1/dead-letters/{garbage['id']}")
    assert shown["record"]["value"]["base64"] is not None
    assert "producer" in shown["what_to_do"]
    missing = await api.get("/v1/dead-letters/nowhere/0/0")
    assert missing.status_code == 404

    platform.apply(STRICT.replace("event.data.limit > 1", "true"))
    redrive = {"selection": {"definition": "strict"}, "reason": "mended"}
    before = states(platform)
    rehearsed = await posted(api, "/v1/dead-letters/redrive", 200, {**redrive, "dry_run": True})
    assert (rehearsed["counts"], rehearsed["remaining"]) == ({"started": 2}, 0)
    assert states(platform) == before
    assert len((await got(api, "/v1/dead-letters", definition="strict"))["items"]) == 2
    assert await trail(api, resource="dead_letter") == []

    one = await posted(api, "/v1/dead-letters/redrive", 200, {**redrive, "limit": 1})
    assert (one["counts"], one["remaining"], one["items"][0]["resolved"]) == ({"started": 1}, 1, True)
    other = await posted(api, "/v1/dead-letters/redrive", 200, redrive)
    assert (other["counts"], other["remaining"]) == ({"started": 1}, 0)
    eventually(lambda: len(states(platform)) == len(before) + 2, "both run")
    first = one["items"][0]["id"]
    assert await trail(api, resource="dead_letter", name=first) == [
        ("redrive", first, "mended", "requested"),
        ("redrive", first, "mended", "started"),
    ]
    again = await api.post("/v1/dead-letters/redrive", json={"selection": {"ids": [first]}, "reason": "again"})
    assert again.status_code == 409

    discard = {"selection": {"ids": [garbage["id"]]}, "reason": "the producer is mended"}
    assert (await posted(api, "/v1/dead-letters/discard", 200, discard))["ids"] == [garbage["id"]]
    assert (await got(api, "/v1/dead-letters"))["items"] == []
    everything = (await got(api, "/v1/dead-letters", resolved=True))["items"]
    [resolution] = [letter["resolution"] for letter in everything if letter["state"] == "discarded"]
    assert (resolution["by"], resolution["reason"]) == ("local:tester", "the producer is mended")
    assert await trail(api, resource="dead_letter", name=garbage["id"]) == [
        ("discard", garbage["id"], "the producer is mended", None)
    ]
    unnarrowed = await api.post("/v1/dead-letters/discard", json={"selection": {}, "reason": "all"})
    assert unnarrowed.status_code == 422
