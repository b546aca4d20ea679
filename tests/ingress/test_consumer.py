import queue
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from taskfactory.ingress import metrics
from taskfactory.ingress.assignments import Assignments
from taskfactory.ingress.consumer import RecordConsumer
from taskfactory.ingress.deliveries import Delivery
from taskfactory.ingress.flow import Limits
from taskfactory.ingress.incarnations import Incarnations
from taskfactory.ingress.kafka_consumer import ConsumerFailed
from taskfactory.ingress.membership import GroupStatistics, parse_statistics
from tests.ingress.fakes import PATIENCE, FakeKafkaConsumer, FakeTopicIds

ORDERS = ("orders", 0)
REFUNDS = ("refunds", 3)
STEADY = '{"cgrp": {"join_state": "steady"}, "brokers": {"a:1": {"state": "UP"}}}'
NO_BROKER = '{"cgrp": {"join_state": "init"}, "brokers": {"a:1": {"state": "TRY_CONNECT"}}}'


class Intake:
    """A running consumer on a fake Kafka, and the records it handed out."""

    def __init__(self, limits: Limits) -> None:
        self.topic_ids = FakeTopicIds()
        self.now = 1_000_000.0
        self.delivered: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self.consumer = RecordConsumer(
            {"group.id": "group"},
            ["orders", "refunds"],
            limits,
            self._deliver,
            topic_ids=self.topic_ids,
            create=self._create,
            clock=lambda: 20 * time.monotonic(),  # commits come 20 times as often
            now=lambda: self.now,
        )

    def _create(self, config: object) -> FakeKafkaConsumer:
        self.kafka = FakeKafkaConsumer(config)  # type: ignore[arg-type]
        return self.kafka

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self.delivered.put(delivery)

    def take(self, count: int) -> list[Delivery]:
        return [self.delivered.get(timeout=PATIENCE) for _ in range(count)]

    def shown(self, metric: str, value: float | None, **labels: str) -> None:
        """Wait until a metric has a value."""
        deadline = time.monotonic() + PATIENCE
        while (found := REGISTRY.get_sample_value(metric, labels)) != value:
            assert time.monotonic() < deadline, f"{metric} is {found}, not {value}"
            self.kafka.turn()

    def dispose(self, *deliveries: Delivery) -> None:
        for delivery in deliveries:
            self.consumer.settle(delivery, disposed=True)


@pytest.fixture
def intake() -> Iterator[Intake]:
    intake = Intake(Limits(records=4, bytes=1000))
    intake.consumer.start()
    yield intake
    intake.consumer.stop(0)
    intake.consumer.finished.exception(PATIENCE)


def test_records_are_committed_only_after_they_were_disposed(intake: Intake) -> None:
    intake.kafka.assign(ORDERS)
    intake.kafka.append(ORDERS, [0, 1, 2])
    first, second, third = intake.take(3)
    intake.dispose(second)
    intake.kafka.wait_until(lambda kafka: kafka.commits == {ORDERS: 0})
    intake.dispose(first, third)
    intake.kafka.wait_until(lambda kafka: kafka.commits == {ORDERS: 3})


def test_consumption_pauses_at_the_bound_and_resumes_below_half_of_it(intake: Intake) -> None:
    intake.kafka.assign(ORDERS)
    intake.kafka.append(ORDERS, range(10))
    taken = intake.take(4)
    intake.kafka.wait_until(lambda kafka: kafka.paused == {ORDERS})
    assert intake.delivered.empty()
    intake.dispose(taken[0])
    intake.dispose(taken[1])
    assert [delivery.record.offset for delivery in intake.take(2)] == [4, 5]


def test_consumption_pauses_when_too_many_bytes_are_in_flight(intake: Intake) -> None:
    intake.kafka.assign(ORDERS)
    intake.kafka.append(ORDERS, [0], value=b"x" * 1000)
    [large] = intake.take(1)
    intake.kafka.wait_until(lambda kafka: kafka.paused == {ORDERS})
    intake.dispose(large)
    intake.kafka.wait_until(lambda kafka: not kafka.paused)


def test_a_partition_whose_records_are_stuck_does_not_hold_back_another(intake: Intake) -> None:
    intake.kafka.assign(ORDERS, REFUNDS)
    intake.kafka.append(ORDERS, range(10))
    intake.take(4)
    intake.kafka.wait_until(lambda kafka: kafka.paused == {ORDERS})
    for offset in range(10):
        intake.kafka.append(REFUNDS, [offset])
        intake.dispose(*intake.take(1))
    intake.kafka.wait_until(lambda kafka: kafka.commits == {ORDERS: 0, REFUNDS: 10})
    assert intake.kafka.paused == {ORDERS}


