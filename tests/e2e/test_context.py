"""Context from outside on the real stack: fetched once, kept, planned from; and what happens when it is not there."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from taskfactory.registry import RunContextStore, open_engine
from tests.conftest import RunningStack
from tests.e2e.crm_server import CrmServer
from tests.e2e.platform import QUICK_RECONCILER, ROOT, Platform, as_json, event, eventually, ids, temporal

TASKS = """
tasks:
  - name: note
    type: activity
    handler: note
    queue: "{queue}"
    params: PARAMS
"""
HEAD = """
---
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: NAME
trigger: {type: event, match: {type: [NAME]}}
context:
"""
CUSTOMER = '  - {name: customer, type: http, connection: crm, path: "/customers/${event.data.customer}", EXTRA}\n'
QUICK = "retry: {max_attempts: 2, initial_interval: 10ms}"


def crm_says(path: str) -> tuple[int, Any]:
    name = path.rpartition("/")[2]
    answers: dict[str, tuple[int, Any]] = {
        "ada": (200, {"id": 7, "name": "Ada", "token": "t0ken-of-ada"}),
        "slow": (0, None),
        "broken": (503, {}),
    }
    return answers.get(name, (404, {}))


@pytest.fixture
def crm() -> Iterator[CrmServer]:
    server = CrmServer(crm_says)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def make(make_platform: Callable[..., Platform], crm: CrmServer) -> Callable[..., Platform]:
    def make(**settings: str) -> Platform:
        return make_platform(
            TASKFACTORY_CONNECTIONS__CRM__TYPE="http",
            TASKFACTORY_CONNECTIONS__CRM__BASE_URL=f"http://127.0.0.1:{crm.port}",
            TASKFACTORY_CONNECTIONS__CRM__ALLOWED_NETWORKS="127.0.0.1",
            **QUICK_RECONCILER,
            **settings,
        )

    return make


def definition(name: str, *sources: str, params: str = "{}") -> str:
    return HEAD.replace("NAME", name) + "".join(sources) + TASKS.replace("PARAMS", params)


def customer(extra: str = QUICK) -> str:
    return CUSTOMER.replace("EXTRA", extra)


def run_of(platform: Platform, name: str) -> tuple[str, str, dict[str, Any] | None]:
    """Id, state and error of the definition's only run, as soon as there is one."""
    rows = eventually(
        lambda: platform.query("SELECT run_id, state, error FROM activity_runs WHERE activity_name = %s", name),
        f"{name} has a run",
    )
    run_id, state, error = rows[0]
    return str(run_id), str(state), error


def ended(platform: Platform, name: str) -> tuple[str, str, dict[str, Any] | None]:
    eventually(lambda: run_of(platform, name)[1] != "running", f"the run of {name} ends")
    return run_of(platform, name)


def orders_database(stack: RunningStack, role: str) -> str:
    url = stack.database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE orders (customer integer, total numeric)")
        connection.execute("INSERT INTO orders VALUES (7, 10.50), (7, 3), (8, 1)")
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'hunter2'")  # type: ignore[arg-type,unused-ignore]
        connection.execute(f"GRANT SELECT ON orders TO {role}")  # type: ignore[arg-type,unused-ignore]
    parts = urlsplit(url)
    return f"postgresql://{role}:hunter2@{parts.hostname}:{parts.port}{parts.path}"


def install_plugin(folder: Path) -> None:
    """The example plug-in, as an installer would have put it there."""
    info = folder / "example_context_plugin-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: example-context-plugin\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[taskfactory.context_sources]\nscoring = scoring:Scoring\n")
    shutil.copy(ROOT / "examples/context_plugin/scoring.py", folder)


