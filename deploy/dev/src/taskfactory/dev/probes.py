"""Whether a server answers, asked the way its clients ask. Each probe gives None or what is wrong."""

import http.client
import socket
from urllib.parse import urlsplit

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from taskfactory.dev.endpoints import Endpoints

_TIMEOUT = 2.0


def kafka_admin(endpoints: Endpoints) -> AdminClient:
    """Open an admin client that keeps its connection troubles to itself: they are expected while a broker starts."""
    return AdminClient({"bootstrap.servers": endpoints.kafka_bootstrap_servers, "log_level": 0})


def kafka(endpoints: Endpoints) -> str | None:
    """Ask the broker for its metadata."""
    if problem := _closed(endpoints.kafka_bootstrap_servers):
        return problem
    try:
        metadata = kafka_admin(endpoints).list_topics(timeout=_TIMEOUT)
    except KafkaException as error:
        return f"gives no metadata: {error.args[0].str()}"
    return None if metadata.brokers else "knows no broker yet"


def temporal(endpoints: Endpoints) -> str | None:
    """Ask for the namespace through the UI's server, which asks the frontend: one question to both."""
    if problem := _closed(endpoints.temporal_address):
        return problem
    return _http(f"{endpoints.temporal_ui_url}/api/v1/namespaces/{endpoints.temporal_namespace}")


def postgres(endpoints: Endpoints) -> str | None:
    """Run a statement; any database will do, ours may not exist yet."""
    try:
        with psycopg.connect(endpoints.database_url, dbname="postgres", connect_timeout=2) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        return f"refuses connections: {str(error).strip()}"
    return None


def schema_registry(endpoints: Endpoints) -> str | None:
    """Ask the registry for its subjects."""
    return _http(f"{endpoints.schema_registry_url}/subjects")


def _closed(address: str) -> str | None:
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=_TIMEOUT).close()
    except OSError as error:
        return f"does not listen on {address}: {error.strerror or error}"
    return None


def _http(url: str) -> str | None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT)
    try:
        connection.request("GET", parts.path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"does not answer on {url}: {error}"
    finally:
        connection.close()
    return None if status == http.HTTPStatus.OK else f"answers {status} on {url}"