def test_a_partition_that_comes_back_has_its_earlier_work_counted(intake: Intake) -> None:
    intake.kafka.assign(ORDERS)
    intake.kafka.append(ORDERS, range(10))
    taken = intake.take(4)
    intake.kafka.lose(ORDERS)
    intake.kafka.assign(ORDERS)
    intake.kafka.wait_until(lambda kafka: kafka.paused == {ORDERS})
    assert intake.delivered.empty()
    intake.dispose(*taken)
    assert [delivery.record.offset for delivery in intake.take(4)] == [4, 5, 6, 7]


def test_paused_partitions_are_shown(intake: Intake) -> None:
    intake.kafka.assign(ORDERS, REFUNDS)
    intake.kafka.append(ORDERS, range(10))
    taken = intake.take(4)
    intake.shown("taskfactory_ingress_paused_partitions", 1)
    intake.dispose(*taken)
    intake.take(4)
    intake.shown("taskfactory_ingress_paused_partitions", 1)
    intake.kafka.lose(ORDERS)
    intake.shown("taskfactory_ingress_paused_partitions", 0)


def test_a_pause_that_kafka_remembers_from_an_earlier_assignment_is_lifted(intake: Intake) -> None:
    intake.kafka.pause([])
    intake.kafka.paused.add(ORDERS)
    intake.kafka.assign(ORDERS)
    intake.kafka.wait_until(lambda kafka: not kafka.paused)


def test_a_revoked_partition_is_drained_and_committed_before_it_is_given_away(intake: Intake) -> None:
    intake.kafka.assign(ORDERS, REFUNDS)
    intake.kafka.append(ORDERS, [0, 1])
    first, second = intake.take(2)
    assert not first.assignment.withdrawn
    intake.dispose(first)
    intake.consumer.settle(second, disposed=False)
    intake.kafka.revoke(ORDERS)
    assert intake.kafka.commits == {ORDERS: 1}
    assert first.assignment.withdrawn


def test_a_lost_partition_is_not_committed(intake: Intake) -> None:
    intake.kafka.assign(ORDERS)
    intake.kafka.append(ORDERS, [0, 1])
    first, second = intake.take(2)
    intake.dispose(first)
    intake.kafka.wait_until(lambda kafka: kafka.commits == {ORDERS: 1})
    intake.kafka.lose(ORDERS)
    intake.dispose(second)
    intake.kafka.assign(REFUNDS)
    intake.kafka.append(REFUNDS, [7])
    intake.dispose(*intake.take(1))
    intake.kafka.wait_until(lambda kafka: REFUNDS in kafka.commits)
    assert intake.kafka.commits.get(ORDERS) == 1


def test_work_on_a_lost_partition_is_left_to_its_next_owner(intake: Intake) -> None:
    intake.kafka.assign(ORDERS, REFUNDS)
    intake.kafka.append(ORDERS, [0])
    [lost] = intake.take(1)
    intake.kafka.append(REFUNDS, [0])
    [kept] = intake.take(1)
    intake.kafka.lose(ORDERS)
    assert lost.assignment.withdrawn
    assert not kept.assignment.withdrawn


def test_a_completion_from_before_a_rebalance_commits_nothing_after_it(intake: Intake) -> None:
    intake.kafka.assign(ORDERS)
    intake.kafka.append(ORDERS, [0])
    [stale] = intake.take(1)
    intake.kafka.lose(ORDERS)
    intake.kafka.assign(ORDERS)
    intake.kafka.append(ORDERS, [0])
    [fresh] = intake.take(1)
    intake.dispose(stale)
    intake.kafka.wait_until(lambda kafka: kafka.commits == {ORDERS: 0})
    intake.dispose(fresh)
    intake.kafka.wait_until(lambda kafka: kafka.commits == {ORDERS: 1})


def test_a_refused_commit_is_repeated(intake: Intake) -> None:
    intake.kafka.fail_next_commit(KafkaError(KafkaError.REBALANCE_IN_PROGRESS))
    intake.kafka.assign(ORDERS)
    intake.kafka.append(ORDERS, [0])
    intake.dispose(*intake.take(1))
    intake.kafka.wait_until(lambda kafka: kafka.commits == {ORDERS: 1})


