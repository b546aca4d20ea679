import re

import pytest
from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from taskfactory.ingress.connection import Connection

# As librdkafka writes them, from a real broker.
REFUSED = KafkaError(KafkaError._TRANSPORT, "ssl://b:1/bootstrap: Connect failed: refused (after 0ms in state CONNECT)")
WRONG_CA = KafkaError(
    KafkaError._SSL, "ssl://b:1: SSL handshake failed: certificate verify failed (after 5ms in state X)"
)
NO_CERTIFICATE = KafkaError(
    KafkaError._TRANSPORT,
    "ssl://b:1: Receive failed: error:0A:SSL routines::ssl/tls alert bad certificate: SSL alert number 42",
)
WRONG_PASSWORD = KafkaError(
    KafkaError._AUTHENTICATION,
    "sasl_ssl://b:1/bootstrap: SASL authentication error: invalid credentials (after 311ms in state AUTH_REQ)",
)
EXPIRED = KafkaError(KafkaError._AUTHENTICATION, "Failed to acquire token: Must supply an unexpired token")
ALL_DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")


@pytest.mark.parametrize(
    ("error", "sentence", "variable"),
    [
        (WRONG_CA, "no TLS connection to Kafka: .*certificate verify failed; check", "SSL_"),
        (NO_CERTIFICATE, "no TLS connection to Kafka: .*alert bad certificate", "SSL_"),
        (WRONG_PASSWORD, "Kafka does not let this process in: .*invalid credentials; check", "SASL_"),
        (EXPIRED, "Kafka does not let this process in: .*unexpired token", "SASL_"),
    ],
)
def test_why_kafka_does_not_let_one_in_is_said_at_once_and_once(
    error: KafkaError, sentence: str, variable: str
) -> None:
    connection = Connection("b:1")
    with capture_logs() as lines:
        for _ in range(3):
            assert connection.failed(error)
            assert connection.failed(ALL_DOWN)
    [line] = lines
    assert line["event"] == "dependency_unreachable"
    for told in (line["error"], connection.problem()):
        assert re.search(sentence, told or ""), told
        assert f"TASKFACTORY_KAFKA_CONFIG__{variable}" in (told or "")


def test_what_tells_more_is_kept() -> None:
    connection = Connection("b:1")
    for error in (REFUSED, WRONG_CA, REFUSED, NO_CERTIFICATE, REFUSED):
        connection.failed(error)
    connection.reported(0)
    assert "no TLS connection" in (connection.problem() or "")


def test_trouble_with_one_broker_is_none_while_another_answers() -> None:
    connection = Connection("b:1")
    connection.reported(2)
    with capture_logs() as lines:
        connection.failed(REFUSED)
        connection.failed(WRONG_CA)
    assert connection.problem() is None
    assert {line["log_level"] for line in lines} == {"debug"}


def test_a_connection_that_comes_back_is_forgotten_as_a_problem() -> None:
    connection = Connection("b:1")
    connection.failed(WRONG_PASSWORD)
    connection.reported(0)
    with capture_logs() as lines:
        connection.reported(1)
    assert connection.problem() is None
    assert [line["event"] for line in lines] == ["dependency_back"]
    connection.reported(0)
    assert connection.problem() == "no Kafka broker can be reached"


def test_an_error_about_something_else_is_not_the_connection_s() -> None:
    assert not Connection("b:1").failed(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
