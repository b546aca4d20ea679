"""What the stack prepares in its servers: the topics and the database. Doing it again changes nothing."""

import psycopg
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import NewTopic  # the admin module does not export it
from psycopg import sql

from taskfactory.dev.endpoints import DATABASE, DLQ_TOPIC, EVENTS_TOPIC, OUTCOMES_TOPIC, Endpoints
from taskfactory.dev.probes import kafka_admin

PARTITIONS = {EVENTS_TOPIC: 4, OUTCOMES_TOPIC: 4, DLQ_TOPIC: 1}
MAX_RECORD_BYTES = 10_485_760
"""The brokers' own limit, which topics without one have."""
DLQ_MARGIN_BYTES = 1_048_576
"""What a dead letter's headers may add to the record that it carries; `taskfactory migrate` asks for the same."""
TOPIC_CONFIG = {DLQ_TOPIC: {"max.message.bytes": str(MAX_RECORD_BYTES + DLQ_MARGIN_BYTES)}}
_TIMEOUT = 30.0


def create_topics(endpoints: Endpoints) -> None:
    """Create the topics of `PARTITIONS` that do not exist.

    Raises:
        KafkaException: The broker refused one for another reason.
    """
    topics = [NewTopic(name, count, 1, config=TOPIC_CONFIG.get(name, {})) for name, count in PARTITIONS.items()]
    admin = kafka_admin(endpoints)  # outlives its futures, which it would cancel
    for created in admin.create_topics(topics, operation_timeout=_TIMEOUT).values():
        try:
            created.result(_TIMEOUT)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def create_database(endpoints: Endpoints) -> None:
    """Create the database unless it exists.

    Raises:
        psycopg.Error: The server refused for another reason.
    """
    with psycopg.connect(endpoints.database_url, dbname="postgres", autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
