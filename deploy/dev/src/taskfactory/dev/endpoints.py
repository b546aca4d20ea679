"""Where the stack answers, and the environment that points any taskfactory program at it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

HOST = "127.0.0.1"
USER = "taskfactory"
DATABASE = "taskfactory"
NAMESPACE = "default"
EVENTS_TOPIC = "events"
OUTCOMES_TOPIC = "taskfactory.outcomes"
DLQ_TOPIC = "taskfactory.dlq"


@dataclass(frozen=True)
class ApiAccess:
    """What the Admin API's server and its callers must agree on.

    Attributes:
        port: On loopback.
        key: With every role; the form of all keys, `tf_<8>_<43>`.
    """

    port: int
    key: str = field(repr=False)


@dataclass(frozen=True)
class Endpoints:
    """Addresses of a running stack; all of them on loopback.

    Attributes:
        kafka_bootstrap_servers: `host:port`.
        database_url: libpq URL of the database `taskfactory`; its user may create further databases.
        temporal_address: `host:port` of the gRPC frontend.
        temporal_ui_url: Base URL of Temporal's web UI.
        schema_registry_url: Base URL of the Confluent API; None where the stack runs without a schema registry.
        temporal_namespace: The namespace that exists.
        api: The Admin API's port and key; None where no folder keeps them.
    """

    kafka_bootstrap_servers: str
    database_url: str
    temporal_address: str
    temporal_ui_url: str
    schema_registry_url: str | None = None
    temporal_namespace: str = NAMESPACE
    api: ApiAccess | None = None

    @classmethod
    def at(cls, ports: Mapping[str, int]) -> "Endpoints":
        """Build the addresses from the ports, named as in `Ports`."""
        registry = ports.get("schema_registry")
        return cls(
            kafka_bootstrap_servers=f"{HOST}:{ports['kafka']}",
            database_url=f"postgresql://{USER}@{HOST}:{ports['postgres']}/{DATABASE}",
            temporal_address=f"{HOST}:{ports['temporal']}",
            temporal_ui_url=f"http://{HOST}:{ports['ui']}",
            schema_registry_url=f"http://{HOST}:{registry}/apis/ccompat/v7" if registry else None,
        )

    @property
    def api_url(self) -> str | None:
        """Where the Admin API answers while `taskfactory run` serves it."""
        return f"http://{HOST}:{self.api.port}" if self.api else None

    def env(self) -> dict[str, str]:
        """Give the `TASKFACTORY_*` variables of the settings classes."""
        return {
            "TASKFACTORY_KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap_servers,
            "TASKFACTORY_KAFKA_TOPICS": EVENTS_TOPIC,
            "TASKFACTORY_KAFKA_GROUP_ID": "taskfactory",
            "TASKFACTORY_OUTCOMES_TOPIC": OUTCOMES_TOPIC,
            "TASKFACTORY_DLQ_TOPIC": DLQ_TOPIC,
            "TASKFACTORY_DATABASE_URL": self.database_url,
            "TASKFACTORY_TEMPORAL_ADDRESS": self.temporal_address,
            "TASKFACTORY_TEMPORAL_NAMESPACE": self.temporal_namespace,
            # Several processes share one machine here: each takes a free port and logs it.
            "TASKFACTORY_METRICS_PORT": "0",
            **({"TASKFACTORY_SCHEMA_REGISTRY_URL": self.schema_registry_url} if self.schema_registry_url else {}),
            **(_api_env(self.api) if self.api else {}),
        }


def _api_env(api: ApiAccess) -> dict[str, str]:
    # Without TASKFACTORY_API_URL: commands bring the API along, and so work before anything serves it.
    return {
        "TASKFACTORY_API_PORT": str(api.port),
        "TASKFACTORY_API_BOOTSTRAP_KEY": api.key,
        "TASKFACTORY_API_KEY": api.key,
    }
