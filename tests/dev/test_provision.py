"""The stack's topics are as `taskfactory migrate` wants them, so that it finds nothing to change."""

from taskfactory.cli import kafka_setup
from taskfactory.dev.endpoints import DLQ_TOPIC
from taskfactory.dev.kafka import SETTINGS
from taskfactory.dev.provision import TOPIC_CONFIG


def test_the_dead_letter_topic_takes_what_the_events_topic_takes_and_the_headers() -> None:
    events_limit = int(SETTINGS["message.max.bytes"])
    wanted = str(events_limit + kafka_setup.DLQ_MARGIN_BYTES)
    assert {DLQ_TOPIC: {kafka_setup.MAX_MESSAGE_BYTES: wanted}} == TOPIC_CONFIG
