"""A topic's books balance over everything that can become of a record, and don't once anything is taken or added."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import psycopg
import pytest
from confluent_kafka import Producer

from taskfactory.registry import DefinitionStore, open_engine
from tests.conftest import RunningStack
from tests.e2e.platform import Platform, as_json, event, eventually

DEFINITION = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: {name}
{fields}
trigger: {{type: event, {trigger} match: {{type: [test.order]}}}}
tasks:
  - {{name: note, type: activity, handler: note, queue: "{{queue}}", params: {{number: "${{event.data.number}}"}}}}
"""


def definition(name: str, fields: str = "", trigger: str = "") -> str:
    return DEFINITION.format(name=name, fields=fields, trigger=trigger)


FIRST = "---".join(
    [
        definition("orders"),
        definition("subjects", "dedupe: {key: subject}"),
        definition("hourly", "dedupe: {key: subject, window: 1h}"),
        definition("broken", trigger="when: event.data.missing > 1,"),
        definition("large", trigger="when: event.data.number >= 5,"),
        definition("changing", trigger="when: event.data.number < 100,"),
    ]
)
RUN_COLUMNS = (
    "activity_id, activity_name, version, generation, owner, state, error, dedupe_strategy, dedupe_key, trigger, "
    "event_attributes, event_digest, event_source, event_id, event_type, outcomes, task_count, task_counts, "
    "started_at, ended_at"
)


