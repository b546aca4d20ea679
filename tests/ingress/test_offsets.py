from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from taskfactory.ingress.offsets import AssignedOffsets, Partition, PartitionOffsets

ORDERS: Partition = ("orders", 0)


def test_nothing_is_committable_before_a_record_was_received() -> None:
    assert PartitionOffsets(epoch=1).committable is None


def test_the_lowest_record_in_flight_holds_the_committable_offset_back() -> None:
    offsets = PartitionOffsets(epoch=1)
    for offset in (10, 11, 12):
        offsets.received(offset)
    offsets.done(11)
    offsets.done(12)
    assert offsets.committable == 10
    offsets.done(10)
    assert offsets.committable == 13


def test_gaps_between_received_offsets_are_no_obstacle() -> None:
    offsets = PartitionOffsets(epoch=1)
    for offset in (3, 17, 40):
        offsets.received(offset)
    offsets.done(3)
    assert offsets.committable == 17
    offsets.done(17)
    offsets.done(40)
    assert offsets.committable == 41


def test_a_record_received_again_while_in_flight_is_not_worked_on_twice() -> None:
    offsets = PartitionOffsets(epoch=1)
    assert offsets.received(5)
    assert not offsets.received(5)
    offsets.done(5)
    assert offsets.committable == 6


def test_a_record_read_again_after_it_was_done_is_undisposed_again() -> None:
    offsets = PartitionOffsets(epoch=1)
    for offset in (5, 6, 7):
        offsets.received(offset)
        offsets.done(offset)
    assert offsets.received(5)
    assert offsets.committable == 5
    offsets.done(5)
    assert offsets.committable == 6


def test_done_twice_counts_once() -> None:
    offsets = PartitionOffsets(epoch=1)
    offsets.received(1)
    offsets.received(2)
    assert offsets.done(1)
    assert not offsets.done(1)
    assert offsets.committable == 2


def test_memory_holds_only_what_is_in_flight() -> None:
    offsets = PartitionOffsets(epoch=1)
    offsets.received(0)
    for offset in range(1, 10_000):
        offsets.received(offset)
        offsets.done(offset)
    assert offsets.in_flight == 1
    assert offsets.committable == 0


def test_a_completion_from_before_a_rebalance_is_ignored() -> None:
    assigned = AssignedOffsets()
    before = assigned.assign(ORDERS)
    assigned.received(ORDERS, 4)
    assigned.revoke(ORDERS)
    after = assigned.assign(ORDERS)
    assigned.received(ORDERS, 4)
    assert not assigned.done(ORDERS, 4, before)
    assert assigned.committable(ORDERS) == 4
    assert assigned.done(ORDERS, 4, after)
    assert assigned.committable(ORDERS) == 5


def test_a_record_of_a_partition_that_is_not_assigned_is_refused() -> None:
    assigned = AssignedOffsets()
    epoch = assigned.assign(ORDERS)
    assigned.revoke(ORDERS)
    assert not assigned.received(ORDERS, 1)
    assert not assigned.done(ORDERS, 1, epoch)
    assert assigned.committable(ORDERS) is None


class OffsetsOfOnePartition(RuleBasedStateMachine):
    """Any order of fetches, rewinds, completions (stale and repeated ones too) and rebalances.

    The model is naive: it remembers every record it ever saw, and when each was disposed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.assigned = AssignedOffsets()
        self.epoch = self.assigned.assign(ORDERS)
        self.stale: list[tuple[int, int]] = []
        self.undisposed: set[int] = set()
        self.disposed: list[int] = []
        self.position: int | None = None

    @rule(gap=st.integers(0, 3), count=st.integers(1, 5))
    def fetch(self, gap: int, count: int) -> None:
        first = (self.position or 0) + gap
        for offset in range(first, first + count):
            assert self.assigned.received(ORDERS, offset) == (offset not in self.undisposed)
            self.undisposed.add(offset)
        self.position = first + count

    @precondition(lambda self: self.position is not None)
    @rule(data=st.data())
    def kafka_goes_back(self, data: st.DataObject) -> None:
        offset = data.draw(st.integers(0, self.position or 0))
        assert self.assigned.received(ORDERS, offset) == (offset not in self.undisposed)
        self.undisposed.add(offset)
        self.position = offset + 1

    @precondition(lambda self: self.undisposed)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(sorted(self.undisposed)))
        assert self.assigned.done(ORDERS, offset, self.epoch)
        self.undisposed.remove(offset)
        self.disposed.append(offset)

    @precondition(lambda self: self.disposed)
    @rule(data=st.data())
    def complete_again(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(self.disposed))
        accepted = self.assigned.done(ORDERS, offset, self.epoch)
        assert accepted == (offset in self.undisposed)
        self.undisposed.discard(offset)

    @rule()
    def rebalance(self) -> None:
        self.stale += [(offset, self.epoch) for offset in self.undisposed]
        self.assigned.revoke(ORDERS)
        self.epoch = self.assigned.assign(ORDERS)
        self.undisposed.clear()
        self.disposed.clear()
        self.position = None

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def complete_from_before_the_rebalance(self, data: st.DataObject) -> None:
        offset, epoch = data.draw(st.sampled_from(self.stale))
        assert not self.assigned.done(ORDERS, offset, epoch)

    @invariant()
    def committable_never_passes_an_undisposed_record(self) -> None:
        committable = self.assigned.committable(ORDERS)
        if self.position is None:
            assert committable is None
        else:
            assert committable == min([self.position, *self.undisposed])


OffsetsOfOnePartition.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
test_offsets_of_one_partition = OffsetsOfOnePartition.TestCase
