"""The consumer's thread as a member of a real group, under both group protocols."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic  # the admin module does not export it
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from taskfactory.ingress.consumer import RecordConsumer
from taskfactory.ingress.deliveries import Delivery
from taskfactory.ingress.flow import Limits
from taskfactory.ingress.kafka_consumer import ConsumerFailed
from taskfactory.ingress.settings import IngressSettings
from taskfactory.ingress.topic_ids import AdminTopicIds
from tests.conftest import RunningStack
from tests.ingress.conftest import Site, eventually

COUNT = 4000
PATIENCE = 60

Seen = Counter[tuple[int, int]]
"""How often each record, by partition and offset, was handed out."""


def consumer_of(
    settings: IngressSettings,
    topic: str,
    limits: Limits = Limits(500, 10_000_000),  # noqa: B008 -- frozen
    deliver: Callable[[Sequence[Delivery]], None] = lambda _: None,
    **config: str,
) -> RecordConsumer:
    given = settings.consumer_config() | {name.replace("_", "."): value for name, value in config.items()}
    return RecordConsumer(given, [topic], limits, deliver, topic_ids=AdminTopicIds(settings.librdkafka()))


class Member:
    """A member of the group that disposes of everything it gets, or holds it while told to."""

    def __init__(self, site: Site, protocol: str, limits: Limits, seen: Seen, **config: str) -> None:
        self.seen = seen
        self.held: list[Delivery] = []
        self.hold = threading.Event()
        self.stuck: set[int] = set()
        """Partitions whose records are held."""
        self.going_on = threading.Event()
        """Cleared, it stalls the consumer's own thread."""
        self.going_on.set()
        settings = IngressSettings(
            kafka_bootstrap_servers=site.stack.endpoints.kafka_bootstrap_servers,
            kafka_group_id=site.group,
            kafka_group_protocol=protocol,
            kafka_group_instance_id=config.pop("group_instance_id", None),
        )
        self.consumer = consumer_of(settings, site.topic, limits, self._deliver, **config)
        self.consumer.start()

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        assert self.going_on.wait(PATIENCE)
        for delivery in deliveries:
            self.seen[delivery.record.partition, delivery.record.offset] += 1
            if self.hold.is_set() or delivery.record.partition in self.stuck:
                self.held.append(delivery)
            else:
                self.consumer.settle(delivery, disposed=True)

    @property
    def in_flight(self) -> list[Delivery]:
        """What it holds of partitions that are still its own."""
        return [delivery for delivery in self.held if not delivery.assignment.withdrawn]

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
    seen: Seen = Counter()

    def join(limits: Limits = Limits(500, 10_000_000), **config: str) -> Member:  # noqa: B008 -- frozen
        members.append(Member(wide_site, request.param, limits, seen, **config))
        return members[-1]

    join.protocol = request.param  # type: ignore[attr-defined]
    yield join
    for member in members:
        member.going_on.set()
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