def test_stopping_waits_for_records_in_flight_commits_them_and_leaves_the_group(intake: Intake) -> None:
    intake.kafka.assign(ORDERS)
    intake.kafka.append(ORDERS, [0, 1])
    first, second = intake.take(2)
    intake.consumer.stop(20 * PATIENCE)
    intake.kafka.wait_until(lambda kafka: kafka.paused == {ORDERS})
    assert first.assignment.withdrawn
    intake.dispose(first)
    assert not intake.consumer.finished.done()
    intake.dispose(second)
    intake.consumer.finished.result(PATIENCE)
    assert intake.kafka.commits == {ORDERS: 2}
    assert intake.kafka.closed


def test_stopping_gives_up_on_records_in_flight_at_its_bound(intake: Intake) -> None:
    intake.kafka.assign(ORDERS)
    intake.kafka.append(ORDERS, [0, 1])
    first, _second = intake.take(2)
    intake.dispose(first)
    intake.consumer.stop(0.1)
    intake.consumer.finished.result(PATIENCE)
    assert intake.kafka.commits == {ORDERS: 1}


def test_a_fatal_kafka_error_ends_the_thread_loudly(intake: Intake) -> None:
    intake.kafka.raise_error(KafkaError(KafkaError._FATAL, "Fatal error: the broker is of another age"))
    with pytest.raises(ConsumerFailed, match="the broker is of another age"):
        intake.consumer.finished.result(PATIENCE)
    assert intake.consumer.problem() == "the consumer's thread has ended"
    assert intake.kafka.closed


def test_a_broker_that_goes_away_and_comes_back_is_one_line_each(intake: Intake) -> None:
    refused = KafkaError(KafkaError._TRANSPORT, "Connect to broker:1 failed: Connection refused")
    gone = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
    with capture_logs() as lines:
        for _ in range(3):
            intake.kafka.raise_error(refused)
            intake.kafka.raise_error(gone)
        for _ in range(2):
            intake.kafka.report(STEADY)
    told = [(line["event"], line.get("error")) for line in lines if line["log_level"] != "debug"]
    sentence = f"no Kafka broker can be reached: {refused.str()}"
    assert told == [("dependency_unreachable", sentence), ("dependency_back", None)]


def test_a_topic_that_is_refused_over_and_over_is_one_line(intake: Intake) -> None:
    with capture_logs() as lines:
        for _ in range(3):
            intake.kafka.refuse("orders", KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, "no such topic"))
    assert [line["message"] for line in lines if line["event"] == "kafka_error"] == ["no such topic"]


def test_readiness_needs_a_place_in_the_group_and_a_broker(intake: Intake) -> None:
    assert intake.consumer.problem() == "not yet a member of consumer group 'group'"
    intake.kafka.report(STEADY)
    assert intake.consumer.problem() is None
    intake.kafka.report(NO_BROKER)
    assert intake.consumer.problem() == "no Kafka broker can be reached"


def test_a_topic_that_can_not_be_read_is_a_problem_until_it_is_assigned(intake: Intake) -> None:
    intake.kafka.report(STEADY)
    intake.kafka.refuse("orders", KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, "no such topic"))
    intake.kafka.report(STEADY)  # a whole turn later
    assert intake.consumer.problem() == "topic 'orders': no such topic"
    intake.kafka.assign(ORDERS)
    assert intake.consumer.problem() is None


def test_lag_is_shown_for_assigned_partitions_only(intake: Intake) -> None:
    lag = '{"topics": {"orders": {"partitions": {"0": {"partition": 0, "consumer_lag": 42}}}}}'
    labels = {"topic": "orders", "partition": "0"}
    intake.kafka.assign(ORDERS)
    intake.kafka.report(lag)
    assert REGISTRY.get_sample_value("taskfactory_ingress_lag", labels) == 42
    intake.kafka.revoke(ORDERS)
    intake.kafka.report(lag)
    assert REGISTRY.get_sample_value("taskfactory_ingress_lag", labels) is None


def test_statistics_are_read_from_what_librdkafka_writes() -> None:
    text = """{
      "brokers": {"a:1": {"state": "UP"}, "b:1": {"state": "DOWN"}},
      "topics": {"t": {"partitions": {
        "0": {"partition": 0, "consumer_lag": 5},
        "-1": {"partition": -1, "consumer_lag": -1}}}},
      "cgrp": {"join_state": "steady", "rebalance_cnt": 3}}"""
    assert parse_statistics(text) == GroupStatistics(joined=True, brokers_up=1, lag={("t", 0): 5})
    assert parse_statistics("{}") == GroupStatistics(joined=False, brokers_up=0, lag={})


