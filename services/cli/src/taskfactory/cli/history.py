"""Topics' histories for the length of one command, and what to say of a topic that there is not."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.admin import AdminClient

from taskfactory.cli.errors import OperationFailed
from taskfactory.cli.kafka import ANSWER_SECONDS, kafka
from taskfactory.cli.named import did_you_mean
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
    at = f"Kafka at {settings.kafka_bootstrap_servers}"
    if error.partition is not None:
        return OperationFailed(f"{at}: {error}.")
    if error.topic == settings.dlq_topic:
        return OperationFailed(
            f"{at}: {error}.", "`taskfactory migrate` creates it; TASKFACTORY_DLQ_TOPIC names another."
        )
    known = admin.list_topics(timeout=ANSWER_SECONDS).topics
    return OperationFailed(f"{at}: {error}{did_you_mean(error.topic, known)}.", "Check --topic, and the cluster.")