async def test_a_member_that_is_paused_stays_in_the_group_and_within_its_bounds(
    wide_site: Site, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskfactory.ingress.consumer.REVOKE_DRAIN_SECONDS", 0.5)
    member = join(Limits(400, 10_000_000))
    member.hold.set()
    wide_site.produce(*[b"{}"] * COUNT)
    await eventually(lambda: len(member.seen) == 400, "every partition has its share in flight")
    other = join(Limits(400, 10_000_000))
    other.hold.set()
    await eventually(lambda: other.consumer.problem() is None, "another member has joined")
    await eventually(lambda: len(other.held) == 400, "it has as much in flight as it may")
    await eventually(lambda: len(member.in_flight) == 400, "and so has the first")
    assert len(member.held) == 600, "two partitions were given away with all that they had in flight"
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


async def test_a_partition_that_is_stuck_holds_back_no_other(wide_site: Site, join: Join) -> None:
    member = join(Limits(100, 10_000_000))
    member.stuck = {0}
    wide_site.produce(*[b"{}"] * COUNT)
    ends = await eventually(wide_site.end_offsets, "records are there")
    rest = {partition: end for partition, end in ends.items() if partition != 0}
    await eventually(lambda: rest.items() <= wide_site.committed().items(), "the others are read to their ends")
    assert 25 <= len(member.held) <= 50
    assert wide_site.committed()[0] == 0
    member.stuck = set()
    member.release()
    await eventually(lambda: wide_site.committed() == ends, "the stuck one goes on")
    assert set(member.seen.values()) == {1}


@pytest.mark.parametrize("count", [50, 120])
async def test_the_age_is_none_again_once_everything_is_disposed_also_after_a_pause(
    wide_site: Site, join: Join, count: int
) -> None:
    def age() -> float | None:
        metric = "taskfactory_ingress_oldest_event_seconds"
        return REGISTRY.get_sample_value(metric, {"topic": wide_site.topic})

    member = join(Limits(50, 10_000_000))
    await eventually(lambda: age() == 0, "an empty topic has no age")
    member.hold.set()
    wide_site.produce(*[b"{}"] * count, partition=2)
    await eventually(lambda: len(member.held) == 50, "its share is in flight, and it is paused")
    await eventually(age, "it has an age")
    member.release()
    await eventually(lambda: wide_site.committed().get(2) == count, "everything is committed")
    await eventually(lambda: age() == 0, "the age is none again")


def impatient(join: Join) -> dict[str, str]:
    """Properties under which a member that does not poll for two seconds is thrown out."""
    sessions = {"session_timeout_ms": "2000", "heartbeat_interval_ms": "500"}
    return {"max_poll_interval_ms": "2000", **(sessions if join.protocol == "classic" else {})}  # type: ignore[attr-defined]


async def test_a_member_whose_work_is_stuck_is_not_thrown_out(wide_site: Site, join: Join) -> None:
    member = join(**impatient(join))
    member.hold.set()
    wide_site.produce(*[b"{}"] * COUNT)
    await eventually(lambda: len(member.held) == 500, "every partition has its share in flight")
    with capture_logs() as lines:
        since = time.monotonic()
        await eventually(lambda: time.monotonic() - since > 5, "twice max.poll.interval.ms has passed, and more")
        member.release()
        await eventually(lambda: wide_site.committed() == wide_site.end_offsets(), "everything is committed")
    assert not [line for line in lines if line["event"] == "rebalanced"]
    assert set(member.seen.values()) == {1}


async def test_a_member_that_was_thrown_out_commits_nothing_of_what_it_lost(wide_site: Site, join: Join) -> None:
    zombie = join(**impatient(join))
    zombie.hold.set()
    wide_site.produce(*[b"{}"] * 40)
    await eventually(lambda: len(zombie.seen) == 40, "it has everything in flight")
    zombie.going_on.clear()
    wide_site.produce(*[b"{}"] * 40)
    successor = join()
    await eventually(lambda: wide_site.committed() == wide_site.end_offsets(), "its successor did it all")
    before = wide_site.committed()
    assert successor.consumer.problem() is None
    zombie.going_on.set()
    zombie.release()
    await eventually(lambda: all(not d.assignment.withdrawn for d in zombie.held), "it works again")
    wide_site.produce(*[b"{}"] * 40)
    await eventually(lambda: wide_site.committed() == wide_site.end_offsets(), "both go on")
    assert before.items() <= {p: min(end, before[p]) for p, end in wide_site.committed().items()}.items()


async def test_a_static_member_that_is_back_soon_disturbs_nobody(wide_site: Site, join: Join) -> None:
    steady = join(group_instance_id="steady")
    restarted = join(group_instance_id="restarted")
    for member in (steady, restarted):
        await eventually(lambda m=member: m.consumer.problem() is None, "it has joined")  # type: ignore[misc]
    wide_site.produce(*[b"{}"] * COUNT)
    await eventually(lambda: wide_site.committed() == wide_site.end_offsets(), "everything is read")
    with capture_logs() as lines:
        restarted.leave()
        again = join(group_instance_id="restarted")
        wide_site.produce(*[b"{}"] * COUNT)
        await eventually(lambda: wide_site.committed() == wide_site.end_offsets(), "everything is read")
        assert again.consumer.problem() is None
    changes = [line["change"] for line in lines if line["event"] == "rebalanced"]
    assert changes == ["revoked", "assigned"], "only the restarted one's own"
    assert set(steady.seen.values()) == {1}


async def test_two_processes_with_one_instance_id_end_loudly(wide_site: Site, join: Join) -> None:
    members = [join(group_instance_id="one")]
    await eventually(lambda: members[0].consumer.problem() is None, "it has joined")
    members.append(join(group_instance_id="one"))
    ended = await eventually(lambda: [m for m in members if m.consumer.finished.done()], "one of them ends")
    with pytest.raises(ConsumerFailed, match="TASKFACTORY_KAFKA_GROUP_INSTANCE_ID"):
        ended[0].consumer.finished.result()


@pytest.mark.parametrize("count", [3 * COUNT, 400], ids=["with-more-records", "with-fewer-records"])
async def test_a_topic_that_is_recreated_while_it_is_read_is_read_from_its_beginning(
    wide_site: Site, join: Join, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr("taskfactory.ingress.incarnations.LOOK_SECONDS", 0.5)
    member = join()
    wide_site.produce(*[b"{}"] * COUNT)
    await eventually(lambda: len(member.seen) == COUNT, "the first topic is read")
    member.hold.set()
    wide_site.produce(*[b"{}"] * 40)  # in flight when the topic goes
    await eventually(lambda: len(member.held) == 40, "they are in flight")
    await asyncio.to_thread(wide_site.recreate)
    member.seen.clear()
    wide_site.produce(*[b"{}"] * count)
    member.release()
    ends = await eventually(wide_site.end_offsets, "the new topic has records")
    everything = {(partition, offset) for partition, end in ends.items() for offset in range(end)}
    await eventually(lambda: everything <= member.seen.keys(), "every record of the new topic is read")
    await eventually(lambda: wide_site.committed() == ends, "everything is committed")


@pytest.mark.parametrize("count", [3 * COUNT, 400], ids=["with-more-records", "with-fewer-records"])
async def test_a_late_commit_of_a_deleted_topic_hides_nothing_of_the_new_one(
    wide_site: Site, join: Join, count: int
) -> None:
    member = join()
    wide_site.produce(*[b"{}"] * COUNT)
    await eventually(lambda: wide_site.committed() == wide_site.end_offsets(), "the first topic is read")
    member.leave()
    old = wide_site.commits()
    await asyncio.to_thread(wide_site.recreate)
    wide_site.produce(*[b"{}"] * count)
    # What a member does that learns of the deletion by having its partitions revoked.
    wide_site.reader.commit(offsets=old, asynchronous=False)
    member.seen.clear()
    join()
    ends = wide_site.end_offsets()
    everything = {(partition, offset) for partition, end in ends.items() for offset in range(end)}
    await eventually(lambda: everything == member.seen.keys(), "every record of the new topic is read")
    await eventually(lambda: wide_site.committed() == ends, "everything is committed")


async def test_a_consumer_that_finds_no_broker_says_so_and_stops_all_the_same() -> None:
    settings = IngressSettings(kafka_bootstrap_servers="127.0.0.1:1")
    consumer = consumer_of(settings, "topic", statistics_interval_ms="100")
    consumer.start()
    await eventually(lambda: "no Kafka broker can be reached: " in (consumer.problem() or ""), "it says so")
    consumer.stop(0)
    consumer.finished.result(PATIENCE)


async def test_a_topic_that_is_not_there_is_a_problem_until_it_is(stack: RunningStack) -> None:
    topic = stack.name("late")
    settings = IngressSettings(kafka_bootstrap_servers=stack.endpoints.kafka_bootstrap_servers, kafka_group_id=topic)
    consumer = consumer_of(settings, topic, topic_metadata_refresh_interval_ms="200")
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
    with pytest.raises(KafkaException, match=r"no\.such\.property"):
        consumer_of(IngressSettings(kafka_config={"no.such.property": "1"}), "topic")
