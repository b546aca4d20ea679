"""Settings blocks that the services' own settings classes are put together from.

Every variable starts with `TASKFACTORY_`; `__` reaches into a nested value. A service has one class, frozen, and reads
the environment once, at its start.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SECRET_CONFIG_WORDS = (
    "password",
    "secret",
    "token",
    "private",
    "key.pem",
    "jaas",
    "credentials",
    "oauthbearer.config",
)
"""A librdkafka property whose name holds one of these is masked wherever settings are shown."""

SECRET_SETTINGS = ("password", "token", "api_key", "bootstrap_key")
"""A setting whose name ends with one of these is masked even before it is known to be a secret: when it is refused."""

REFERENCES: Final = ("env:", "file:")
"""How a value begins that names a secret's place and is none itself."""

MASKED: Final = "********"

SECRETS_FROM_FILES = (
    "sasl.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "ssl.key.password",
    "ssl.keystore.password",
)
"""librdkafka properties that may be given as the path of a file that holds them, under the name `….file`."""


def _comma_list(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list)]
"""`a,b,c` in the environment, a tuple of strings here."""


class SettingsBlock(BaseSettings):
    """How every block reads the environment."""

    model_config = SettingsConfigDict(env_prefix="TASKFACTORY_", env_nested_delimiter="__", frozen=True, extra="ignore")


PAYLOAD_THRESHOLD_MAX_BYTES: Final = 2 * 1024 * 1024 - 64 * 1024
"""Temporal's default `limit.blobSize.error` is 2 MiB; the margin is for what is around a payload."""


class ProcessSettings(SettingsBlock):
    """What every long-running process understands."""

    metrics_port: int = Field(9464, ge=0, le=65535)
    """Port of `/livez`, `/readyz` and `/metrics`; 0 takes a free one and logs it."""
    metrics_host: str = "0.0.0.0"  # noqa: S104 -- probes and Prometheus come from other hosts
    """Address that the metrics port listens on."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """`auto`: readable on a terminal, JSON elsewhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    drain_timeout: float = Field(20.0, gt=0, le=3600)
    """Seconds that work in flight may take to end after SIGTERM."""


OF_GROUP_MEMBERS: Final = frozenset(
    {"session.timeout.ms", "heartbeat.interval.ms", "max.poll.interval.ms", "partition.assignment.strategy"}
)


class KafkaSettings(SettingsBlock):
    """Where Kafka is. `TASKFACTORY_KAFKA_CONFIG__SESSION_TIMEOUT_MS` becomes librdkafka's `session.timeout.ms`."""

    kafka_bootstrap_servers: str = "127.0.0.1:9092"
    kafka_config: dict[str, str] = Field(default_factory=dict)
    """Any librdkafka property; underscores in the variable's name stand for dots. `…__SASL_PASSWORD_FILE` and the like
    (`SECRETS_FROM_FILES`) name a file with the secret."""

    @field_validator("kafka_config")
    @classmethod
    def _files_can_be_read(cls, given: dict[str, str]) -> dict[str, str]:
        _with_secrets(given)
        return given

    def librdkafka(self, *, group_member: bool = False) -> dict[str, str]:
        """The connection's properties under librdkafka's names; the services add what they fix on top.

        Args:
            group_member: whether the client joins a group; to all others, `OF_GROUP_MEMBERS` are left out, which would
                only make librdkafka warn of them.

        Raises:
            ValueError: a file with a secret can't be read any more.
        """
        given = _with_secrets(self.kafka_config)
        wanted = given if group_member else {name: given[name] for name in given.keys() - OF_GROUP_MEMBERS}
        return {"bootstrap.servers": self.kafka_bootstrap_servers, **wanted}


class DatabaseSettings(SettingsBlock):
    """Where the registry is."""

    database_url: SecretStr = SecretStr("postgresql://127.0.0.1:5432/taskfactory")
    """`postgresql://user:password@host:port/database`; masked wherever it is shown."""


class SchemaRegistrySettings(SettingsBlock):
    """Where the schema registry is, for records in Confluent's wire format. Without a URL they are refused."""

    schema_registry_url: str | None = None
    """Base URL of its Confluent REST API, as `https://registry:8081` or `http://apicurio:8080/apis/ccompat/v7`."""
    schema_registry_user: str | None = None
    """For basic authentication, with the password."""
    schema_registry_password: SecretStr | None = None
    schema_registry_token: SecretStr | None = None
    """Sent as a bearer token, instead of user and password."""
    schema_registry_ca: Path | None = None
    """PEM file with the authorities to trust; the system's without it."""
    schema_registry_cert: Path | None = None
    """PEM file with the client's certificate, and its key unless that has a file of its own."""
    schema_registry_key: Path | None = None
    schema_registry_timeout: float = Field(10.0, gt=0, le=300)
    """Seconds for connecting, and for each part of an answer."""