EVERYTHING = definition(
    "everything",
    customer("secret: [token], cache: 1m"),
    '  - {name: greeting, type: static, value: "Dear ${context.customer.name}"}\n',
    """
  - name: orders
    type: sql
    connection: shop
    query: "SELECT count(*) AS n, sum(total) AS total FROM orders WHERE customer = %(customer)s"
    params: {customer: "${context.customer.id}"}
    single: true
  - {name: last, type: runs, limit: 5}
  - {name: score, type: plugin, plugin: scoring, with: {amount: "${context.orders.total}"}}
""",
    params='{text: "${context.greeting}", orders: "${context.orders}", score: "${context.score.score}", '
    'auth: "Bearer ${context.customer.token}", before: "${context.last.map(r, r.tasks[0].result.noted.text)}"}',
)


def test_values_from_every_kind_of_source_reach_the_task_and_its_outcome_and_secrets_are_not_shown(
    make: Callable[..., Platform], crm: CrmServer, stack: RunningStack, tmp_path: Path
) -> None:
    install_plugin(tmp_path / "installed")
    platform = make(
        TASKFACTORY_CONNECTIONS__SHOP__TYPE="sql",
        TASKFACTORY_CONNECTIONS__SHOP__URL="env:SHOP_URL",
        SHOP_URL=orders_database(stack, stack.name("reader").replace("-", "_")),
        PYTHONPATH=str(tmp_path / "installed"),
    )
    platform.apply(EVERYTHING)
    platform.start("run")
    platform.worker()
    platform.send([event(1, kind="everything", data={"customer": "ada"})])
    eventually(lambda: len(ids(platform.outcomes())) == 2, "the first run's outcomes")
    platform.send([event(2, kind="everything", data={"customer": "ada"})])
    eventually(lambda: len(ids(platform.outcomes())) == 4, "the second run's outcomes")
    results = [outcome.data["task"]["result"]["noted"] for outcome in platform.outcomes() if "task" in outcome.data]
    expected = {"text": "Dear Ada", "orders": {"n": 2, "total": "13.50"}, "score": 0, "auth": "Bearer t0ken-of-ada"}
    assert results == [{**expected, "before": []}, {**expected, "before": ["Dear Ada"]}]
    assert crm.asked == ["/customers/ada"], "the second run used the kept answer"

    run_id = platform.scalar("SELECT run_id FROM activity_runs ORDER BY started_at LIMIT 1")
    engine = open_engine(platform.database_url)
    shown = {each.name: each for each in RunContextStore(engine).snapshot(run_id)}
    engine.dispose()
    assert list(shown) == ["customer", "greeting", "orders", "last", "score"]
    assert shown["customer"].value == {"id": 7, "name": "Ada", "token": "********"}
    assert {each.state for each in shown.values()} == {"given"}
    tasks = as_json(platform.run("get", "tasks", "--run", run_id, "-o", "json"))
    assert "t0ken-of-ada" not in str(tasks)
    logged = "".join(service.log.read_text() for service in platform.services)
    assert "t0ken-of-ada" not in logged
    assert "hunter2" not in logged


def test_a_source_that_fails_ends_as_its_definition_says(make: Callable[..., Platform], crm: CrmServer) -> None:
    platform = make()
    names = ("fails", "nulled", "default", "unknown", "rendering")
    platform.apply(
        definition("fails", customer(), "  - {name: never, type: http, connection: crm, path: /never}\n")
        + definition("nulled", customer(f"on_error: null, {QUICK}"), params='{given: "${context.customer}"}')
        + definition("default", customer(f"on_error: default, default: {{name: nobody}}, {QUICK}"),
                     params='{given: "${context.customer.name}"}')
        + definition("unknown", "  - {name: customer, type: http, connection: crmm, path: /}\n")
        + definition("rendering", '  - {name: customer, type: http, connection: crm, path: "/${event.data.none}"}\n')
    )  # fmt: skip
    platform.start("run")
    platform.worker()
    platform.send([event(name, kind=name, data={"customer": "broken"}) for name in names])

    failed = {name: ended(platform, name) for name in names}
    assert {name: state for name, (_, state, _) in failed.items()} == {
        "fails": "failed", "nulled": "completed", "default": "completed", "unknown": "failed", "rendering": "failed",
    }  # fmt: skip
    assert failed["fails"][2] == {
        "type": "Http503",
        "message": "context customer: connection crm: GET was answered with 503",
    }
    assert "unknown connection 'crmm'; did you mean 'crm'?" in (failed["unknown"][2] or {})["message"]
    assert (failed["rendering"][2] or {})["type"] == "cel_error"
    eventually(lambda: len(ids(platform.outcomes())) == 7, "five runs and two tasks")
    given = {
        outcome.data["activity"]["name"]: outcome.data["task"]["result"]["noted"]["given"]
        for outcome in platform.outcomes()
        if "task" in outcome.data
    }
    assert given == {"nulled": None, "default": "nobody"}
    assert crm.asked.count("/customers/broken") == 6, "two attempts each"
    assert "/never" not in crm.asked
    rows = platform.query("SELECT state, error ->> 'type' FROM run_context WHERE name = 'customer' ORDER BY 1, 2")
    assert rows == [("failed", "Http503"), ("failed", "UnknownConnection"), ("failed", "cel_error"),
                    ("fallback", "Http503"), ("fallback", "Http503")]  # fmt: skip


