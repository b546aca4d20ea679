"""What is committed, when Kafka's answers come late, fail, or belong to another assignment."""

import pytest
from confluent_kafka import KafkaError, TopicPartition
from prometheus_client import REGISTRY

from taskfactory.ingress.assignments import Assignments
from taskfactory.ingress.commits import REPEAT_SECONDS, Commits
from taskfactory.ingress.deliveries import Assignment
from tests.ingress.fakes import FakeKafkaConsumer

ORDERS = ("orders", 0)
REFUSED = KafkaError(KafkaError.REBALANCE_IN_PROGRESS)


class Desk:
    """Commits whose answers the test gives, at its own time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.assigned = Assignments()
        self.commits = Commits(self.assigned, lambda: self.now)
        self.sent: list[list[TopicPartition]] = []
        self.kafka = FakeKafkaConsumer({"on_commit": lambda _, offsets: self.sent.append(offsets)})

    def assign(self) -> Assignment:
        return self.assigned.give(ORDERS, 0.0)

    def dispose(self, *offsets: int) -> None:
        for offset in offsets:
            self.assigned.offsets.received(ORDERS, offset)
            self.assigned.offsets.done(ORDERS, offset, self.assigned[ORDERS].epoch)

    def send(self) -> list[TopicPartition]:
        """What is sent, a second later; its answer is still to come."""
        self.now += 1
        self.sent.clear()
        self.commits.send_if_due(self.kafka)
        self.kafka.consume(1, 0)
        return self.sent[0] if self.sent else []


@pytest.fixture
def desk() -> Desk:
    return Desk()


def offsets(commits: list[TopicPartition]) -> list[int]:
    return [commit.offset for commit in commits]


def test_an_offset_is_sent_again_now_and_then_although_nothing_moves(desk: Desk) -> None:
    """An older commit that comes late over a dying connection would otherwise stand until the next record."""
    desk.assign()
    desk.dispose(0, 1)
    assert offsets(desk.send()) == [2]
    desk.commits.heard(None, desk.sent[0])
    assert desk.send() == []
    desk.now += REPEAT_SECONDS
    assert offsets(desk.send()) == [2]
    assert desk.send() == []


def test_an_offset_is_sent_once_while_its_answer_is_awaited(desk: Desk) -> None:
    desk.assign()
    desk.dispose(0, 1)
    assert offsets(desk.send()) == [2]
    assert desk.send() == []
    desk.dispose(2)
    assert offsets(desk.send()) == [3]


def test_a_record_that_is_read_again_during_a_commit_takes_the_offset_back(desk: Desk) -> None:
    assignment = desk.assign()
    desk.dispose(*range(10))
    under_way = desk.send()
    desk.assigned.offsets.received(ORDERS, 4)
    desk.commits.heard(None, under_way)
    assert assignment.acknowledged == 10
    assert offsets(desk.send()) == [4]


def test_a_refused_commit_is_sent_again_even_if_a_later_one_is_under_way(desk: Desk) -> None:
    desk.assign()
    desk.dispose(0)
    first = desk.send()
    desk.dispose(1)
    second = desk.send()
    desk.commits.heard(REFUSED, first)
    assert offsets(desk.send()) == [2]
    desk.commits.heard(None, second)


def test_refused_commits_are_counted_by_their_error(desk: Desk) -> None:
    labels = {"error": REFUSED.name()}
    before = REGISTRY.get_sample_value("taskfactory_ingress_commit_failures_total", labels) or 0
    desk.assign()
    desk.dispose(0)
    desk.commits.heard(REFUSED, desk.send())
    assert REGISTRY.get_sample_value("taskfactory_ingress_commit_failures_total", labels) == before + 1


def test_an_answer_from_before_a_rebalance_says_nothing_about_the_assignment_of_now(desk: Desk) -> None:
    desk.assign()
    desk.dispose(0, 1)
    late = desk.send()
    desk.assigned.take(ORDERS)
    again = desk.assign()
    desk.dispose(1)
    desk.commits.heard(None, late)
    assert again.acknowledged is None
    assert offsets(desk.send()) == [2]
    desk.commits.send_now(desk.kafka, [again])
    assert again.acknowledged == 2


def test_an_answer_for_a_partition_that_is_gone_is_no_trouble(desk: Desk) -> None:
    desk.assign()
    desk.dispose(0)
    late = desk.send()
    desk.assigned.take(ORDERS)
    desk.commits.heard(None, late)
    desk.commits.heard(REFUSED, late)
    assert desk.send() == []


def test_what_is_given_away_is_sent_unless_it_was_acknowledged(desk: Desk) -> None:
    assignment = desk.assign()
    desk.dispose(0)
    desk.commits.heard(None, desk.send())
    desk.kafka.commits.clear()
    desk.commits.send_now(desk.kafka, [assignment])
    assert desk.kafka.commits == {}
    desk.dispose(1)
    desk.commits.send_now(desk.kafka, [assignment])
    assert desk.kafka.commits == {ORDERS: 2}


def test_a_commit_is_measured_from_its_sending_to_its_answer(desk: Desk) -> None:
    def total() -> float:
        return REGISTRY.get_sample_value("taskfactory_ingress_commit_seconds_sum") or 0

    before = total()
    desk.assign()
    desk.dispose(0)
    under_way = desk.send()
    desk.now += 7
    desk.commits.heard(None, under_way)
    assert total() - before == pytest.approx(7)