class TemporalTls(BaseModel):
    """TLS towards Temporal. Certificates and keys are paths of PEM files, or PEM text itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = False
    domain: str | None = None
    """Name expected in the server's certificate, where it differs from the address."""
    server_root_ca_cert: str | None = None
    client_cert: str | None = None
    client_private_key: SecretStr | None = None


class TemporalSettings(SettingsBlock):
    """Where Temporal is: a local server, a cluster of one's own, or Temporal Cloud."""

    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: str = "default"
    temporal_api_key: SecretStr | None = None
    """Sent as a bearer token; switches TLS on."""
    temporal_tls: TemporalTls = TemporalTls()
    payload_storage: SecretStr | None = None
    """Where payloads of `payload_threshold_bytes` or more are kept instead of in Temporal: the URL of a storage, or
    `off`. Without it, the registry's database (TASKFACTORY_DATABASE_URL). The same for all processes of an
    installation, workers included."""
    payload_threshold_bytes: int = Field(256 * 1024, ge=1024, le=PAYLOAD_THRESHOLD_MAX_BYTES)
    """Encoded bytes from which on a payload goes to the storage, and only a reference to Temporal."""
    orchestrator_queue: str = "taskfactory-orchestrator"
    """Task queue on which runs are started by ingress and executed by the orchestrator."""

    @field_validator("payload_storage")
    @classmethod
    def _is_a_url_or_off(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None and given.get_secret_value() != "off" and "://" not in given.get_secret_value():
            raise ValueError("expected the URL of a storage, such as postgresql://user@host/db, or `off`")
        return given


class TopicSettings(SettingsBlock):
    """The topics that taskfactory itself writes."""

    outcomes_topic: str = "taskfactory.outcomes"
    dlq_topic: str = "taskfactory.dlq"
    decisions_topic: str = "taskfactory.decisions"
    decision_stream: bool = False
    """Whether ingress publishes every decision to `decisions_topic`."""


def property_name(variable: str) -> str:
    """The property that a key of `kafka_config` stands for: `SASL_PASSWORD` → `sasl.password`."""
    return variable.lower().replace("_", ".")


def _with_secrets(given: Mapping[str, str]) -> dict[str, str]:
    named = {property_name(name): value for name, value in given.items()}
    for secret in SECRETS_FROM_FILES:
        path = named.pop(f"{secret}.file", None)
        if path is None:
            continue
        variable = f"TASKFACTORY_KAFKA_CONFIG__{secret.upper().replace('.', '_')}"
        if secret in named:
            raise ValueError(f"{variable} and {variable}_FILE are both set; unset one of them")
        try:
            # Editors and `echo` end a file with a newline that belongs to no secret.
            named[secret] = Path(path).read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{variable}_FILE: {path!r} can't be read: {error}") from error
    return named


def pem(value: str) -> bytes:
    """PEM text as bytes: the value itself when it is PEM, otherwise the content of the file it names.

    Raises:
        OSError: the file can't be read.
    """
    return value.encode() if value.lstrip().startswith("-----BEGIN") else Path(value).read_bytes()


def masked(name: str, value: Any) -> Any:
    """The value as it may be shown to people: secrets replaced, the rest unchanged.

    Args:
        name: the setting's name.
        value: what is in force.
    """
    if isinstance(value, SecretStr | str):
        return _masked_text(name, value)
    if name == "kafka_config" and isinstance(value, dict):
        return {key: MASKED if _is_secret(property_name(str(key))) else item for key, item in value.items()}
    if name == "connections":  # what is not a connection yet may hold anything, a secret where it does not belong too
        known = isinstance(value, dict) and all(isinstance(item, BaseModel) for item in value.values())
        return {key: masked(str(key), item) for key, item in value.items()} if known else MASKED
    if isinstance(value, BaseModel):
        return {key: masked(key, getattr(value, key)) for key in type(value).model_fields}
    return value


def _masked_text(name: str, value: SecretStr | str) -> str:
    is_secret = isinstance(value, SecretStr)
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not is_secret and name.endswith(SECRET_SETTINGS):
        return text if text.startswith(REFERENCES) else MASKED
    if "://" in text:
        return _masked_url(text)
    return MASKED if is_secret else text


def _is_secret(name: str) -> bool:
    is_path = name.removesuffix(".file") in SECRETS_FROM_FILES and name.endswith(".file")
    return not is_path and any(word in name for word in SECRET_CONFIG_WORDS)


def _masked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None and not parts.query:
        return url
    user, _, host = parts.netloc.rpartition("@")
    netloc = f"{user.split(':', 1)[0]}:********@{host}" if parts.password is not None else parts.netloc
    query = MASKED if "password" in parts.query else parts.query
    return urlunsplit((parts.scheme, netloc, parts.path, query, parts.fragment))
