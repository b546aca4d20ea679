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


def test_a_record_read_again_below_one_in_flight_holds_the_committable_offset_back_until_it_is_done() -> None:
    offsets = PartitionOffsets(epoch=1)
    offsets.received(3, 3.0)
    offsets.done(3)
    offsets.received(7, 7.0)
    assert offsets.received(3, 3.0)
    assert offsets.received(4, 4.0)
    assert (offsets.committable, offsets.oldest) == (3, 3.0)
    offsets.done(3)
    assert (offsets.committable, offsets.oldest) == (4, 4.0)
    offsets.done(4)
    assert (offsets.committable, offsets.oldest) == (5, 7.0)


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
    """One partition that two processes own in turn, with any order of fetches, rewinds and completions.

    Kafka is part of the model: it keeps the group's commit, gives it to the next owner, and refuses commits of who owns
    nothing. A process that lost the partition without noticing yet (a zombie) goes on completing and trying to commit.
    The model is naive: it remembers every record and whether it was ever disposed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.processes = [AssignedOffsets(), AssignedOffsets()]
        self.owner: int | None = None
        """Who owns the partition, as Kafka sees it."""
        self.believers: dict[int, int] = {}
        """Processes that take themselves for the owner, with the epoch of their assignment."""
        self.in_flight: dict[int, set[int]] = {0: set(), 1: set()}
        self.stale: list[tuple[int, int, int]] = []
        """Process, offset and epoch of what was in flight when its assignment ended."""
        self.disposed: set[int] = set()
        self.positions: dict[int, int | None] = {0: None, 1: None}
        self.committed = 0
        self.log: set[int] = set()
        """Offsets that hold a record; the others are gaps."""
        self.end = 0

    @rule(gap=st.integers(0, 3), count=st.integers(1, 5))
    def produce(self, gap: int, count: int) -> None:
        first = self.end + gap
        self.log |= set(range(first, first + count))
        self.end = first + count

    @precondition(lambda self: self.owner is None)
    @rule(process=st.integers(0, 1))
    def assign(self, process: int) -> None:
        if process in self.believers:  # a zombie hears of its loss before it is given anything
            self.lose(process)
        self.owner = process
        self.believers[process] = self.processes[process].assign(ORDERS)
        self.positions[process] = None

    @precondition(lambda self: self.owner is not None)
    @rule(noticed=st.booleans())
    def revoke_or_lose(self, noticed: bool) -> None:  # noqa: FBT001 -- hypothesis draws it
        """Revoked: it commits, then forgets. Thrown out: it goes on as a zombie."""
        process = self.owner or 0
        if noticed:
            self.commit(process)
            self.lose(process)
        self.owner = None

    @precondition(lambda self: bool(set(self.believers) - {self.owner}))
    @rule(data=st.data())
    def zombie_hears_of_its_loss(self, data: st.DataObject) -> None:
        self.lose(data.draw(st.sampled_from(sorted(set(self.believers) - {self.owner}))))

    def lose(self, process: int) -> None:
        epoch = self.believers.pop(process)
        self.stale += [(process, offset, epoch) for offset in self.in_flight[process]]
        self.in_flight[process].clear()
        self.processes[process].revoke(ORDERS)

    @precondition(lambda self: self.believers)
    @rule(data=st.data(), count=st.integers(1, 5))
    def fetch(self, data: st.DataObject, count: int) -> None:
        process = data.draw(st.sampled_from(sorted(self.believers)))
        position = self.positions[process]
        start = self.committed if position is None else position
        for offset in sorted(offset for offset in self.log if offset >= start)[:count]:
            self.receive(process, offset)

    @precondition(lambda self: any(self.positions[process] for process in self.believers))
    @rule(data=st.data())
    def kafka_goes_back(self, data: st.DataObject) -> None:
        process = data.draw(st.sampled_from([number for number in self.believers if self.positions[number]]))
        read = sorted(offset for offset in self.log if offset < (self.positions[process] or 0))
        self.receive(process, data.draw(st.sampled_from(read)))

    def receive(self, process: int, offset: int) -> None:
        known = offset in self.in_flight[process]
        assert self.processes[process].received(ORDERS, offset, float(offset)) != known
        self.in_flight[process].add(offset)
        self.positions[process] = offset + 1

    @precondition(lambda self: any(self.in_flight.values()))
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        process = data.draw(st.sampled_from([number for number in (0, 1) if self.in_flight[number]]))
        offset = data.draw(st.sampled_from(sorted(self.in_flight[process])))
        epoch = self.believers[process]
        assert self.processes[process].done(ORDERS, offset, epoch)
        assert not self.processes[process].done(ORDERS, offset, epoch), "done twice counts once"
        self.in_flight[process].remove(offset)
        self.disposed.add(offset)

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def complete_from_before_the_rebalance(self, data: st.DataObject) -> None:
        process, offset, epoch = data.draw(st.sampled_from(self.stale))
        assert not self.processes[process].done(ORDERS, offset, epoch)
        self.disposed.add(offset)  # its run was started all the same

    @precondition(lambda self: self.believers)
    @rule(data=st.data())
    def commit_now(self, data: st.DataObject) -> None:
        self.commit(data.draw(st.sampled_from(sorted(self.believers))))

    def commit(self, process: int) -> None:
        committable = self.processes[process].committable(ORDERS)
        if committable is not None and process == self.owner:  # Kafka fences everybody else off
            self.committed = committable

    @invariant()
    def no_commit_passes_an_undisposed_record(self) -> None:
        assert {offset for offset in self.log if offset < self.committed} <= self.disposed

    @invariant()
    def what_is_committable_and_oldest_is_the_lowest_in_flight(self) -> None:
        for process in self.believers:
            position, waiting = self.positions[process], self.in_flight[process]
            assert self.processes[process].oldest(ORDERS) == (min(waiting) if waiting else None)
            expected = None if position is None else min([position, *waiting])
            assert self.processes[process].committable(ORDERS) == expected


OffsetsOfOnePartition.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
test_offsets_of_one_partition = OffsetsOfOnePartition.TestCase
