"""What operators do about schedules, through the Admin API, on the real stack."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from temporalio.service import RPCError, RPCStatusCode

from taskfactory.admin.local import local_api
from taskfactory.definitions import Tick, nominal_text, schedule_id
from taskfactory.intake.executions import TemporalExecutions
from taskfactory.intake.schedules import TickAuditor, TickTrouble
from taskfactory.registry import Evidence, TickEvidence, open_engine
from tests.conftest import RunningStack
from tests.e2e.platform import Platform, eventually, temporal

HELD = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: held
trigger: {{type: cron, every: [{{interval: {interval}}}], overlap: {overlap}{more}}}
tasks:
  - name: wait
    type: activity
    handler: wait_for_file
    queue: "{{queue}}"
    heartbeat: 5s
    params: {{path: "{path}"}}
"""
NEVER = "8760h"
"""An interval that brings no tick while a test lasts."""
ANY = {"If-Match": "*"}


@pytest.fixture
def platform(stack: RunningStack, tmp_path: Path) -> Iterator[Platform]:
    quick = {"TASKFACTORY_SCHEDULES_INTERVAL": "1", "TASKFACTORY_RECONCILE_INTERVAL": "1"}
    platform = Platform(stack, tmp_path, settings=quick)
    try:
        yield platform
    finally:
        platform.close()
        asyncio.run(delete_schedules(platform))


async def delete_schedules(platform: Platform) -> None:
    client = await temporal(platform)
    for (activity_id,) in platform.query("SELECT id FROM activity_definitions"):
        try:
            await client.get_schedule_handle(schedule_id(str(activity_id))).delete()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise


