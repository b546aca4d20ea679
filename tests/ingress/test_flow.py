from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from taskfactory.ingress.flow import InFlight, Limits
from taskfactory.ingress.offsets import Partition
from tests.ingress.fakes import record

A: Partition = ("a", 0)
B: Partition = ("b", 0)


def test_a_partition_pauses_at_either_bound_and_resumes_below_half_of_both() -> None:
    flow = InFlight(Limits(records=4, bytes=100))
    for _ in range(3):
        flow.add(A, 10)
    assert not flow.balance([A])
    flow.add(A, 70)
    assert flow.balance([A]) == {A}
    flow.remove(A, 70)
    assert flow.balance([A]) == {A}
    flow.remove(A, 10)
    assert not flow.balance([A])


def test_each_partition_has_an_equal_share() -> None:
    limits = Limits(records=1000, bytes=64_000_000)
    assert (limits.share(1).records, limits.share(1).bytes) == (1000, 64_000_000)
    assert (limits.share(4).records, limits.share(4).bytes) == (250, 16_000_000)


def test_a_share_has_a_floor_unless_the_limit_is_lower_still() -> None:
    assert Limits(1000, 64_000_000).share(500).records == 50
    assert Limits(1000, 64_000_000).share(500).bytes == 1024 * 1024
    assert Limits(10, 1000).share(500).records == 10
    assert Limits(10, 1000).share(500).bytes == 1000


def test_a_paused_partition_takes_no_room_from_the_others() -> None:
    flow = InFlight(Limits(records=200, bytes=1_000_000))
    for _ in range(100):
        flow.add(A, 1)
    assert flow.balance([A, B]) == {A}
    assert flow.room([A, B]) == 100


def test_a_share_that_shrinks_pauses_who_has_more_in_flight() -> None:
    flow = InFlight(Limits(records=200, bytes=1_000_000))
    for _ in range(100):
        flow.add(A, 1)
    assert not flow.balance([A])
    assert flow.balance([A, B]) == {A}


@given(
    st.integers(1, 300),
    st.integers(1, 5),
    st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(1, 400)), max_size=60),
)
def test_whatever_comes_and_is_settled_no_partition_exceeds_its_share_of_records(
    limit: int, partitions: int, steps: list[tuple[bool, int, int]]
) -> None:
    assigned = [("t", number) for number in range(partitions)]
    flow = InFlight(Limits(records=limit, bytes=1_000_000, floor_records=20))
    share = flow.limits.share(partitions).records
    held: Counter[Partition] = Counter()
    for fetched, number, count in steps:
        partition = assigned[number % partitions]
        paused = flow.balance(assigned)
        if not fetched:
            for _ in range(min(count, held[partition])):
                flow.remove(partition, 10)
                held[partition] -= 1
        elif partition not in paused:  # a fetch may come from one partition alone
            for _ in range(min(count, flow.room(assigned))):
                flow.add(partition, 10)
                held[partition] += 1
        assert held[partition] <= share
    assert flow.records == held.total() <= max(limit, min(20, limit) * partitions)
    assert flow.bytes == 10 * held.total()


def test_a_record_takes_room_for_its_headers_too() -> None:
    assert record(0, b"value", key=b"key", headers=(("name", b"0123"), ("none", None))).size == 5 + 3 + 8 + 4
