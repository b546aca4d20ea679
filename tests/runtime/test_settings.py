"""What the environment says, and what may be shown of it."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from taskfactory.runtime import (
    CommaList,
    DatabaseSettings,
    KafkaSettings,
    ProcessSettings,
    SchemaRegistrySettings,
    TemporalSettings,
    TemporalTls,
    masked,
)
from taskfactory.runtime.temporal import tls_config


class Settings(ProcessSettings, KafkaSettings, DatabaseSettings, TemporalSettings):
    kafka_topics: CommaList = ("events",)


def test_a_topic_list_is_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFACTORY_KAFKA_TOPICS", "orders, payments,,")
    assert Settings().kafka_topics == ("orders", "payments")


def test_any_librdkafka_property_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFACTORY_KAFKA_BOOTSTRAP_SERVERS", "broker:9092")
    monkeypatch.setenv("TASKFACTORY_KAFKA_CONFIG__SESSION_TIMEOUT_MS", "6000")
    assert Settings().librdkafka() == {"bootstrap.servers": "broker:9092", "session.timeout.ms": "6000"}


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().metrics_port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("temporal_api_key", SecretStr("abc"), "********"),
        ("database_url", SecretStr("postgresql://u:p@h:1/d"), "postgresql://u:********@h:1/d"),
        ("database_url", SecretStr("postgresql://u@h/d?password=p"), "postgresql://u@h/d?********"),
        ("database_url", SecretStr("postgresql://h/d"), "postgresql://h/d"),
        (
            "kafka_config",
            {"sasl_password": "p", "ssl_key_pem": "p", "sasl_username": "u"},
            {"sasl_password": "********", "ssl_key_pem": "********", "sasl_username": "u"},
        ),
        ("schema_registry_password", SecretStr("p"), "********"),
        ("schema_registry_url", "https://u:p@h:1/apis", "https://u:********@h:1/apis"),
        ("schema_registry_url", "https://h:1/apis", "https://h:1/apis"),
        ("metrics_port", 9464, 9464),
    ],
)
def test_secrets_are_masked_where_settings_are_shown(name: str, value: object, shown: object) -> None:
    assert masked(name, value) == shown


def test_the_schema_registry_is_nowhere_unless_its_url_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SchemaRegistrySettings().schema_registry_url is None
    monkeypatch.setenv("TASKFACTORY_SCHEMA_REGISTRY_URL", "http://127.0.0.1:8081")
    monkeypatch.setenv("TASKFACTORY_SCHEMA_REGISTRY_TOKEN", "t")
    settings = SchemaRegistrySettings()
    assert settings.schema_registry_url == "http://127.0.0.1:8081"
    assert "'t'" not in repr(settings)


def test_secrets_inside_the_tls_block_are_masked() -> None:
    tls = TemporalTls(enabled=True, client_private_key=SecretStr("-----BEGIN KEY"))
    assert masked("temporal_tls", tls)["client_private_key"] == "********"


def test_an_api_key_switches_tls_on() -> None:
    assert tls_config(TemporalTls(), api_key=True) is True
    assert tls_config(TemporalTls(), api_key=False) is False


def test_certificates_are_given_as_text_or_as_a_file(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("-----BEGIN CERTIFICATE-----")
    for given in (str(file), file.read_text()):
        config = tls_config(TemporalTls(server_root_ca_cert=given), api_key=False)
        assert not isinstance(config, bool)
        assert config.server_root_ca_cert == b"-----BEGIN CERTIFICATE-----"
