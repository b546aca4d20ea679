"""The topics that taskfactory writes: created when they are missing, with the broker's own defaults.

The dead letter topic takes larger records than any input topic: a record that was refused for its size has to fit,
together with the headers that say why.
"""

import re
from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

REQUEST_SECONDS: Final = 20.0
MAX_MESSAGE_BYTES: Final = "max.message.bytes"
BROKER_DEFAULT_BYTES: Final = 1_048_588
"""Kafka's default for `max.message.bytes`."""
DLQ_MARGIN_BYTES: Final = 1_048_576
"""Room for the headers of a dead letter, beyond the largest record of the input topics."""


def prepare_topics(admin: AdminClient, outcomes: str, dlq: str, inputs: Sequence[str]) -> list[str]:
    """Create the outcomes and dead letter topics, or raise the latter's record size where it is too small.

    Args:
        admin: connected to the cluster.
        outcomes: name of the outcomes topic.
        dlq: name of the dead letter topic.
        inputs: the ingress's topics, `^` starting a regular expression; those that do not exist yet count with Kafka's
            default.

    Returns:
        What was done or found, one line per topic.

    Raises:
        KafkaException: the cluster can't be reached or refuses.
    """
    existing = set(admin.list_topics(timeout=REQUEST_SECONDS).topics)
    read = {name for name in existing if name != dlq and any(_names(topic, name) for topic in inputs)}
    limits = _record_limits(admin, sorted(read | (existing & {dlq})))
    needed = max([BROKER_DEFAULT_BYTES, *(limits[name] for name in read)]) + DLQ_MARGIN_BYTES
    lines = [f"topic {outcomes!r} is there" if outcomes in existing else create_topic(admin, outcomes, {})]
    if dlq not in existing:
        lines.append(create_topic(admin, dlq, {MAX_MESSAGE_BYTES: str(needed)}))
    elif limits[dlq] < needed:
        lines.append(_raise_limit(admin, dlq, limits[dlq], needed))
    else:
        lines.append(f"topic {dlq!r} is there, records up to {limits[dlq]:,} bytes")
    return lines


def _names(topic: str, name: str) -> bool:
    return re.search(topic, name) is not None if topic.startswith("^") else topic == name


def _record_limits(admin: AdminClient, topics: Sequence[str]) -> dict[str, int]:
    if not topics:
        return {}
    asked = admin.describe_configs(
        [ConfigResource(ResourceType.TOPIC, topic) for topic in topics], request_timeout=REQUEST_SECONDS
    )
    return {
        resource.name: int(future.result(REQUEST_SECONDS)[MAX_MESSAGE_BYTES].value)
        for resource, future in asked.items()
    }


def create_topic(admin: AdminClient, topic: str, config: dict[str, str]) -> str:
    """Create a topic with the broker's default partitions and replicas; one that exists stays as it is.

    Returns:
        What was done, for people.

    Raises:
        KafkaException: the cluster can't be reached or refuses.
    """
    # -1 partitions and replicas: the broker's num.partitions and default.replication.factor.
    (future,) = admin.create_topics([NewTopic(topic, -1, -1, config=config)], request_timeout=REQUEST_SECONDS).values()
    try:
        future.result(REQUEST_SECONDS)
    except KafkaException as error:
        if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
            raise
        return f"topic {topic!r} is there"
    size = f", records up to {int(config[MAX_MESSAGE_BYTES]):,} bytes" if MAX_MESSAGE_BYTES in config else ""
    return f"topic {topic!r} created{size}"


def _raise_limit(admin: AdminClient, topic: str, found: int, needed: int) -> str:
    entry = ConfigEntry(MAX_MESSAGE_BYTES, str(needed), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    (future,) = admin.incremental_alter_configs([resource], request_timeout=REQUEST_SECONDS).values()
    future.result(REQUEST_SECONDS)
    return f"topic {topic!r}: record size raised from {found:,} to {needed:,} bytes"