@pytest.fixture(scope="module")
def audited(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """22 records under four revisions, one of them decided twice: before and after a crash, under different ones."""
    platform = Platform(stack, tmp_path_factory.mktemp("audited"), partitions=2)
    try:
        _live(platform)
        yield platform
    finally:
        platform.close()


def _live(platform: Platform) -> None:
    platform.apply(FIRST)
    platform.start("orchestrator")
    platform.worker()
    # The first record's first run is started, then ingress dies before it commits anything.
    platform.send([event(1, subject="s-1", partitionkey="same")])
    dying = platform.start("ingress", env={"TASKFACTORY_FAILPOINTS": "ingress.after_start"}, ready=False)
    eventually(lambda: dying.process.poll() is not None, "ingress dies between a start and its commit")
    platform.apply(definition("changing", trigger="when: event.data.number > 100,"))
    platform.start("ingress")
    platform.send([event(n, subject=f"s-{n % 3}", partitionkey="same") for n in range(2, 10)])
    platform.send([event(3, subject="s-0", partitionkey="same"), event("r", kind="test.refund", partitionkey="same")])
    _produce_garbage(platform)
    _settled(platform)
    engine = open_engine(platform.database_url)
    DefinitionStore(engine).pause(["large"], "tests", None)
    engine.dispose()
    platform.apply(definition("late"))
    revision = platform.scalar("SELECT revision FROM definitions_revision")
    # A record is decided by what was in force when it was delivered: wait until that is the newest revision.
    eventually(lambda: platform.services[-1].metric("taskfactory_ingress_definitions_revision") >= revision, "reloaded")
    platform.send([event(n, subject=f"s-{n % 3}", partitionkey="same") for n in range(20, 30)])
    _settled(platform)


def _produce_garbage(platform: Platform) -> None:
    producer = Producer({"bootstrap.servers": platform.stack.endpoints.kafka_bootstrap_servers})
    producer.produce(platform.topic, b"\xff no event", partition=0)
    assert producer.flush(20) == 0


def _settled(platform: Platform) -> None:
    eventually(lambda: platform.committed() == platform.end_offsets(), "every record is committed")
    eventually(lambda: platform.scalar("SELECT count(*) FROM activity_runs") > 0, "there are runs")
    eventually(lambda: _audit(platform)["verdict"] != "in_flight", "nothing is in flight")


def _audit(platform: Platform, *options: str) -> Any:
    found = as_json(
        platform.run("audit", "-t", platform.topic, "--from", "earliest", "-o", "json", *options, check=False)
    )
    if any(row["in_flight"] for row in found["definitions"]):
        return {**found, "verdict": "in_flight"}
    return found


def _of(found: Any, name: str) -> dict[str, int]:
    """The counts of a definition over all partitions, without those that are 0."""
    rows = [row for row in found["definitions"] if row["definition"] == name]
    totals = {key: sum(row[key] for row in rows) for key in rows[0] if isinstance(rows[0][key], int)}
    # Everything here happens within minutes of a crash, so whatever the revisions differ about may be ambiguous.
    return {key: count for key, count in totals.items() if count and key not in {"partition", "ambiguous"}}


def test_the_books_balance_and_every_definition_adds_up(audited: Platform) -> None:
    done = audited.run("audit", "-t", audited.topic, "--from", "earliest")
    assert "BALANCED: 22 records, all accounted for" in done.stdout
    found = _audit(audited)
    assert found["verdict"] == "balanced"
    assert _of(found, "orders") == {
        "records": 22,
        "started": 19,
        "already_started": 1,
        "filtered": 1,
        "dead_lettered": 1,
    }
    assert _of(found, "subjects") == {
        "records": 22,
        "started": 3,
        "already_started": 17,
        "filtered": 1,
        "dead_lettered": 1,
    }
    assert _of(found, "broken") == {"records": 22, "dead_lettered": 21, "filtered": 1}
    assert _of(found, "large") == {"records": 22, "started": 5, "paused": 10, "filtered": 6, "dead_lettered": 1}
    late = _of(found, "late")
    assert (late["started"], late["not_in_force"]) == (10, 12)
    hourly = _of(found, "hourly")
    assert (hourly["started"], hourly["already_started"]) == (3, 17)


def test_a_record_that_was_decided_under_two_revisions_is_ambiguous(audited: Platform) -> None:
    rows = [row for row in _audit(audited)["definitions"] if row["definition"] == "changing"]
    assert sum(row["ambiguous"] for row in rows) >= 1
    assert sum(row["started"] + row["filtered"] + row["dead_lettered"] for row in rows) == 22


def test_a_run_whose_row_is_gone_is_missed(audited: Platform) -> None:
    run_id = audited.scalar("SELECT run_id FROM activity_runs WHERE activity_name = 'late' LIMIT 1")
    with _without(audited, "activity_runs", "run_id = %s", run_id):
        done = audited.run("audit", "-t", audited.topic, "--from", "earliest", check=False)
        assert done.returncode == 1
        assert "DOES NOT ADD UP: 1 discrepancy in 22 records" in done.stdout
        [found] = _audit(audited)["discrepancies"]
    assert (found["trouble"], found["definition"]) == ("run_missing", "late")
    assert run_id in found["expected"]


def test_a_claim_that_is_gone_is_missed(audited: Platform) -> None:
    activity = audited.scalar("SELECT id FROM activity_definitions WHERE name = 'late'")
    digest = audited.scalar("SELECT digest FROM dedupe_ledger WHERE activity_id = %s LIMIT 1", activity)
    with _without(audited, "dedupe_ledger", "activity_id = %s AND digest = %s", activity, digest):
        [found] = _audit(audited)["discrepancies"]
    assert (found["trouble"], found["definition"]) == ("claim_missing", "late")


def test_a_run_that_is_gone_altogether_is_lost(audited: Platform) -> None:
    run_id, digest, activity = audited.query(
        "SELECT run_id, event_digest, activity_id FROM activity_runs WHERE activity_name = 'late' LIMIT 1"
    )[0]
    with (
        _without(audited, "activity_runs", "run_id = %s", run_id),
        _without(audited, "dedupe_ledger", "activity_id = %s AND digest = %s", activity, digest),
    ):
        [found] = _audit(audited)["discrepancies"]
    assert found["trouble"] == "run_lost"


def test_a_run_that_no_record_explains_is_found(audited: Platform) -> None:
    made_up = f"INSERT INTO activity_runs (run_id, {RUN_COLUMNS}) SELECT 'made-up', {RUN_COLUMNS} FROM activity_runs"
    _execute(audited, f"{made_up} WHERE activity_name = 'late' LIMIT 1")
    try:
        [found] = _audit(audited)["discrepancies"]
        assert (found["trouble"], "made-up" in found["found"]) == ("run_unexplained", True)
        elsewhere = orjson.dumps({"topic": audited.topic, "partition": 0, "offset": 0}).decode()
        _execute(audited, f"UPDATE activity_runs SET trigger = '{elsewhere}' WHERE run_id = 'made-up'")
        [found] = _audit(audited)["discrepancies"]
        assert found["trouble"] == "run_unexplained"
    finally:
        _execute(audited, "DELETE FROM activity_runs WHERE run_id = 'made-up'")


def test_a_run_of_an_earlier_topic_of_the_name_is_counted_and_accuses_nobody(audited: Platform) -> None:
    columns = RUN_COLUMNS.replace("event_id", "'old'").replace("started_at", "started_at - interval '1 hour'")
    made_up = f"INSERT INTO activity_runs (run_id, {RUN_COLUMNS}) SELECT 'made-up', {columns} FROM activity_runs"
    _execute(audited, f"{made_up} WHERE activity_name = 'late' LIMIT 1")
    try:
        done = audited.run("audit", "-t", audited.topic, "--from", "earliest")
        found = _audit(audited)
    finally:
        _execute(audited, "DELETE FROM activity_runs WHERE run_id = 'made-up'")
    assert "earlier topic: 1 runs and dead letters name these offsets" in done.stdout
    assert (found["verdict"], found["of_earlier_topic"]) == ("balanced", 1)
    assert _audit(audited)["of_earlier_topic"] == 0


def test_dead_letters_that_are_not_on_their_topic_are_missed(audited: Platform, stack: RunningStack) -> None:
    env, audited.env = audited.env, {**audited.env, "TASKFACTORY_DLQ_TOPIC": stack.topic("empty")}
    try:
        found = _audit(audited)
    finally:
        audited.env = env
    troubles = [(item["trouble"], item["definition"]) for item in found["discrepancies"]]
    assert sorted(set(troubles)) == [("letter_missing", "(every definition)"), ("letter_missing", "broken")]
    assert len(troubles) == 21


def test_records_of_another_group_have_no_activation_log(audited: Platform) -> None:
    done = audited.run("audit", "-t", audited.topic, "--from", "earliest", "--group", "nobody", check=False)
    assert done.returncode == 3
    assert "no activation log" in done.stdout
    assert "NOT PROVEN" in done.stdout


def test_one_definition_can_be_audited_alone(audited: Platform) -> None:
    found = _audit(audited, "--definition", "orders")
    assert found["verdict"] == "balanced"
    assert {row["definition"] for row in found["definitions"]} == {"orders"}
    done = audited.run("audit", "-t", audited.topic, "--from", "earliest", "-D", "nobody", check=False)
    assert (done.returncode, "no definition named 'nobody'" in done.stderr) == (1, True)


def test_bad_positions_and_topics_are_told_in_a_sentence(audited: Platform) -> None:
    done = audited.run("audit", "-t", audited.topic, "--from", "yesterday", check=False)
    assert (done.returncode, "allowed are earliest" in done.stderr) == (2, True)
    done = audited.run("audit", "-t", "no-such-topic", "--from", "earliest", check=False)
    assert (done.returncode, "There is no topic 'no-such-topic' at " in done.stderr) == (1, True)


def test_explain_says_of_a_record_what_became_of_it(audited: Platform) -> None:
    partition, offset = audited.query(
        "SELECT trigger ->> 'partition', trigger ->> 'offset' FROM activity_runs WHERE activity_name = 'late' LIMIT 1"
    )[0]
    place = ["-t", audited.topic, "--partition", partition, "--offset", offset]
    told = {item["name"]: item for item in as_json(audited.run("explain", *place, "-o", "json"))["definitions"]}
    answers = {name: item["answer"] for name, item in told.items()}
    assert answers == {
        "orders": "started",
        "late": "started",
        "subjects": "duplicate",
        "hourly": "duplicate",
        "broken": "dead_lettered",
        "large": "paused",
        "changing": "filtered",
    }
    assert told["subjects"]["held_by"] in told["subjects"]["sentence"]
    assert told["broken"]["letter"] == f"{audited.topic}/{partition}/{offset}/{_id(audited, 'broken')}"
    table = audited.run("explain", *place).stdout
    assert "`when` gave false: event.data.number > 100" in table


def test_explain_says_which_offsets_there_are(audited: Platform) -> None:
    [(partition, end)] = [(number, end) for number, end in audited.end_offsets().items() if end > 2]
    place = ["-t", audited.topic, "--partition", str(partition), "--offset"]
    done = audited.run("explain", *place, str(end), check=False)
    assert (done.returncode, f"offsets 0 to {end - 1} exist" in done.stderr) == (1, True)


def test_explain_says_of_a_record_without_an_event_what_ingress_does(audited: Platform) -> None:
    [(number, end)] = [(number, end) for number, end in audited.end_offsets().items() if number == 0]
    told = [
        audited.run("explain", "-t", audited.topic, "--partition", str(number), "--offset", str(at)).stdout
        for at in range(end)
    ]
    [garbage] = [text for text in told if "holds no event" in text]
    assert "not_an_envelope" in garbage


def test_an_event_in_a_file_is_explained_to_drafts_without_a_registry(audited: Platform) -> None:
    file = audited.folder / "draft.yaml"
    file.write_text(definition("draft", trigger="when: event.data.number > 5,").replace("{queue}", "q"))
    event_file = audited.folder / "event.json"
    given = {"specversion": "1.0", "id": "1", "source": "/x", "type": "test.order", "data": {"number": 3}}
    event_file.write_bytes(orjson.dumps(given))
    env, audited.env = audited.env, {**audited.env, "TASKFACTORY_DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    try:
        done = audited.run("explain", "--event", str(event_file), "-f", str(file))
    finally:
        audited.env = env
    assert "`when` gave false: event.data.number > 5" in done.stdout


def test_a_backtest_tells_what_a_change_adds_and_removes_and_leaves_no_trace(audited: Platform) -> None:
    before = _traces(audited)
    file = audited.folder / "late.yaml"
    draft = (
        definition("late", trigger="when: event.data.number < 25,")
        + "---"
        + definition("new", "dedupe: {key: subject}")
    )
    file.write_text(draft.replace("{queue}", audited.queue))
    found = as_json(audited.run("backtest", "-f", str(file), "-t", audited.topic, "--since", "earliest", "-o", "json"))
    assert (found["records"], found["evaluated"]) == (22, 21)
    late, new = found["definitions"]
    assert (late["active_version"], late["draft"]["matched"], late["active"]["matched"]) == (1, 15, 20)
    assert (late["added"]["count"], late["removed"]["count"]) == (0, 5)
    assert (new["active"], new["draft"]["runs"], new["draft"]["would_dedupe"]) == (None, 3, 17)
    assert new["draft"]["peak"]["tasks"] == 3
    text = audited.run("backtest", "-f", str(file), "-t", audited.topic, "--since", "earliest").stdout
    assert "late: beside version 1, in force" in text
    assert "new: nothing of this name is in force" in text
    assert _traces(audited) == before


def _traces(platform: Platform) -> Any:
    return (
        platform.end_offsets(),
        platform.committed(),
        len(platform.records(platform.dlq_topic)),
        platform.query("SELECT count(*) FROM activity_runs"),
        platform.query("SELECT count(*) FROM dedupe_ledger"),
        platform.query("SELECT count(*) FROM ingress_revisions"),
        platform.query("SELECT revision FROM definitions_revision"),
    )


def _id(platform: Platform, name: str) -> str:
    return str(platform.scalar("SELECT id FROM activity_definitions WHERE name = %s", name))


def _execute(platform: Platform, sql: str) -> None:
    with psycopg.connect(platform.database_url) as connection:
        connection.execute(sql)  # type: ignore[arg-type,unused-ignore]


@contextmanager
def _without(platform: Platform, table: str, where: str, *parameters: Any) -> Iterator[None]:
    """The table without these rows, for as long as the block runs."""
    kept = platform.query(f"SELECT row_to_json(t) FROM {table} t WHERE {where}", *parameters)
    assert kept
    with psycopg.connect(platform.database_url) as connection:
        connection.execute(f"DELETE FROM {table} WHERE {where}", parameters)  # type: ignore[arg-type,unused-ignore]
    try:
        yield
    finally:
        with psycopg.connect(platform.database_url) as connection:
            for (row,) in kept:
                connection.execute(
                    f"INSERT INTO {table} SELECT * FROM json_populate_record(NULL::{table}, %s::json)",  # type: ignore[arg-type,unused-ignore]
                    (orjson.dumps(row).decode(),),
                )
