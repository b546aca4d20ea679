"""Migrations, and the monthly partitions of runs, tasks and context."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from sqlalchemy import Engine, text

from taskfactory.definitions import ContextValue, RenderedRun, RunInput
from taskfactory.registry import (
    DefinitionStore,
    RunEnd,
    RunReader,
    RunStore,
    SchemaMismatch,
    drop_expired,
    ensure_partitions,
    migrate,
    open_engine,
    require_schema,
    schema,
)
from tests.registry.samples import definition, one_task, owner, planned_task, run_input

ACTIVITY = "0b7c2f0e-9a34-4b53-8c2e-111111111111"

EARLIER_RELEASE = (
    """
    INSERT INTO activity_definitions (id, name, enabled, trigger_type, trigger_config, context_sources, task_templates,
                                      dedupe_key_strategy, version, created_by, updated_by, paused, reason)
    VALUES (:id, 'orders', true, 'event', '{}', '[]', '[]', 'event_id', 1, 'ann', 'ann', true, 'holiday')
    """,
    """
    INSERT INTO activity_definition_versions (definition_id, version, spec, outcomes, digest, created_by)
    VALUES (:id, 1, CAST(:spec AS json), '{}', :digest, 'ann')
    """,
    """
    INSERT INTO activity_runs (run_id, activity_id, activity_name, version, generation, owner, state, dedupe_strategy,
        dedupe_key, trigger, event_attributes, event_digest, event_source, event_id, event_type, task_count, started_at)
    VALUES (:run, :id, 'orders', 1, 1, gen_random_uuid(), 'running', 'event_id', '/shop e-1',
        '{"source": "/shop", "id": "e-1", "type": "order.placed", "topic": "orders", "partition": 0, "offset": 7}',
        '{}', :digest, '/shop', 'e-1', 'order.placed', 1, now())
    """,
    """
    INSERT INTO tasks (task_id, run_id, position, name, type, handler, queue, params, options, state, started_at,
        scheduled_at)
    VALUES (:run || '/reserve', :run, 0, 'reserve', 'activity', 'reserve_stock', 'warehouse', '{}', '{}', 'scheduled',
        now(), now())
    """,
)
"""What release 0.1 would have written: a definition that is paused, and a run under way."""
TABLES = ("activity_runs", "tasks", "run_context")


def partitions(engine: Engine, table: str) -> list[str]:
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT relid::text FROM pg_partition_tree(:table) WHERE isleaf ORDER BY 1"), {"table": table}
        )
        return [name for (name,) in found]


def rows(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def one_task_with_context(run: RunInput) -> RenderedRun:
    return RenderedRun(one_task(run), [ContextValue(name="a", position=0, type="static", secret=(), value=1)])


def run_started_at(engine: Engine, event_id: str, started_at: datetime, *, end: bool) -> str:
    """A run with one task, as if it had been planned then."""
    store = RunStore(engine)
    run = run_input(event_id, activity_id=ACTIVITY)
    store.plan([run], owner(), one_task_with_context)
    if end:
        store.finish([], [RunEnd(run_id=run.run_id, status="failed")])
    with engine.begin() as connection:
        for table in TABLES:
            connection.execute(
                text(f"UPDATE {table} SET started_at = :at WHERE run_id = :run_id"),
                {"at": started_at, "run_id": run.run_id},
            )
    return run.run_id


def test_migrating_twice_and_at_once_is_safe(fresh_engine: Engine) -> None:
    with pytest.raises(SchemaMismatch, match=r"at nothing, this version needs .* `taskfactory migrate`"):
        require_schema(fresh_engine)
    with ThreadPoolExecutor(3) as threads:
        revisions = set(threads.map(lambda _: migrate(fresh_engine), range(3)))
    assert revisions == {migrate(fresh_engine)}
    require_schema(fresh_engine)


def test_an_older_database_is_noticed(fresh_engine: Engine) -> None:
    expected = migrate(fresh_engine)
    with fresh_engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'older'"))
    with pytest.raises(SchemaMismatch) as caught:
        require_schema(fresh_engine)
    assert (caught.value.found, caught.value.expected) == ("older", expected)


def test_migrating_prepares_the_coming_months(fresh_engine: Engine) -> None:
    migrate(fresh_engine)
    assert ensure_partitions(fresh_engine, datetime.now(UTC)) == []
    RunStore(fresh_engine).plan([run_input(activity_id=ACTIVITY)], owner(), one_task)
    assert (rows(fresh_engine, "activity_runs"), rows(fresh_engine, "activity_runs_default")) == (1, 0)


def test_months_are_made_ahead_across_the_turn_of_the_year(fresh_engine: Engine) -> None:
    migrate(fresh_engine)
    made = ensure_partitions(fresh_engine, datetime(2031, 11, 30, 23, 59, tzinfo=UTC))
    months = ("y2031m11", "y2031m12", "y2032m01")
    assert made == [f"{table}_{month}" for month in months for table in TABLES]


def test_rows_without_a_month_are_moved_into_one(fresh_engine: Engine) -> None:
    migrate(fresh_engine)
    run_id = run_started_at(fresh_engine, "e-1", datetime(2020, 2, 29, 12, tzinfo=UTC), end=False)
    assert [rows(fresh_engine, f"{table}_default") for table in TABLES] == [1, 1, 1]
    assert ensure_partitions(fresh_engine, datetime.now(UTC)) == [f"{table}_y2020m02" for table in TABLES]
    assert [rows(fresh_engine, f"{table}_default") for table in TABLES] == [0, 0, 0]
    store = RunStore(fresh_engine)
    assert [run.run_id for run in store.list_runs()] == [run_id]
    assert store.tasks_page(run_id, 0).tasks[0].task_id == planned_task(run_input(activity_id=ACTIVITY)).task_id


def test_expired_months_go_but_not_with_an_open_run_in_them(fresh_engine: Engine) -> None:
    migrate(fresh_engine)
    ended = run_started_at(fresh_engine, "e-1", datetime(2020, 2, 10, tzinfo=UTC), end=True)
    still_open = run_started_at(fresh_engine, "e-2", datetime(2020, 3, 10, tzinfo=UTC), end=False)
    ensure_partitions(fresh_engine, datetime.now(UTC))
    ledger = rows(fresh_engine, "dedupe_ledger")

    kept_for = timedelta(days=90)
    day_before_expiry = datetime(2020, 3, 1, tzinfo=UTC) + kept_for - timedelta(seconds=1)
    assert drop_expired(fresh_engine, kept_for, day_before_expiry) == []
    assert drop_expired(fresh_engine, kept_for, datetime.now(UTC)) == [f"{table}_y2020m02" for table in TABLES]

    store = RunStore(fresh_engine)
    assert [run.run_id for run in store.list_runs()] == [still_open]
    assert rows(fresh_engine, "dedupe_ledger") == ledger, "the ledger is kept forever"
    (again,) = store.plan([run_input("e-1", activity_id=ACTIVITY)], owner(), one_task)
    assert (again.run_id, again.state, again.duplicate_of) == (ended, "duplicate", None)
    assert "activity_runs_y2020m03" in partitions(fresh_engine, "activity_runs")


def test_months_that_were_there_before_context_was_kept_get_their_part_of_it(fresh_engine: Engine) -> None:
    config = schema._config()
    with fresh_engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        for table in ("activity_runs", "tasks"):
            bounds = "FOR VALUES FROM ('2020-02-01 00:00:00+00') TO ('2020-03-01 00:00:00+00')"
            connection.execute(text(f"CREATE TABLE {table}_y2020m02 PARTITION OF {table} {bounds}"))
    migrate(fresh_engine)
    assert "run_context_y2020m02" in partitions(fresh_engine, "run_context")
    run_started_at(fresh_engine, "e-1", datetime(2020, 2, 10, tzinfo=UTC), end=True)
    assert rows(fresh_engine, "run_context_y2020m02") == 1
    assert len(drop_expired(fresh_engine, timedelta(days=90), datetime.now(UTC))) == 3


def test_what_an_earlier_release_wrote_is_there_after_migrating(fresh_engine: Engine) -> None:
    config = schema._config()
    spec = definition("orders").model_dump_json()
    values = {"id": ACTIVITY, "spec": spec, "digest": b"\x00" * 16, "run": "run-1"}
    with fresh_engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for statement in EARLIER_RELEASE:
            connection.execute(text(statement), values)
    migrate(fresh_engine)

    definitions = DefinitionStore(fresh_engine)
    (row,) = definitions.list()
    assert (row.name, row.id, row.version, row.state, row.reason) == ("orders", ACTIVITY, 1, "paused", "holiday")
    assert [(line.version, line.created_by) for line in definitions.versions("orders")] == [(1, "ann")]
    run = RunReader(fresh_engine).run("run-1")
    assert run is not None
    assert (run.activity_name, run.state, run.trigger.offset) == ("orders", "running", 7)
    ended = RunStore(fresh_engine).finish([], [RunEnd(run_id="run-1", status="cancelled")])
    assert (ended.tasks[0].status, ended.runs[0].status) == ("cancelled", "cancelled")
    definitions.resume(["orders"], "bob", "back", expected={"orders": row.etag})
    resumed = definitions.get("orders")
    assert (resumed.version, resumed.state) == (1, "enabled")


def test_every_index_of_a_parent_is_on_a_new_month(fresh_engine: Engine) -> None:
    migrate(fresh_engine)
    with fresh_engine.connect() as connection:
        invalid = connection.execute(text("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"))
        assert list(invalid) == []


@pytest.mark.parametrize(
    ("url", "complaint"), [("mysql://u:secret@h/d", "mysql"), ("secret nonsense", "can't be parsed")]
)
def test_a_url_that_is_not_postgresql_is_refused_without_being_shown(url: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        open_engine(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_the_usual_spellings_of_the_scheme_are_accepted(scheme: str) -> None:
    engine = open_engine(f"{scheme}://u:p@h/d")
    assert engine.url.drivername == "postgresql+psycopg"
