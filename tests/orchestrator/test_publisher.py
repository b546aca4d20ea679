"""What the publisher mends by itself, and what it leaves to its caller."""

from typing import Any

import pytest
from prometheus_client import REGISTRY

from taskfactory.envelope import EventEnvelope
from taskfactory.envelope.kafka import DeliveryFailed
from taskfactory.orchestrator.publisher import OutcomePublisher
from taskfactory.orchestrator.settings import OrchestratorSettings
from taskfactory.registry import Finished, OutcomesConfig
from tests.orchestrator.fakes import FakeProducer
from tests.orchestrator.samples import ended_run, ended_task, finished

TASK, RUN = "run-1/note/completed", "run-1/completed"


class Desk:
    """A publisher and every producer that it made."""

    def __init__(self, **settings: Any) -> None:
        self.producers: list[FakeProducer] = []
        self.publisher = OutcomePublisher(
            self._make, OrchestratorSettings(**{"outcomes_topic": "outcomes", "max_outcome_bytes": 10_000, **settings})
        )

    def _make(self) -> FakeProducer:
        self.producers.append(FakeProducer())
        return self.producers[-1]

    @property
    def producer(self) -> FakeProducer:
        return self.producers[-1]

    def sent(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Topic and data by id."""
        return {envelope.id: (topic, envelope.data) for topic, envelope in self.producer.sent}


def with_topic(topic: str) -> Finished:
    """An ended task and run whose definition names a topic of its own."""
    given = finished()
    context = given.contexts["run-1"].model_copy(update={"outcomes": OutcomesConfig(topic=topic)})
    return given.model_copy(update={"contexts": {"run-1": context}})


def everything(code: str) -> Any:
    return lambda _topic, _envelope: code


def test_outcomes_go_to_the_installations_topic_under_the_triggering_records_key() -> None:
    desk = Desk(outcomes_format="binary")
    desk.publisher.publish(finished())
    assert {id_: topic for id_, (topic, _) in desk.sent().items()} == {TASK: "outcomes", RUN: "outcomes"}
    assert desk.producer.keys == [b"order-1", b"order-1"]
    assert desk.producer.formats == {"binary"}


def test_a_definitions_own_topic_is_used_where_it_has_one() -> None:
    desk = Desk()
    desk.publisher.publish(with_topic("orders-done"))
    assert {topic for topic, _ in desk.sent().values()} == {"orders-done"}


@pytest.mark.parametrize("code", ["_UNKNOWN_TOPIC", "UNKNOWN_TOPIC_OR_PART", "TOPIC_AUTHORIZATION_FAILED"])
def test_a_definitions_own_topic_that_can_not_be_written_is_replaced_by_the_installations(code: str) -> None:
    desk = Desk()
    desk.producer.refuse(lambda topic, _: code if topic == "nowhere" else None)
    desk.publisher.publish(with_topic("nowhere"))
    assert {id_: topic for id_, (topic, _) in desk.sent().items()} == {TASK: "outcomes", RUN: "outcomes"}
    assert desk.publisher.problem() is None


def test_only_what_was_refused_is_sent_again() -> None:
    desk = Desk()
    desk.producer.refuse(
        lambda topic, envelope: "_UNKNOWN_TOPIC" if (topic, envelope.id) == ("shaky", RUN) else None,
    )
    desk.publisher.publish(with_topic("shaky"))
    assert desk.producer.ids == [TASK, RUN]
    assert desk.sent()[RUN][0] == "outcomes"


def test_an_installation_whose_own_topic_is_missing_is_told_so() -> None:
    desk = Desk()
    desk.producer.refuse(everything("UNKNOWN_TOPIC_OR_PART"))
    with pytest.raises(DeliveryFailed):
        desk.publisher.publish(with_topic("nowhere"))


def test_what_kafka_does_not_acknowledge_is_raised_and_a_problem_until_it_does() -> None:
    desk = Desk()
    assert desk.publisher.problem() is None
    desk.producer.refuse(everything("_MSG_TIMED_OUT"))
    with pytest.raises(DeliveryFailed):
        desk.publisher.publish(finished())
    assert "_MSG_TIMED_OUT" in (desk.publisher.problem() or "")
    assert not desk.producer.closed
    desk.producer.accept()
    desk.publisher.publish(finished())
    assert desk.producer.ids == [TASK, RUN]
    assert desk.publisher.problem() is None


def test_a_definitions_topic_does_not_replace_a_kafka_that_is_away() -> None:
    desk = Desk()
    desk.producer.refuse(lambda topic, _: "_MSG_TIMED_OUT" if topic == "orders-done" else None)
    with pytest.raises(DeliveryFailed):
        desk.publisher.publish(with_topic("orders-done"))
    assert desk.producer.sent == []


def test_a_producer_beyond_repair_is_replaced_and_the_same_rows_are_published_by_the_next_one() -> None:
    desk = Desk()
    broken = desk.producer
    broken.refuse(everything("_FATAL"), fatal=True)
    with pytest.raises(DeliveryFailed):
        desk.publisher.publish(finished())
    assert broken.closed
    assert len(desk.producers) == 2
    desk.publisher.publish(finished())
    assert desk.producer.ids == [TASK, RUN]
    desk.publisher.close(0)
    assert desk.producer.closed


def test_a_record_that_kafka_finds_too_large_goes_without_its_result() -> None:
    def too_large(_topic: str, envelope: EventEnvelope) -> str | None:
        return "MSG_SIZE_TOO_LARGE" if "result" in envelope.data.get("task", {}) else None

    desk = Desk()
    desk.producer.refuse(too_large)
    desk.publisher.publish(finished())
    task = desk.sent()[TASK][1]["task"]
    assert "result" not in task
    assert "taskfactory get tasks --run run-1" in task["result_omitted"]
    assert desk.producer.ids == [RUN, TASK]
    assert desk.publisher.problem() is None


def test_a_record_that_is_too_large_even_so_is_raised() -> None:
    desk = Desk()
    desk.producer.refuse(everything("MSG_SIZE_TOO_LARGE"))
    with pytest.raises(DeliveryFailed):
        desk.publisher.publish(finished())


def test_results_over_the_limit_are_left_out_before_kafka_sees_them_and_others_stay() -> None:
    omitted = REGISTRY.get_sample_value("taskfactory_outcomes_without_result_total") or 0
    large = ended_task(result={"blob": "я" * 5_000})  # 10,000 bytes
    small = ended_task(result={"blob": "x" * 5_000}).model_copy(update={"task_id": "run-1/small", "position": 1})
    desk = Desk(max_outcome_bytes=10_000)
    desk.publisher.publish(finished(tasks=[large, small], runs=[ended_run()]))
    tasks = {id_: data.get("task", {}) for id_, (_, data) in desk.sent().items()}
    assert "bytes" in tasks[TASK]["result_omitted"]
    assert "result" not in tasks[TASK]
    assert tasks["run-1/small/completed"]["result"] == {"blob": "x" * 5_000}
    assert RUN in tasks
    assert REGISTRY.get_sample_value("taskfactory_outcomes_without_result_total") == omitted + 1
