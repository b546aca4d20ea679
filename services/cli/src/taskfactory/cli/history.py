"""Topics' histories for the length of one command, and what to say of a topic that there is not."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.admin import AdminClient

from taskfactory.cli.errors import OperationFailed
from taskfactory.cli.kafka import kafka, no_topic
from taskfactory.cli.settings import CliSettings
from taskfactory.intake import History, UnknownTopic, open_history


@contextmanager
def history(settings: CliSettings) -> Iterator[History]:
    """Topics' histories, read without a consumer group.

    Raises:
        BadInput: librdkafka knows no such property, or not with that value.
        OperationFailed: the cluster does not answer, or within the block, there is no such topic or partition.
    """
    with kafka(settings) as admin, open_history(settings.librdkafka()) as opened:
        try:
            yield opened
        except UnknownTopic as error:
            raise _unknown(error, settings, admin) from error


def _unknown(error: UnknownTopic, settings: CliSettings, admin: AdminClient) -> OperationFailed:
    if error.partition is not None:
        return OperationFailed(f"At {settings.kafka_bootstrap_servers}, {error}.")
    if error.topic == settings.dlq_topic:
        hint = "`taskfactory migrate` creates it; TASKFACTORY_DLQ_TOPIC names another."
    else:
        hint = "Check --topic and TASKFACTORY_KAFKA_BOOTSTRAP_SERVERS."
    return no_topic(admin, error.topic, settings, hint)
