"""What librdkafka's periodic statistics say about the group, the brokers and the lag."""

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
