"""The partitions that are assigned right now, with what is known about each. Pure; in the consumer's thread only."""

from collections.abc import Collection, Iterable

from confluent_kafka import TopicPartition

from taskfactory.ingress.deliveries import Assignment
from taskfactory.ingress.offsets import AssignedOffsets, Partition


class Assignments(dict[Partition, Assignment]):
    """By partition. Every assignment has an epoch of its own in `offsets`."""

    def __init__(self) -> None:
        super().__init__()
        self.offsets = AssignedOffsets()

    def give(self, partition: Partition, now: float) -> Assignment:
        """A partition was assigned.

        Args:
            partition: topic and partition number.
            now: seconds since the epoch.
        """
        self[partition] = Assignment(partition, self.offsets.assign(partition), now)
        return self[partition]

    def begin_again(self, assignment: Assignment, now: float) -> Assignment:
        """What was read of a partition counts no longer: its records come again, from the first one."""
        assignment.withdrawn = True
        fresh = self.give(assignment.partition, now)
        fresh.from_beginning = fresh.verified = True
        return fresh

    def take(self, partition: Partition) -> bool:
        """A partition is gone; False if it was not assigned."""
        self.offsets.revoke(partition)
        return self.pop(partition, None) is not None

    def among(self, partitions: Iterable[TopicPartition]) -> list[Assignment]:
        """The assignments of those of the partitions that have one."""
        return [found for given in partitions if (found := self.get((given.topic, given.partition))) is not None]

    def topics(self) -> set[str]:
        """Their topics."""
        return {topic for topic, _ in self}

    def oldest(self, standing_still: Collection[str] = ()) -> dict[str, float | None]:
        """By topic, when the oldest record was produced that is not disposed; None if there is none.

        Where nothing is in flight and the end has not been reached, the next record's time is not known: it is no older
        than the record received last, so that one's stands for it.

        Args:
            standing_still: topics that are not fetched any more: that their end was reached once says nothing.
        """
        oldest: dict[str, float | None] = dict.fromkeys(self.topics())
        for (topic, _), assignment in self.items():
            waiting = self.offsets.oldest(assignment.partition)
            if waiting is None and (topic in standing_still or not assignment.at_end):
                waiting = assignment.since
            known = oldest[topic]
            if waiting is not None and (known is None or waiting < known):
                oldest[topic] = waiting
        return oldest