def test_a_source_that_is_away_is_waited_for_and_a_run_that_waits_can_be_cancelled_or_lost(
    make: Callable[..., Platform], crm: CrmServer
) -> None:
    platform = make()
    patient = "retry: {initial_interval: 100ms, max_interval: 500ms}"
    platform.apply(
        definition("waits", customer(patient), params='{name: "${context.customer.name}"}')
        + definition("cancelled", customer("timeout: 50s"))
        + definition("terminated", customer("timeout: 50s"))
    )
    platform.start("run")
    platform.worker()
    slow = {"customer": "slow"}
    platform.send([event(name, kind=name, data=slow) for name in ("cancelled", "terminated")])
    eventually(lambda: crm.asked.count("/customers/slow") == 2, "both wait for an answer")

    async def interfere() -> None:
        client = await temporal(platform)
        await client.get_workflow_handle(run_of(platform, "cancelled")[0]).cancel()
        await client.get_workflow_handle(run_of(platform, "terminated")[0]).terminate(reason="operator's test")

    asyncio.run(interfere())
    assert ended(platform, "cancelled")[1] == "cancelled"
    run_id, state, error = ended(platform, "terminated")
    assert (state, "operator's test" in (error or {})["message"]) == ("failed", True)
    eventually(lambda: f"{run_id}/failed" in ids(platform.outcomes()), "its end is published")

    crm.stop()
    platform.send([event("waits", kind="waits", data={"customer": "ada"})])
    failures = "taskfactory_context_fetches_total"
    eventually(lambda: platform.services[0].metric(failures) >= 3, "it was tried again and again")
    assert run_of(platform, "waits")[1] == "running"
    crm.start()
    assert ended(platform, "waits")[1] == "completed"


@pytest.mark.parametrize("place", ["after_claim", "after_fetch", "after_plan_from_context"])
def test_a_crash_anywhere_between_claim_and_plan_loses_nothing_and_fetches_nothing_twice(
    make: Callable[..., Platform], crm: CrmServer, place: str
) -> None:
    platform = make()
    # An attempt that dies with its process is tried again when its time is over.
    platform.apply(definition("crashes", customer("timeout: 1s"), params='{name: "${context.customer.name}"}'))
    platform.start("ingress")
    platform.worker()
    dying = platform.start("orchestrator", env={"TASKFACTORY_FAILPOINTS": f"orchestrator.{place}"})
    platform.send([event(1, kind="crashes", data={"customer": "ada"})])
    assert dying.process.wait(60) == -9
    assert platform.scalar("SELECT count(*) FROM dedupe_ledger") == 1

    platform.start("orchestrator")
    assert ended(platform, "crashes")[1] == "completed"
    assert len(set(platform.effects())) == 1
    assert crm.asked == ["/customers/ada"]
    eventually(lambda: len(ids(platform.outcomes())) == 2, "task and run outcomes are published")
