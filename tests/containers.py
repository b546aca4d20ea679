"""The tests' stack as throw-away containers, where a Docker engine answers."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from testcontainers.community.kafka import KafkaContainer
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from taskfactory.dev import Endpoints
from taskfactory.dev.provision import create_topics

KAFKA = {
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
    "KAFKA_MESSAGE_MAX_BYTES": "10485760",
}


@contextmanager
def containers() -> Iterator[Endpoints]:
    """Kafka, PostgreSQL and Temporal on free ports; gone when the block ends."""
    with ExitStack() as started:
        kafka = KafkaContainer("confluentinc/cp-kafka:8.1.0").with_kraft().with_envs(**KAFKA)
        postgres = PostgresContainer(
            "postgres:17", username="taskfactory", password="taskfactory", dbname="taskfactory", driver=None
        ).with_command("postgres -c max_connections=200")
        temporal = (
            DockerContainer("temporalio/temporal:1.5.1")
            .with_command("server start-dev --ip 0.0.0.0")
            .with_exposed_ports(7233, 8233)
            .waiting_for(LogMessageWaitStrategy("Server:"))
        )
        for container in (kafka, postgres, temporal):
            started.enter_context(container)
        host = temporal.get_container_host_ip()
        endpoints = Endpoints(
            kafka_bootstrap_servers=kafka.get_bootstrap_server(),
            database_url=postgres.get_connection_url(),
            temporal_address=f"{host}:{temporal.get_exposed_port(7233)}",
            temporal_ui_url=f"http://{host}:{temporal.get_exposed_port(8233)}",
        )
        create_topics(endpoints)
        yield endpoints
