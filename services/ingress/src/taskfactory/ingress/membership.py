"""Whether this process is a working member of its consumer group, from what librdkafka reports. Pure."""

import json
from dataclasses import dataclass
from typing import Any

from taskfactory.ingress.offsets import Partition


@dataclass(frozen=True, slots=True)
class GroupStatistics:
    """The few figures out of the statistics JSON (STATISTICS.md of librdkafka) that ingress acts upon."""

    joined: bool
    """Whether the member has settled in its group, with or without partitions."""
    brokers_up: int
    lag: dict[Partition, int]
    """Records between the committed offset and the end of the partition, where known."""


class Membership:
    """Gathers what the consumer's thread hears; any thread may ask for the `problem`."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._joined = False
        self._refused: dict[str, str] = {}
        """Topics that Kafka answered an error for, and which."""

    def joined(self) -> None:
        """The group gave this member its partitions."""
        self._joined = True

    def lost(self) -> None:
        """The group went on without this member."""
        self._joined = False

    def reported(self, statistics: GroupStatistics) -> None:
        """What librdkafka says now and then; a member may have joined without getting a partition."""
        self._joined = self._joined or statistics.joined

    def refused(self, topic: str, error: str) -> bool:
        """Kafka answered an error instead of a topic's records; False if it did so before."""
        if not topic:
            return True
        known = self._refused.get(topic)
        self._refused[topic] = error
        return known != error

    def readable(self, topic: str) -> None:
        """Records of a topic come, or will."""
        self._refused.pop(topic, None)

    def problem(self) -> str | None:
        """What keeps this member from working; None if nothing does."""
        if not self._joined:
            return f"not yet a member of consumer group {self._group!r}"
        return next((f"topic {topic!r}: {error}" for topic, error in self._refused.copy().items()), None)


def parse_statistics(text: str) -> GroupStatistics:
    """Pick the figures out of one statistics document.

    Raises:
        ValueError: not a JSON document.
    """
    document: dict[str, Any] = json.loads(text)
    group = document.get("cgrp", {})
    return GroupStatistics(
        joined=group.get("join_state") == "steady",
        brokers_up=sum(1 for broker in document.get("brokers", {}).values() if broker.get("state") == "UP"),
        lag={
            (name, partition["partition"]): partition["consumer_lag"]
            for name, topic in document.get("topics", {}).items()
            for partition in topic.get("partitions", {}).values()
            if partition.get("consumer_lag", -1) >= 0
        },
    )
