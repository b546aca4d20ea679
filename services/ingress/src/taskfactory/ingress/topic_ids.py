"""Telling a topic from another one that had the same name before.

Kafka gives every topic an id when it is created. An offset is about that topic only, so the id is committed beside it,
as the commit's metadata. A topic that was deleted and created again has another id: then the committed offset says
nothing, and its records are read from the first one.
"""

import re
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Any, Final, Protocol

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

ASK_SECONDS: Final = 5.0
"""How long Kafka may take to answer."""
NOTE: Final = re.compile(r"topic-id=([\w+/=-]+)")


def note(topic_id: str | None) -> str:
    """What is committed beside an offset of the topic with this id; nothing while the id is not known."""
    return "" if topic_id is None else f"topic-id={topic_id}"


def noted(metadata: str | None) -> str | None:
    """The topic's id in a commit's metadata; None if another program committed, or a version that noted none."""
    found = NOTE.fullmatch(metadata or "")
    return found and found[1]


class TopicIds(Protocol):
    """Asks Kafka for the ids of topics."""

    def ask(self, topics: Collection[str]) -> Mapping[str, Future[str]]:
        """The id of each topic, once the answer is there; returns at once."""


class AdminTopicIds:
    """Asks with an admin client of its own, which works under every group protocol and blocks no consumer."""

    def __init__(self, config: Mapping[str, str]) -> None:
        """Create the client; it connects when it is first asked.

        Args:
            config: librdkafka properties of the connection.

        Raises:
            KafkaException: librdkafka refuses the configuration.
        """
        # Whatever is wrong with the connection, the consumer meets too, and says.
        silent: dict[str, Any] = {"log_level": "0", "error_cb": lambda _: None}
        self._client = AdminClient({**config, **silent})

    def ask(self, topics: Collection[str]) -> Mapping[str, Future[str]]:
        """See `TopicIds`."""
        described = self._client.describe_topics(TopicCollection(list(topics)), request_timeout=ASK_SECONDS)
        return {topic: _its_id(future) for topic, future in described.items()}


def _its_id(described: Future[Any]) -> Future[str]:
    topic_id: Future[str] = Future()

    def tell(done: Future[Any]) -> None:
        error = done.exception()
        if error is not None:
            topic_id.set_exception(error)
        else:
            topic_id.set_result(str(done.result().topic_id))

    described.add_done_callback(tell)
    return topic_id
