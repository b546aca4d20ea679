"""Runs and tasks through the API: found, leafed through, shown."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine

from taskfactory.definitions import ContextValue, RenderedRun, RunInput
from taskfactory.registry import RunEnd, RunStore, TaskEnd
from tests.registry.samples import one_task, owner, planned_task, run_input


@pytest.fixture
def store(engine: Engine) -> RunStore:
    return RunStore(engine)


def planned(store: RunStore, name: str, *event_ids: str) -> list[RunInput]:
    activity_id = str(uuid4())
    runs = [run_input(event_id, activity_id=activity_id, name=name) for event_id in event_ids]
    for run in runs:
        store.plan([run], owner(), one_task)
    return runs


async def leafed(api: httpx.AsyncClient, path: str, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        answer = await api.get(path, params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        params["cursor"] = page["next_cursor"]


async def test_runs_are_leafed_through_newest_first(api: httpx.AsyncClient, store: RunStore) -> None:
    name = f"runs-{uuid4()}"
    runs = planned(store, name, "e-1", "e-2", "e-3")
    found = await leafed(api, "/v1/runs", definition=name, limit=2)
    assert [run["run_id"] for run in found] == [run.run_id for run in reversed(runs)]
    assert found[0] | {"started_at": ""} == {
        "run_id": runs[2].run_id,
        "definition": name,
        "version": 1,
        "generation": 1,
        "state": "running",
        "error": None,
        "dedupe_strategy": "event_id",
        "dedupe_key": "/shop e-3",
        "event_source": "/shop",
        "event_id": "e-3",
        "event_type": "order.placed",
        "task_count": 1,
        "started_at": "",
        "ended_at": None,
    }


@pytest.mark.parametrize(
    "only",
    [
        {"event_id": "{event}"},
        {"event_id": "{event}", "event_source": "/shop"},
        {"dedupe_key": "/shop {event}"},
        {"state": "failed", "since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"},
        {"kind": "event", "state": "failed"},
    ],
)
async def test_each_filter_narrows(api: httpx.AsyncClient, store: RunStore, only: dict[str, str]) -> None:
    name, event = f"runs-{uuid4()}", f"event-{uuid4()}"
    _, wanted = planned(store, name, f"other-{event}", event)
    store.finish([], [RunEnd(run_id=wanted.run_id, status="failed")])
    params = {"definition": name, **{key: value.format(event=event) for key, value in only.items()}}
    assert [run["run_id"] for run in await leafed(api, "/v1/runs", **params)] == [wanted.run_id]


async def test_a_run_is_shown_with_its_record_its_tasks_and_their_results(
    api: httpx.AsyncClient, store: RunStore
) -> None:
    [run] = planned(store, f"runs-{uuid4()}", "e-1")
    task = planned_task(run).task_id
    result = {"odd": "\ud800", "big": 2**80}
    store.finish(
        [TaskEnd.model_construct(run_id=run.run_id, task_id=task, status="completed", attempts=1, result=result)],
        [RunEnd(run_id=run.run_id)],
    )
    shown = (await api.get(f"/v1/runs/{run.run_id}")).json()
    assert (shown["state"], shown["trigger"]["topic"], shown["task_counts"]) == (
        "completed",
        "orders",
        {"completed": 1},
    )
    [listed] = (await api.get(f"/v1/runs/{run.run_id}/tasks")).json()["items"]
    assert (listed["task_id"], listed["state"], listed["attempts"]) == (task, "completed", 1)
    full = (await api.get(f"/v1/tasks/{task}")).json()
    assert (full["params"], full["result"]) == ({"sku": "A-1"}, result)
    assert {**full, "params": None, "result": None} == {**listed, "params": None, "result": None}


async def test_tasks_are_found_by_state(api: httpx.AsyncClient, store: RunStore) -> None:
    name = f"runs-{uuid4()}"
    done, _ = planned(store, name, "e-1", "e-2")
    store.finish([TaskEnd(run_id=done.run_id, task_id=planned_task(done).task_id, status="failed")])
    found = await leafed(api, "/v1/tasks", definition=name, state="failed")
    assert [task["run_id"] for task in found] == [done.run_id]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/runs/activity-never",
        "/v1/runs/activity-never/tasks",
        "/v1/runs/activity-never/lineage",
        "/v1/tasks/activity-never/reserve/0",
    ],
)
async def test_what_is_not_there_is_a_404_that_says_where_to_look(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(path)
    assert answer.status_code == 404
    assert "lists them" in answer.json()["detail"]


async def test_a_lineage_names_outcomes_with_their_topics(api: httpx.AsyncClient, store: RunStore) -> None:
    [run] = planned(store, f"runs-{uuid4()}", "e-1")
    store.finish([], [RunEnd(run_id=run.run_id, status="cancelled")])
    [shown] = (await api.get(f"/v1/runs/{run.run_id}/lineage")).json()["runs"]
    assert shown["outcome"]["id"] == f"{run.run_id}/cancelled"
    assert shown["outcome"]["topic"] == "taskfactory.outcomes"
    assert shown["tasks"][0]["outcome"]["type"] == "io.taskfactory.task.cancelled"


async def test_a_text_that_the_database_refuses_is_bad_input(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/runs", params={"definition": "a\0b"})
    assert answer.status_code == 422


async def test_a_context_is_shown_without_its_secrets(api: httpx.AsyncClient, store: RunStore) -> None:
    run = run_input(f"event-{uuid4()}", activity_id=str(uuid4()))
    value = {"name": "Ada \ud800", "token": "open-sesame"}
    context = ContextValue(name="customer", position=0, type="static", secret=("token",), value=value)
    store.plan([run], owner(), lambda run: RenderedRun(one_task(run), [context]))
    [shown] = (await api.get(f"/v1/runs/{run.run_id}/context")).json()["items"]
    assert shown | {"at": ""} == {
        "name": "customer",
        "type": "static",
        "state": "given",
        "value": {"name": "Ada \ud800", "token": "********"},
        "error": None,
        "at": "",
    }
    assert (await api.get("/v1/runs/activity-never/context")).status_code == 404


@pytest.mark.parametrize("since", ["0", "1764000000", "2026-11-24", "2026-11-24T09:00:00", "soon"])
async def test_a_time_that_is_not_written_out_with_its_zone_is_refused(api: httpx.AsyncClient, since: str) -> None:
    answer = await api.get("/v1/runs", params={"since": since})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "query.since"
