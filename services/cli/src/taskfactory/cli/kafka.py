"""Kafka for the length of one command, and what to say when it does not answer."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from taskfactory.cli.alike import did_you_mean
from taskfactory.cli.errors import BadInput, OperationFailed
from taskfactory.cli.variables import reaching
from taskfactory.runtime.settings import KafkaSettings, TopicSettings

ANSWER_SECONDS: Final = 10.0
"""How long a command waits for the first answer of the cluster."""

UNREACHABLE: Final = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 -- librdkafka's names of its local errors
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
    }
)
LOCKED_OUT: Final = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL})  # noqa: SLF001
"""What a connection failed at when the settings are to blame, and not a broker that is away."""
ALSO: Final = " and TASKFACTORY_KAFKA_CONFIG__…"

LOG: Final = logging.getLogger("taskfactory.cli.librdkafka")
# The command says in a sentence what went wrong; the client's own lines about every attempt would only hide it.
for quiet in (LOG, logging.getLogger("taskfactory.envelope")):
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False


class BrokerSettings(KafkaSettings, TopicSettings):
    """What a command needs that only reads or writes topics: a part of `CliSettings`, which takes longer to import."""


@contextmanager
def kafka(settings: KafkaSettings, answer_seconds: float | None = None) -> Iterator[AdminClient]:
    """A client of the cluster, which has answered within `answer_seconds`, by default `ANSWER_SECONDS`.

    Raises:
        BadInput: librdkafka knows no such property, or not with that value.
        OperationFailed: the cluster does not answer, or refuses something within the block.
    """
    heard: list[KafkaError] = []
    callback: dict[str, Any] = {"error_cb": heard.append}
    admin = None
    try:
        admin = AdminClient({**settings.librdkafka(), **callback}, logger=LOG)
        admin.list_topics(timeout=ANSWER_SECONDS if answer_seconds is None else answer_seconds)
        yield admin
    except KafkaException as error:
        cause = error.args[0]
        if not isinstance(cause, KafkaError):
            raise
        if cause.code() == KafkaError._INVALID_ARG:  # noqa: SLF001 -- librdkafka's name of a local error
            raise BadInput([f"TASKFACTORY_KAFKA_CONFIG__…: {cause.str()}"]) from error
        if admin is not None and cause.code() in UNREACHABLE:
            admin.poll(0)  # lets it tell what its connections failed at
            cause = _most_telling([*heard, cause])
        what = f"Kafka at {settings.kafka_bootstrap_servers} could not be used: {cause.str()}."
        raise OperationFailed(
            what, reaching("TASKFACTORY_KAFKA_BOOTSTRAP_SERVERS", ALSO) if cause.code() in UNREACHABLE else None
        ) from error


def _most_telling(errors: Sequence[KafkaError]) -> KafkaError:
    """Of what was heard, last of it the command's own failure: who was locked out, else what a connection met."""
    order = (LOCKED_OUT, {KafkaError._TRANSPORT, KafkaError._RESOLVE})  # noqa: SLF001
    return next((error for codes in order for error in errors if error.code() in codes), errors[-1])


def no_topic(admin: AdminClient, topic: str, settings: KafkaSettings, hint: str) -> OperationFailed:
    """The error to raise when there is no such topic.

    Args:
        admin: knows those that there are.
        topic: its name.
        settings: name the cluster.
        hint: what to do.

    Raises:
        KafkaException: the cluster does not answer.
    """
    alike = did_you_mean(topic, admin.list_topics(timeout=ANSWER_SECONDS).topics)
    return OperationFailed(f"There is no topic {topic!r} at {settings.kafka_bootstrap_servers}{alike}.", hint)


def has_topic(admin: AdminClient, topic: str) -> bool:
    """Whether the topic exists.

    Raises:
        KafkaException: the cluster does not answer.
    """
    return topic in admin.list_topics(timeout=ANSWER_SECONDS).topics
