"""What every taskfactory process shares: settings, logs, health endpoints, orderly shutdown."""

from taskfactory.runtime.failpoints import failpoint
from taskfactory.runtime.health import Health, HealthServer
from taskfactory.runtime.logs import configure_logs
from taskfactory.runtime.outage import Outage
from taskfactory.runtime.service import Service, Shared, serve
from taskfactory.runtime.settings import (
    CommaList,
    DatabaseSettings,
    KafkaSettings,
    ProcessSettings,
    SchemaRegistrySettings,
    TemporalSettings,
    TemporalTls,
    TopicSettings,
    masked,
)
from taskfactory.runtime.temporal import connect

__all__ = [
    "CommaList",
    "DatabaseSettings",
    "Health",
    "HealthServer",
    "KafkaSettings",
    "Outage",
    "ProcessSettings",
    "SchemaRegistrySettings",
    "Service",
    "Shared",
    "TemporalSettings",
    "TemporalTls",
    "TopicSettings",
    "configure_logs",
    "connect",
    "failpoint",
    "masked",
    "serve",
]
