"""What is known about the connection to Kafka, and the sentence that says why there is none.

The consumer's thread tells it errors and statistics; any thread may ask for the `problem`.
"""

import re
from enum import IntEnum
from typing import Final

import structlog
from confluent_kafka import KafkaError

from taskfactory.runtime import Outage

DETAIL_LENGTH: Final = 300
STATE: Final = re.compile(r" \(after \d+ms in state .*")
"""What librdkafka appends: it differs from attempt to attempt."""
TLS_TEXTS: Final = ("SSL routines", "ssl/tls alert", "SSL handshake")
"""In errors of connections that TLS ended; a broker refuses a client's certificate only after the handshake."""

log = structlog.get_logger("taskfactory.ingress")


class Trouble(IntEnum):
    """What a connection failed at; a higher one tells more."""

    NETWORK = 1
    TLS = 2
    LOGIN = 3


SENTENCES: Final = {
    Trouble.NETWORK: "no Kafka broker can be reached: {}",
    Trouble.TLS: "no TLS connection to Kafka: {}; check TASKFACTORY_KAFKA_CONFIG__SSL_… and …__SECURITY_PROTOCOL",
    Trouble.LOGIN: "Kafka does not let this process in: {}; check TASKFACTORY_KAFKA_CONFIG__SASL_…",
}


def trouble_of(error: KafkaError) -> Trouble | None:
    """What kind of trouble with a connection an error is; None if it is about something else."""
    match error.code():
        case KafkaError._AUTHENTICATION:  # noqa: SLF001 -- librdkafka's local codes are spelt so
            return Trouble.LOGIN
        case KafkaError._SSL:  # noqa: SLF001
            return Trouble.TLS
        case KafkaError._TRANSPORT | KafkaError._RESOLVE:  # noqa: SLF001
            return Trouble.TLS if any(text in error.str() for text in TLS_TEXTS) else Trouble.NETWORK
    return None


class Connection:
    """Whether any broker can be used, and why not."""

    def __init__(self, servers: str) -> None:
        variables = "TASKFACTORY_KAFKA_BOOTSTRAP_SERVERS and TASKFACTORY_KAFKA_CONFIG__…"
        self._outage = Outage("kafka", servers, variables)
        self._up: int | None = None
        self._known: tuple[Trouble, str] | None = None
        """Of one connection among others; whether any is left, the statistics say."""

    def failed(self, error: KafkaError) -> bool:
        """An error came; False if it is not about connections."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            self._outage.away(self._sentence() or error.str())
            return True
        trouble = trouble_of(error)
        if trouble is None:
            return False
        if self._known is None or trouble >= self._known[0]:
            self._known = (trouble, SENTENCES[trouble].format(STATE.sub("", error.str())[:DETAIL_LENGTH]))
        if self._up:
            log.debug("kafka_connection", error=error.name(), message=error.str())
        elif trouble is not Trouble.NETWORK:
            # Said at once: librdkafka goes on trying, and does not always report that no broker is left.
            self._outage.away(self._sentence() or error.str())
        return True

    def works(self) -> None:
        """Kafka answered."""
        self._known = None
        self._outage.back()

    def reported(self, brokers_up: int) -> None:
        """What librdkafka says now and then: to how many brokers there is a connection."""
        self._up = brokers_up
        if brokers_up:
            self.works()

    def problem(self) -> str | None:
        """Why nothing can be done with Kafka; None if a broker is connected, or nothing is known yet."""
        sentence = self._sentence()
        if self._up == 0:
            return sentence or "no Kafka broker can be reached"
        return sentence if self._up is None else None

    def _sentence(self) -> str | None:
        known = self._known
        return known and known[1]
