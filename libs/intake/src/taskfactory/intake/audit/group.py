"""What a consumer group has committed, asked without joining it."""

import logging
from collections.abc import Collection, Mapping
from typing import Final

from confluent_kafka import Consumer, TopicPartition

ANSWER_SECONDS: Final = 20.0
"""A group's coordinator may have to load first."""


def committed_offsets(
    config: Mapping[str, str], group_id: str, topic: str, partitions: Collection[int]
) -> dict[int, int]:
    """By partition: the offset that the group has committed; those without one are left out.

    Asked through a consumer that never subscribes: librdkafka's admin client was seen to crash when the coordinator
    answers with an error, as it does while it loads.

    Args:
        config: librdkafka properties of the connection.
        group_id: the group.
        topic: the topic.
        partitions: which.

    Raises:
        KafkaException: the cluster did not answer, or refused.
    """
    fixed = {"group.id": group_id, "enable.auto.commit": "false"}
    own = {name: value for name, value in config.items() if not name.startswith("group.")}
    consumer = Consumer({**own, **fixed}, logger=logging.getLogger("taskfactory.intake.librdkafka"))
    try:
        wanted = [TopicPartition(topic, partition) for partition in sorted(partitions)]
        found = consumer.committed(wanted, timeout=ANSWER_SECONDS) if wanted else []
        return {part.partition: part.offset for part in found if part.offset >= 0}
    finally:
        consumer.close()
