"""Dead letters have a place: they are found, explained, redriven and discarded; the producers' topic stays as it is."""

import asyncio
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer

from taskfactory.intake import DeadLetter, IntakeSettings, KafkaDeadLetters, Record
from tests.e2e.in_process import call, call_for_json
from tests.e2e.platform import COMMAND, ROOT, Platform, eventually, temporal

DEFINITION = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: {name}
trigger: {{type: event, match: {{type: [test.order]}}, when: "{when}"}}
tasks:
  - {{name: note, type: activity, handler: note, queue: nobody}}
"""
GARBAGE = b"\xff\xfe not an envelope"
STRUCTURED = [("content-type", b"application/cloudevents+json")]
STRICT, SOUND = (
    DEFINITION.format(name="strict", when="event.data.limit > 1"),
    DEFINITION.format(name="sound", when="true"),
)


def body(number: int, **data: Any) -> bytes:
    envelope = {"specversion": "1.0", "id": f"e-{number}", "source": "/tests", "type": "test.order", "data": data}
    return orjson.dumps(envelope)


def produce(platform: Platform, *values: bytes) -> None:
    """Write records to partition 0 of the events topic."""
    producer = Producer({"bootstrap.servers": platform.stack.endpoints.kafka_bootstrap_servers})
    for value in values:
        producer.produce(platform.topic, value, headers=dict[str, str | bytes | None](STRUCTURED), partition=0)
    assert producer.flush(20) == 0


def letters(platform: Platform, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call_for_json(platform, "dlq", "list", *arguments)
    return found


def runs(platform: Platform) -> list[tuple[str, int]]:
    """Name and triggering offset of every run that was planned."""
    rows = platform.query("SELECT activity_name, trigger->>'offset' FROM activity_runs ORDER BY 1, 2")
    return [(name, int(offset)) for name, offset in rows]


def dead_letters_written(platform: Platform) -> int:
    return len(platform.records(platform.dlq_topic))


def everything(platform: Platform) -> list[Any]:
    """What a redrive may change: topics, tables, and executions at Temporal."""

    async def executions() -> int:
        client = await temporal(platform)
        return (await client.count_workflows(f"TaskQueue = '{platform.orchestrator_queue}'")).count

    tables = "dead_letter_resolutions", "activity_runs", "dedupe_ledger"
    rows = [platform.scalar(f"SELECT count(*) FROM {table}") for table in tables]
    return [dead_letters_written(platform), platform.end_offsets(), asyncio.run(executions()), *rows]


@pytest.fixture
def troubled(platform: Platform) -> Platform:
    """Three records: one that all take, one that `strict` fails on, and one that is no event."""
    platform.apply(STRICT)
    platform.apply(SOUND)
    platform.start("run")
    produce(platform, body(0, limit=5), body(1), GARBAGE)
    eventually(lambda: dead_letters_written(platform) == 2, "both dead letters are there")
    eventually(lambda: runs(platform) == [("sound", 0), ("sound", 1), ("strict", 0)], "and the runs")
    return platform


def test_dead_letters_are_found_redriven_when_mended_and_discarded(troubled: Platform) -> None:
    platform, ends = troubled, troubled.end_offsets()
    of_record, of_strict = sorted(letter["id"] for letter in letters(platform))[::-1]
    assert of_record == f"{platform.topic}/0/2"
    assert of_strict.startswith(f"{platform.topic}/0/1/")

    # Found by whatever is known of them.
    assert [letter["id"] for letter in letters(platform, "--definition", "strict")] == [of_strict]
    assert [letter["id"] for letter in letters(platform, "--reason", "malformed_json")] == [of_record]
    assert [letter["id"] for letter in letters(platform, "--topic", platform.topic, "--offset", "2")] == [of_record]
    assert len(letters(platform, "--since", "1h")) == 2
    assert letters(platform, "--until", "1h") == letters(platform, "--partition", "1") == []
    table = call(platform, "dlq", "list").stdout
    assert table.splitlines()[-1].startswith("2 dead letters: 1 ")
    assert "strict@1" in table
    shown = call(platform, "dlq", "show", of_record).stdout
    assert "00000000  ff fe 20 6e 6f 74" in shown
    assert f"taskfactory dlq discard --id {of_record}" in shown
    assert '"id": "e-1"' in call(platform, "dlq", "show", of_strict).stdout

    # Redriven too early: it stays, with one attempt more.
    failed = call(platform, "dlq", "redrive", "-D", "strict", status=1)
    assert failed.stderr.startswith("Left on the list: 1 of 1; ")
    assert "when_error" in failed.stdout
    [letter] = letters(platform, "-D", "strict")
    assert (letter["id"], letter["attempts"], letter["reason"]) == (of_strict, 2, "when_error")

    # A dry run changes nothing.
    platform.apply(STRICT.replace("event.data.limit > 1", "true"))
    before = everything(platform)
    rehearsed = call(platform, "dlq", "redrive", "-D", "strict", "--dry-run")
    assert "would be: 1 started" in rehearsed.stdout
    assert everything(platform) == before
    assert len(letters(platform)) == 2

    # Mended: that definition starts, at the record's own place, and nobody else does.
    [mended] = call_for_json(platform, "dlq", "redrive", "-D", "strict")
    assert (mended["id"], mended["outcome"], mended["resolved"]) == (of_strict, "started", True)
    expected = [("sound", 0), ("sound", 1), ("strict", 0), ("strict", 1)]
    eventually(lambda: runs(platform) == expected, "the redriven event's run")
    assert [letter["id"] for letter in letters(platform)] == [of_record]
    assert {letter["id"]: letter["state"] for letter in letters(platform, "--all")} == {
        of_record: "open",
        of_strict: "redriven",
    }
    again = call(platform, "dlq", "redrive", "--id", of_strict, status=1)
    assert f"taskfactory replay -D strict --topic {platform.topic} --partition 0 --from 1 --to 2" in again.stderr

    # Discarded, with the reason why.
    call(platform, "dlq", "discard", "--id", of_record, status=2)
    rehearsed = call(platform, "dlq", "discard", "--id", of_record, "--because", "a test", "--dry-run", "-o", "json")
    assert json.loads(rehearsed.stdout) == {"ids": [of_record], "dry_run": True}
    discarded = call(platform, "dlq", "discard", "--id", of_record, "--because", "a test")
    assert discarded.stdout == "discarded 1 dead letter\n"
    assert letters(platform) == []
    assert "by " in call(platform, "dlq", "show", of_record).stdout
    # Its key is the id and the record's timestamp.
    kept = "SELECT reason FROM dead_letter_resolutions WHERE starts_with(letter_key, %s)"
    assert platform.scalar(kept, of_record) == "a test"

    assert platform.end_offsets() == ends


def test_a_record_that_can_be_read_now_starts_all_that_match(make_platform: Callable[..., Platform]) -> None:
    platform = make_platform(TASKFACTORY_MAX_EVENT_BYTES="500")
    platform.apply(SOUND)
    platform.apply(SOUND.replace("sound", "other"))
    platform.start("run")
    produce(platform, body(0, text="x" * 600))
    eventually(lambda: dead_letters_written(platform) == 1, "the large record is dead-lettered")
    call(platform, "dlq", "redrive", "--reason", "too_large", status=1)
    platform.env["TASKFACTORY_MAX_EVENT_BYTES"] = "5000"
    one = call(platform, "dlq", "redrive", "--id", f"{platform.topic}/0/0", "-D", "other")
    assert "stays on the list for the other definitions" in one.stdout
    eventually(lambda: runs(platform) == [("other", 0)], "the one that was named")
    assert "started" in call(platform, "dlq", "redrive", "--reason", "too_large").stdout
    eventually(lambda: runs(platform) == [("other", 0), ("sound", 0)], "every definition that matches, once")
    assert letters(platform) == []


def test_a_paused_definitions_letters_wait_for_it(troubled: Platform) -> None:
    platform = troubled
    call(platform, "pause", "strict", "--because", "being mended")
    refused = call(platform, "dlq", "redrive", "-D", "strict", status=1)
    assert "strict is paused: `taskfactory resume strict` first" in refused.stdout
    [letter] = letters(platform, "-D", "strict")
    assert letter["attempts"] == 1


class Backlog:
    """Many letters of one definition, written as ingress writes them."""

    def __init__(self, platform: Platform, count: int) -> None:
        self.platform, self.count = platform, count
        platform.apply(SOUND)
        settings = IntakeSettings(kafka_bootstrap_servers=platform.stack.endpoints.kafka_bootstrap_servers)
        self._sink = KafkaDeadLetters(settings.librdkafka(), platform.dlq_topic)
        asyncio.run(self._write())
        self._sink.close(10)

    async def _write(self) -> None:
        for number in range(self.count):
            record = Record(self.platform.topic, 0, number, 1, None, body(number), STRUCTURED)
            await self._sink.write(DeadLetter(record, "too_many_hops", "for a test"))

    @property
    def resolved(self) -> int:
        return int(self.platform.scalar("SELECT count(*) FROM dead_letter_resolutions"))

    def redrive(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(COMMAND), "dlq", "redrive", "--reason", "too_many_hops", *arguments],
            env=self.platform.env,
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )


@pytest.fixture
def backlog(platform: Platform) -> Backlog:
    return Backlog(platform, 30)


def test_many_letters_are_redriven_only_on_a_yes(backlog: Backlog) -> None:
    asked = backlog.redrive()
    _, said = asked.communicate(timeout=60)
    assert asked.returncode == 2
    assert said.startswith("30 dead letters would be redriven; add --yes")
    assert call(backlog.platform, "dlq", "redrive", "--yes", status=2).stderr.startswith("say which letters: --id")
    assert backlog.resolved == 0


def test_a_redrive_keeps_its_rate_and_can_be_interrupted_and_taken_up_again(backlog: Backlog) -> None:
    process = backlog.redrive("--yes", "--rate", "5")
    eventually(lambda: backlog.resolved > 0, "the first letter is done")
    began = time.monotonic()
    first = backlog.resolved
    eventually(lambda: backlog.resolved >= first + 5, "five more")
    assert time.monotonic() - began > 0.7  # 5 at 5 per second, and one that may have been under way
    process.send_signal(signal.SIGINT)
    told, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    done = backlog.resolved
    assert 0 < done < backlog.count
    [reported] = re.findall(r"Interrupted: (\d+) of 30 letters are done. Run it again to go on.", said)
    assert f"redriven: {reported} started" in told
    assert int(reported) in {done, done - 1}  # the one that was being recorded
    assert len(letters(backlog.platform)) == backlog.count - done

    rest = backlog.redrive("--yes", "--rate", "1000")
    told, said = rest.communicate(timeout=60)
    assert rest.returncode == 0, said
    assert letters(backlog.platform) == []
    assert backlog.platform.end_offsets() == {}
    backlog.platform.start("orchestrator")
    eventually(lambda: len(runs(backlog.platform)) == 30, "one run for each letter")
    assert sorted(offset for _, offset in runs(backlog.platform)) == list(range(30))


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TASKFACTORY_TEMPORAL_ADDRESS", "127.0.0.1:1", "Temporal at 127.0.0.1:1 could not be used: "),
        ("TASKFACTORY_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1", "Kafka at 127.0.0.1:1 could not be used: "),
        (
            "TASKFACTORY_DATABASE_URL",
            "postgresql://127.0.0.1:1/x",
            "PostgreSQL at postgresql://127.0.0.1:1/x could not ",
        ),
        ("TASKFACTORY_DLQ_TOPIC", "nowhere-at-all", "There is no topic 'nowhere-at-all' at "),
    ],
)
def test_a_server_that_is_away_ends_the_command_with_a_sentence(
    backlog: Backlog, variable: str, value: str, said: str
) -> None:
    backlog.platform.env[variable] = value
    ended = call(backlog.platform, "dlq", "redrive", "--reason", "too_many_hops", "--yes", status=1)
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
