"""The consumer's thread as a member of a real group, under both group protocols."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic  # the admin module does not export it

from taskfactory.ingress.consumer import RecordConsumer
from taskfactory.ingress.deliveries import Delivery
from taskfactory.ingress.flow import Limits
from taskfactory.ingress.settings import IngressSettings
from tests.conftest import RunningStack
from tests.ingress.conftest import Site, eventually

COUNT = 4000
PATIENCE = 60


class Member:
    """A member of the group that disposes of everything it gets, or holds it while told to."""

    def __init__(self, site: Site, protocol: str, limits: Limits, seen: Counter[tuple[int, int]]) -> None:
        self.seen = seen
        self.held: list[Delivery] = []
        self.hold = threading.Event()
        settings = IngressSettings(
            kafka_bootstrap_servers=site.stack.endpoints.kafka_bootstrap_servers,
            kafka_group_id=site.group,
            kafka_config={"group.protocol": protocol},
        )
        self.consumer = RecordConsumer(settings.consumer_config(), [site.topic], limits, self._deliver)
        self.consumer.start()

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self.seen[delivery.record.partition, delivery.record.offset] += 1
            if self.hold.is_set():
                self.held.append(delivery)
            else:
                self.consumer.settle(delivery, disposed=True)

    def release(self) -> None:
        self.hold.clear()
        while self.held:
            self.consumer.settle(self.held.pop(), disposed=True)

    def leave(self) -> None:
        self.consumer.stop(10)
        self.consumer.finished.result(PATIENCE)


Join = Callable[..., Member]


@pytest.fixture(params=["classic", "consumer"])
def join(request: pytest.FixtureRequest, wide_site: Site) -> Iterator[Join]:
    members: list[Member] = []
    seen: Counter[tuple[int, int]] = Counter()

    def join(limits: Limits = Limits(500, 10_000_000)) -> Member:  # noqa: B008 -- frozen
        members.append(Member(wide_site, request.param, limits, seen))
        return members[-1]

    yield join
    for member in members:
        member.consumer.stop(0)
    for member in members:
        member.consumer.finished.exception(PATIENCE)


async def test_members_that_come_and_go_leave_nothing_out_and_do_nothing_twice(wide_site: Site, join: Join) -> None:
    first = join()
    wide_site.produce(*[b"{}"] * COUNT)
    await eventually(lambda: len(first.seen) >= COUNT / 10, "the first member reads")
    second = join()
    wide_site.produce(*[b"{}"] * COUNT)
    await eventually(lambda: second.consumer.problem() is None, "the second member has joined")
    first.leave()
    wide_site.produce(*[b"{}"] * COUNT)
    await eventually(lambda: len(first.seen) == 3 * COUNT, "everything was read")
    await eventually(lambda: wide_site.committed() == wide_site.end_offsets(), "everything is committed")
    assert sum(first.seen.values()) == 3 * COUNT


async def test_a_member_that_is_paused_stays_in_the_group_and_within_its_bounds(wide_site: Site, join: Join) -> None:
    member = join(Limits(100, 10_000_000))
    member.hold.set()
    wide_site.produce(*[b"{}"] * COUNT)
    await eventually(lambda: len(member.seen) >= 100, "the bound is reached")
    other = join(Limits(100, 10_000_000))
    other.hold.set()
    await eventually(lambda: other.consumer.problem() is None, "another member has joined")
    assert len(member.held) <= 100
    assert len(other.held) <= 100
    for each in (member, other):
        each.release()
    await eventually(lambda: len(member.seen) == COUNT, "everything was read")
    await eventually(lambda: wide_site.committed() == wide_site.end_offsets(), "everything is committed")


async def test_a_record_in_flight_is_read_again_by_the_next_owner(wide_site: Site, join: Join) -> None:
    first = join()
    first.hold.set()
    wide_site.produce(*[b"{}"] * 40)
    await eventually(lambda: len(first.seen) == 40, "the first member has everything in flight")
    first.consumer.stop(0)
    first.consumer.finished.result(PATIENCE)
    assert not any(wide_site.committed().values())
    join()
    await eventually(lambda: wide_site.committed() == wide_site.end_offsets(), "the second member did it all")
    assert set(first.seen.values()) == {2}


async def test_a_consumer_that_finds_no_broker_says_so_and_stops_all_the_same() -> None:
    config = IngressSettings(kafka_bootstrap_servers="127.0.0.1:1").consumer_config()
    consumer = RecordConsumer(config | {"statistics.interval.ms": "100"}, ["topic"], Limits(1, 1), lambda _: None)
    consumer.start()
    await eventually(lambda: consumer.problem() == "no Kafka broker can be reached", "it says so")
    consumer.stop(0)
    consumer.finished.result(PATIENCE)


async def test_a_topic_that_is_not_there_is_a_problem_until_it_is(stack: RunningStack) -> None:
    topic = stack.name("late")
    settings = IngressSettings(kafka_bootstrap_servers=stack.endpoints.kafka_bootstrap_servers, kafka_group_id=topic)
    config = settings.consumer_config() | {"topic.metadata.refresh.interval.ms": "200"}
    consumer = RecordConsumer(config, [topic], Limits(1, 1), lambda _: None)
    consumer.start()
    try:
        await eventually(lambda: topic in (consumer.problem() or ""), "it says so")
        admin = AdminClient({"bootstrap.servers": stack.endpoints.kafka_bootstrap_servers})
        [created] = admin.create_topics([NewTopic(topic, 1, 1)]).values()
        await asyncio.wrap_future(created)
        await eventually(lambda: consumer.problem() is None, "it is ready")
    finally:
        consumer.stop(0)
        consumer.finished.result(PATIENCE)


def test_a_property_that_librdkafka_does_not_know_is_refused_at_once() -> None:
    config = IngressSettings(kafka_config={"no.such.property": "1"}).consumer_config()
    with pytest.raises(KafkaException, match=r"no\.such\.property"):
        RecordConsumer(config, ["topic"], Limits(1, 1), lambda _: None)