def age(intake: Intake, value: float | None) -> None:
    intake.shown("taskfactory_ingress_oldest_event_seconds", value, topic="orders")


@pytest.fixture
def at(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time of day."""
    monkeypatch.setattr(metrics.OLDEST_EVENT, "_clock", lambda: intake.now)

    def at(now: float) -> None:
        intake.now = now

    return at


def test_the_age_of_the_oldest_undisposed_record_grows_while_it_is_stuck(
    intake: Intake, at: Callable[[float], None]
) -> None:
    intake.kafka.assign(ORDERS, ("orders", 1))
    intake.kafka.append(ORDERS, [0], timestamp=999_990_000)
    intake.kafka.append(ORDERS, [1], timestamp=999_995_000)
    intake.kafka.append(("orders", 1), [0], timestamp=999_999_000)
    by_place = {(d.record.partition, d.record.offset): d for d in intake.take(3)}
    age(intake, 10)
    at(1_000_020)
    age(intake, 30)
    intake.dispose(by_place[0, 0])
    age(intake, 25)
    intake.dispose(by_place[0, 1])
    intake.kafka.reach_end(ORDERS)
    age(intake, 21)


def test_nothing_in_flight_is_no_age_only_at_the_end_of_the_partition(
    intake: Intake, at: Callable[[float], None]
) -> None:
    intake.kafka.assign(ORDERS)
    at(1_000_002)
    age(intake, 2)  # since the assignment: what lies there is not known yet
    intake.kafka.append(ORDERS, [0], timestamp=999_000_000)
    intake.dispose(*intake.take(1))
    age(intake, 1002)  # the next one, if there is one, is about as old
    intake.kafka.reach_end(ORDERS)
    age(intake, 0)
    at(1_000_100)
    age(intake, 0)
    intake.kafka.append(ORDERS, [1], timestamp=1_000_060_000)
    intake.take(1)
    age(intake, 40)
    intake.kafka.lose(ORDERS)
    age(intake, None)


def test_how_long_commits_take_is_measured(intake: Intake) -> None:
    before = REGISTRY.get_sample_value("taskfactory_ingress_commit_seconds_count") or 0
    intake.kafka.assign(ORDERS, REFUNDS)
    intake.kafka.append(ORDERS, [0])
    intake.dispose(*intake.take(1))
    intake.kafka.wait_until(lambda kafka: kafka.commits == {ORDERS: 1})
    intake.kafka.revoke(ORDERS, REFUNDS)
    assert (REGISTRY.get_sample_value("taskfactory_ingress_commit_seconds_count") or 0) > before


def test_the_topic_s_id_is_committed_beside_every_offset(intake: Intake) -> None:
    intake.topic_ids.ids["orders"] = "AbC+/-_0"
    intake.kafka.assign(ORDERS)
    intake.kafka.append(ORDERS, [0])
    intake.dispose(*intake.take(1))
    intake.kafka.wait_until(lambda kafka: kafka.notes.get(ORDERS) == "topic-id=AbC+/-_0")


def test_a_committed_offset_of_a_topic_that_is_no_more_is_not_used_for_the_new_one(intake: Intake) -> None:
    intake.kafka.commits[ORDERS], intake.kafka.notes[ORDERS] = 100, "topic-id=former"
    intake.kafka.assign(ORDERS)
    intake.kafka.wait_until(lambda kafka: kafka.sought == [(ORDERS, OFFSET_BEGINNING)])
    intake.kafka.append(ORDERS, [0, 1])
    intake.dispose(*intake.take(2))
    intake.kafka.wait_until(lambda kafka: kafka.commits.get(ORDERS) == 2)
    assert intake.kafka.notes[ORDERS] == "topic-id=first"


@pytest.mark.parametrize("note", ["topic-id=first", "", "somebody else's note"])
def test_a_committed_offset_of_the_same_topic_or_without_an_id_is_trusted(intake: Intake, note: str) -> None:
    intake.kafka.commits[ORDERS], intake.kafka.notes[ORDERS] = 100, note
    intake.kafka.assign(ORDERS)
    intake.kafka.append(ORDERS, [100])
    intake.dispose(*intake.take(1))
    intake.kafka.wait_until(lambda kafka: kafka.commits.get(ORDERS) == 101)
    assert not intake.kafka.sought


def test_a_late_commit_of_the_topic_that_is_no_more_is_noticed_at_the_first_record(intake: Intake) -> None:
    intake.kafka.assign(ORDERS)
    intake.kafka.commits[ORDERS], intake.kafka.notes[ORDERS] = 100, "topic-id=former"
    intake.kafka.append(ORDERS, [100])  # librdkafka begins there
    intake.kafka.wait_until(lambda kafka: kafka.sought == [(ORDERS, OFFSET_BEGINNING)])
    assert intake.delivered.empty()
    intake.kafka.append(ORDERS, [0])
    intake.dispose(*intake.take(1))
    intake.kafka.wait_until(lambda kafka: kafka.commits.get(ORDERS) == 1)


def test_records_that_come_before_the_consumer_has_gone_back_do_not_count(intake: Intake) -> None:
    for _ in range(3):
        intake.kafka.fail_next_seek(KafkaError(KafkaError._STATE))
    intake.kafka.append(ORDERS, [100, 101])
    intake.kafka.commits[ORDERS], intake.kafka.notes[ORDERS] = 100, "topic-id=former"
    intake.kafka.assign(ORDERS)
    intake.kafka.wait_until(lambda kafka: kafka.sought == [(ORDERS, OFFSET_BEGINNING)])
    intake.kafka.append(ORDERS, [0])
    intake.dispose(*intake.take(1))
    intake.kafka.wait_until(lambda kafka: kafka.commits.get(ORDERS) == 1)


def test_a_topic_that_becomes_another_while_it_is_read_begins_again(intake: Intake) -> None:
    intake.kafka.assign(ORDERS, REFUNDS)
    intake.kafka.append(ORDERS, [50, 51])
    first, second = intake.take(2)
    intake.dispose(first)
    intake.kafka.wait_until(lambda kafka: kafka.commits.get(ORDERS) == 51)
    intake.topic_ids.ids["orders"] = "second"
    intake.kafka.wait_until(lambda kafka: kafka.sought == [(ORDERS, OFFSET_BEGINNING)])
    assert second.assignment.withdrawn
    intake.dispose(second)
    intake.kafka.append(ORDERS, [0])
    intake.dispose(*intake.take(1))
    intake.kafka.wait_until(lambda kafka: kafka.notes.get(ORDERS) == "topic-id=second")
    assert intake.kafka.commits.get(ORDERS) == 1


def test_an_id_that_can_not_be_asked_for_is_compared_later(intake: Intake) -> None:
    intake.topic_ids.away = True
    intake.kafka.commits[ORDERS], intake.kafka.notes[ORDERS] = 100, "topic-id=former"
    intake.kafka.assign(ORDERS)
    intake.kafka.append(ORDERS, [100])
    intake.dispose(*intake.take(1))
    intake.kafka.wait_until(lambda kafka: kafka.commits.get(ORDERS) == 101)
    assert intake.kafka.notes[ORDERS] == "topic-id=former"
    intake.topic_ids.away = False
    intake.kafka.wait_until(lambda kafka: kafka.sought == [(ORDERS, OFFSET_BEGINNING)])


def test_a_broker_that_has_not_heard_of_the_new_topic_does_not_bring_the_old_one_back() -> None:
    ids = FakeTopicIds()
    incarnations = Incarnations(ids)
    assert incarnations.identify({"orders"}) == {"orders": "first"}
    ids.ids["orders"] = "second"
    assert incarnations.identify({"orders"}) == {"orders": "second"}
    ids.ids["orders"] = "first"
    assert incarnations.identify({"orders"}) == {"orders": "second"}


def test_a_topic_that_is_halted_is_fetched_no_more_and_the_others_are(intake: Intake) -> None:
    intake.kafka.assign(ORDERS, REFUNDS)
    intake.consumer.halt("orders", "too many dead letters")
    intake.kafka.wait_until(lambda kafka: kafka.paused == {ORDERS})
    intake.kafka.append(ORDERS, [0])
    intake.kafka.append(REFUNDS, [0])
    [taken] = intake.take(1)
    assert taken.assignment.partition == REFUNDS
    assert intake.consumer.problem() == "topic 'orders': too many dead letters"


def test_the_age_of_a_topic_that_is_halted_grows_although_its_end_was_reached_before() -> None:
    assigned = Assignments()
    assigned.give(ORDERS, 100.0).at_end = True
    assert assigned.oldest() == {"orders": None}
    assert assigned.oldest(standing_still={"orders"}) == {"orders": 100.0}