@pytest.fixture
async def api(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    for name, value in platform.env.items():
        if name.startswith("TASKFACTORY_"):
            monkeypatch.setenv(name, value)
    async with local_api("tester") as client:
        yield client


async def soon(condition: Callable[[], Any], what: str) -> Any:
    """`eventually`, while the event loop goes on."""
    return await asyncio.to_thread(eventually, condition, what)


def delete(platform: Platform, table: str, where: str, *values: Any) -> None:
    """As no part of the product would."""
    with psycopg.connect(platform.database_url) as connection:
        gone = connection.execute(f"DELETE FROM {table} WHERE {where}", values)  # type: ignore[arg-type,unused-ignore]
        assert gone.rowcount > 0


async def answered(request: Awaitable[httpx.Response], status: int = 200) -> Any:
    response = await request
    assert response.status_code == status, response.text
    return response.json()


async def trigger(api: httpx.AsyncClient, key: str, **body: Any) -> dict[str, Any]:
    asked = api.post("/v1/schedules/held/trigger", json={"reason": "test", **body}, headers={"Idempotency-Key": key})
    found: dict[str, Any] = await answered(asked)
    return found


async def backfill(api: httpx.AsyncClient, first: datetime, last: datetime, **body: Any) -> dict[str, int]:
    asked = {"from": first.isoformat(), "to": last.isoformat(), "reason": "test", "rate": 100, **body}
    found: dict[str, int] = (await answered(api.post("/v1/schedules/held/backfill", json=asked)))["counts"]
    return found


async def audit(api: httpx.AsyncClient, first: datetime, last: datetime) -> dict[str, Any]:
    query = {"from": first.isoformat(), "to": last.isoformat()}
    found: dict[str, Any] = await answered(api.get("/v1/schedule-audit", params=query))
    return found


def run_states(platform: Platform) -> list[str]:
    return [row[0] for row in platform.query("SELECT state FROM activity_runs ORDER BY started_at")]


def started(platform: Platform, kind: str = "scheduled") -> list[datetime]:
    sql = "SELECT scheduled_for FROM schedule_ticks WHERE decision = 'started' AND kind = %s ORDER BY 1"
    return [row[0] for row in platform.query(sql, kind)]


@pytest.mark.parametrize(
    ("overlap", "second"),
    [
        ("skip", "skipped"),
        ("buffer_one", "waiting"),
        ("buffer_all", "waiting"),
        ("cancel_other", "started"),
        ("terminate_other", "started"),
        ("allow_all", "started"),
    ],
)
async def test_a_trigger_fires_once_for_each_key_and_minds_open_runs(
    platform: Platform, api: httpx.AsyncClient, tmp_path: Path, overlap: str, second: str
) -> None:
    platform.start("orchestrator")
    platform.worker()
    gate = tmp_path / "gate"
    platform.apply(HELD.format(interval=NEVER, overlap=overlap, more="", path=gate))
    first = await trigger(api, "one")
    assert first["result"] == "started"
    await soon(lambda: run_states(platform) == ["running"], "the run has begun")
    repeated = await trigger(api, "one", reason="test")
    assert repeated == first
    after = await trigger(api, "two")
    assert after["result"] == second or (overlap == "cancel_other" and after["result"] == "waiting")
    if overlap == "skip":
        assert after["reason"] == "overlap"
        beside = await trigger(api, "three", respect_overlap=False)
        assert beside["result"] == "started"
        await soon(lambda: run_states(platform) == ["running", "running"], "one run beside the other")
    gate.touch()
    ended = {"cancel_other": "cancelled", "terminate_other": "failed"}.get(overlap, "completed")
    await soon(lambda: run_states(platform) == [ended, "completed"], "both runs end")
    trail = platform.query(
        "SELECT detail ->> 'result' FROM audit_trail WHERE action = 'trigger' AND name = 'held' ORDER BY number"
    )
    assert [row[0] for row in trail][:2] == ["requested", "started"]


async def test_a_backfill_starts_what_is_missing_one_run_after_the_other_and_nothing_twice(
    platform: Platform, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    platform.start("orchestrator")
    platform.worker()
    gate = tmp_path / "gate"
    gate.touch()
    platform.apply(HELD.format(interval="1h", overlap="skip", more="", path=gate))
    last = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
    first = last - timedelta(hours=4)
    assert await backfill(api, last, last) == {"asked": 1}
    await soon(lambda: started(platform, "backfill") == [last], "one tick ran")
    assert await backfill(api, first, last, dry_run=True) == {"would_ask": 4, "ran": 1}
    assert started(platform, "backfill") == [last], "a dry run does nothing"
    assert await backfill(api, first, last) == {"asked": 4, "ran": 1}
    hours = [first + timedelta(hours=hour) for hour in range(5)]
    await soon(lambda: started(platform, "backfill") == hours, "each missing tick ran, although overlap is skip")
    await soon(lambda: run_states(platform) == ["completed"] * 5, "all runs end")
    assert await backfill(api, first, last) == {"ran": 5}
    overlapping = platform.scalar("""
        SELECT count(*) FROM activity_runs a JOIN activity_runs b
        ON a.run_id < b.run_id AND a.started_at < b.ended_at AND b.started_at < a.ended_at
    """)
    assert overlapping == 0
    kinds = platform.query("SELECT DISTINCT trigger ->> 'time' FROM activity_runs ORDER BY 1")
    assert [row[0] for row in kinds] == [nominal_text(hour) for hour in hours]
    future = datetime.now(UTC) + timedelta(hours=2)
    asked = {"from": first.isoformat(), "to": future.isoformat(), "reason": "test"}
    refused = await api.post("/v1/schedules/held/backfill", json=asked)
    assert (refused.status_code, "in the future" in refused.text) == (422, True)


async def test_the_audit_accounts_for_pauses_backfills_and_what_is_gone(
    platform: Platform, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    platform.start("orchestrator")
    platform.worker()
    gate = tmp_path / "gate"
    gate.touch()
    platform.apply(HELD.format(interval="1s", overlap="allow_all", more="", path=gate))
    await soon(lambda: len(started(platform)) >= 3, "it ticks")
    await answered(api.post("/v1/schedules/held/pause", json={"reason": "flood"}, headers=ANY))
    [(paused_at,)] = platform.query("SELECT at FROM definition_activations WHERE state = 'paused'")
    await soon(lambda: datetime.now(UTC) - paused_at > timedelta(seconds=5), "ticks pass")
    shown = await answered(api.get("/v1/schedules/held"))
    assert (shown["schedule"]["state"], shown["schedule"]["reason"]) == ("paused", "flood")
    await soon(lambda: "running" not in run_states(platform), "all runs end")

    first, last = started(platform)[0], paused_at.replace(microsecond=0) + timedelta(seconds=4)
    report = await audit(api, first - timedelta(seconds=1), last)
    [books] = report["definitions"]
    assert report["alarms"] == 0, report["discrepancies"]
    paused = books["counts"]["paused"]
    assert paused >= 4, "and those before it that were decided about after it"
    assert books["expected"] == (last - first).total_seconds() + 1 == sum(books["counts"].values())

    asked = sum((await backfill(api, last, last)).values())
    assert asked == 1
    await soon(lambda: started(platform, "backfill") == [last], "the tick that was paused is made up for")
    assert (await audit(api, first - timedelta(seconds=1), last))["definitions"][0]["counts"]["paused"] == paused - 1

    lost, kept_run = started(platform)[:2]
    delete(platform, "schedule_ticks", "scheduled_for IN (%s, %s)", lost, kept_run)
    delete(platform, "activity_runs", "event_id = %s", Tick("scheduled", lost).id)
    delete(platform, "dedupe_ledger", "digest = %s", Tick("scheduled", lost).key.digest)
    # Nothing is an alarm that may still be on its way, so the audit is asked as of later.
    later = datetime.now(UTC) + timedelta(minutes=5)
    engine = open_engine(platform.database_url)
    auditor = TickAuditor(TickEvidence(engine), Evidence(engine), TemporalExecutions(await temporal(platform)))
    found = await auditor.audit(first - timedelta(seconds=1), last, later)
    engine.dispose()
    troubles = {each.tick: each.trouble for each in found.discrepancies}
    assert troubles == {
        Tick("scheduled", lost).id: TickTrouble.TICK_MISSING,
        Tick("scheduled", kept_run).id: TickTrouble.DECISION_MISSING,
    }
    assert found.books["held"]["missing"] == 1


async def test_what_comes_next_is_what_temporal_says(
    platform: Platform, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    platform.apply(HELD.format(interval="1h", overlap="skip", more=", jitter: 10m", path=tmp_path))
    drafted = await answered(api.get("/v1/schedules/held/next", params={"count": 3}))
    assert drafted["source"] == "calendar", "the orchestrator has not made the schedule yet"
    orchestrator = platform.start("orchestrator")
    await soon(lambda: orchestrator.entries("schedule_repaired"), "the schedule is made")
    found = await answered(api.get("/v1/schedules/held/next", params={"count": 3}))
    assert found["source"] == "temporal"
    times = [(tick["scheduled_for"], tick["fires_at"]) for tick in found["items"]]
    assert [nominal for nominal, _ in times] == [tick["scheduled_for"] for tick in drafted["items"]]
    late = [datetime.fromisoformat(fires) - datetime.fromisoformat(nominal) for nominal, fires in times]
    assert all(timedelta(0) <= each < timedelta(minutes=10) for each in late)
    assert any(late)
    missing = await api.get("/v1/schedules/unknown/next")
    assert missing.status_code == 404
