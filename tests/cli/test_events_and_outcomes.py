"""Events are checked line by line before any is sent; an outcome reads in one line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from taskfactory.cli.errors import BadInput
from taskfactory.cli.events import read_events
from taskfactory.cli.main import app
from taskfactory.cli.outcomes import line
from taskfactory.envelope import ActivityRef, EventEnvelope, Failure, Outcome, RunRef, TaskRef, Trigger

GOOD = b'{"specversion":"1.0","id":"1","source":"/shop","type":"order.placed","data":{"total":3}}'
TRIGGER = Trigger(source="/shop", id="1", type="order.placed")
ACTIVITY = ActivityRef(id="a", name="orders", version=1)


def told(kind: str, outcome: Outcome | None) -> str:
    data = outcome.model_dump(mode="json") if outcome else None
    return line(
        EventEnvelope(
            id="x", source="/taskfactory", type=f"io.taskfactory.{kind}", time="2026-11-23T09:00:00Z", data=data
        )
    )


def test_events_keep_the_numbers_of_their_lines() -> None:
    assert [number for number, _ in read_events([b"", GOOD, b"  ", GOOD], "f")] == [2, 4]


def test_wrong_lines_are_listed_and_nothing_is_sent() -> None:
    with pytest.raises(BadInput) as refused:
        read_events([GOOD, b"{", GOOD.replace(b'"id"', b'"no"'), b"[]"], "events.jsonl")
    *lines, last = refused.value.messages
    assert [text.split(" ")[0] for text in lines] == ["events.jsonl:2:", "events.jsonl:3:", "events.jsonl:4:"]
    assert last == "nothing was sent: 3 of 4 events are not valid"


def test_of_many_wrong_lines_the_first_are_listed_and_all_counted() -> None:
    with pytest.raises(BadInput) as refused:
        read_events([b"no event"] * 40, "README.md")
    assert len(refused.value.messages) == 12
    assert refused.value.messages[-2:] == ("… and 30 more", "nothing was sent: 40 of 40 events are not valid")


def test_wrong_lines_end_the_command_before_kafka_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(GOOD + b"\n{")
    shown = CliRunner().invoke(app, ["events", "send", "-f", str(file), "-t", "orders"])
    assert shown.exit_code == 2
    assert shown.stderr.startswith(f"{file}:2: ")
    missing = CliRunner().invoke(app, ["events", "send", "-f", str(tmp_path / "none"), "-t", "orders"])
    assert missing.stderr == f"{tmp_path / 'none'}: No such file or directory\n"


def test_a_completed_task_shows_its_result() -> None:
    task = TaskRef(id="r/reserve/0", name="reserve", index=0, result={"ok": True})
    outcome = Outcome(activity=ACTIVITY, run=RunRef(id="r"), task=task, trigger=TRIGGER)
    assert told("task.completed", outcome) == '2026-11-23T09:00:00Z  task.completed  orders/reserve[0]  r  {"ok": true}'


def test_a_failed_task_shows_its_error() -> None:
    task = TaskRef(id="r/pay", name="pay", error=Failure(type="Declined", message="card declined"))
    outcome = Outcome(activity=ACTIVITY, run=RunRef(id="r"), task=task, trigger=TRIGGER)
    assert told("task.failed", outcome).endswith("orders/pay  r  card declined")


def test_a_run_shows_its_tasks_or_its_error() -> None:
    completed = Outcome(activity=ACTIVITY, run=RunRef(id="r", tasks={"completed": 2, "failed": 1}), trigger=TRIGGER)
    assert told("run.completed", completed).endswith("run.completed   orders  r  2 completed, 1 failed")
    failure = Failure(type="cel_error", message="no such key")
    failed = Outcome(activity=ACTIVITY, run=RunRef(id="r", error=failure), trigger=TRIGGER)
    assert told("run.failed", failed).endswith("orders  r  no such key")


def test_an_envelope_that_is_no_outcome_is_shown_by_its_identity() -> None:
    assert told("other", None) == "2026-11-23T09:00:00Z  other  /taskfactory x"
