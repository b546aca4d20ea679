"""What subscribers get, from the rows that say what ended."""

from typing import Any

import pytest

from taskfactory.envelope import decode, encode
from taskfactory.orchestrator.outcomes import outcomes, without_result
from taskfactory.registry import EventAttributes
from tests.orchestrator.samples import ended_run, ended_task, finished


def published(**changes: Any) -> dict[str, Any]:
    return {keyed.envelope.id: keyed.envelope for keyed in outcomes(finished(**changes))}


def test_an_ended_task_and_run_are_one_envelope_each_under_a_derived_id() -> None:
    found = published()
    assert set(found) == {"run-1/note/completed", "run-1/completed"}
    assert found["run-1/note/completed"].type == "io.taskfactory.task.completed"
    assert found["run-1/completed"].type == "io.taskfactory.run.completed"


def test_publishing_the_same_rows_again_gives_the_same_envelopes() -> None:
    assert published() == published()


def test_an_outcome_is_subjected_and_correlated_as_its_event() -> None:
    envelope = published()["run-1/note/completed"]
    assert envelope.subject == "order-1"
    assert envelope.source == "/taskfactory/note-it"
    assert (envelope.causationid, envelope.correlationid, envelope.hops) == ("e1", "c1", 3)
    assert envelope.traceparent == "00-1-1-01"


def test_an_outcome_names_the_definitions_that_led_to_it_the_latest_last() -> None:
    assert published()["run-1/completed"].attributes["chain"] == "first note-it"
    unchained = finished()
    context = unchained.contexts["run-1"].model_copy(update={"event_attributes": EventAttributes()})
    envelopes = [keyed.envelope for keyed in outcomes(unchained.model_copy(update={"contexts": {"run-1": context}}))]
    assert {envelope.attributes["chain"] for envelope in envelopes} == {"note-it"}


def test_a_long_chain_keeps_its_latest_names() -> None:
    long = finished()
    attributes = EventAttributes(chain=" ".join(f"d{number}" for number in range(200)))
    context = long.contexts["run-1"].model_copy(update={"event_attributes": attributes})
    (envelope, *_) = (keyed.envelope for keyed in outcomes(long.model_copy(update={"contexts": {"run-1": context}})))
    assert str(envelope.attributes["chain"]).split() == [*(f"d{number}" for number in range(151, 200)), "note-it"]


def test_data_says_which_activity_run_task_and_trigger() -> None:
    data = published()["run-1/note/completed"].data
    assert data["activity"] == {"id": "a1", "name": "note-it", "version": 2}
    assert data["run"]["id"] == "run-1"
    assert data["task"] == {"id": "run-1/note", "name": "note", "attempts": 1, "result": {"ok": True}}
    assert data["trigger"]["topic"] == "events"
    assert data["trigger"]["offset"] == 7


@pytest.mark.parametrize(("of", "kinds"), [(("task",), {"task"}), (("run",), {"run"}), ((), set())])
def test_a_definition_chooses_which_ends_are_published(of: tuple[str, ...], kinds: set[str]) -> None:
    assert {envelope.type.split(".")[2] for envelope in published(of=of).values()} == kinds


@pytest.mark.parametrize("fmt", ["structured", "binary", "avro"])
def test_an_outcome_survives_every_wire_format(fmt: Any) -> None:
    for envelope in published().values():
        record = encode(envelope, fmt)
        assert decode(record.value, record.headers, record.key) == envelope


def test_a_result_that_is_too_large_is_left_out_and_the_outcome_says_where_it_is() -> None:
    keyed = next(iter(outcomes(finished())))
    slim = without_result(keyed, 2_000_000)
    task = slim.envelope.data["task"]
    assert task.get("result") is None
    assert "2000000 bytes" in task["result_omitted"]
    assert "--run run-1" in task["result_omitted"]
    assert slim.envelope.id == keyed.envelope.id


def deep(levels: int) -> Any:
    return [] if levels == 0 else [deep(levels - 1)]


@pytest.mark.parametrize("result", [2**70, {"deep": deep(150)}])
def test_a_result_that_no_event_can_carry_is_left_out_and_the_outcome_says_so(result: Any) -> None:
    (envelope,) = published(tasks=[ended_task(result=result)], runs=[]).values()
    assert "result" not in envelope.data["task"]
    assert "no event can carry" in envelope.data["task"]["result_omitted"]


def test_a_failed_run_carries_its_error() -> None:
    data = published(runs=[ended_run(status="failed", error=("ExecutionLost", "was terminated"))], tasks=[])
    assert data["run-1/failed"].data["run"]["error"] == {"type": "ExecutionLost", "message": "was terminated"}


def test_a_failed_task_carries_its_error_and_no_result() -> None:
    found = published(tasks=[ended_task(status="failed", result=None, error=("X", "broke"))], runs=[])
    task = found["run-1/note/failed"].data["task"]
    assert task["error"] == {"type": "X", "message": "broke"}
    assert "result" not in task
