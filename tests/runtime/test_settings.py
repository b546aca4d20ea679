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
    assert Settings().librdkafka(group_member=True) == {
        "bootstrap.servers": "broker:9092",
        "session.timeout.ms": "6000",
    }


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


def test_a_secret_of_kafka_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("let me in\n")
    monkeypatch.setenv("TASKFACTORY_KAFKA_CONFIG__SASL_PASSWORD_FILE", str(secret))
    settings = KafkaSettings()
    assert settings.librdkafka()["sasl.password"] == "let me in"
    assert "sasl.password.file" not in settings.librdkafka()
    assert masked("kafka_config", settings.kafka_config) == {"sasl_password_file": str(secret)}


def test_a_secret_s_file_that_is_not_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFACTORY_KAFKA_CONFIG__SASL_PASSWORD_FILE", "/nowhere/password")
    with pytest.raises(ValueError, match=r"SASL_PASSWORD_FILE: '/nowhere/password' can't be read: .*No such file"):
        KafkaSettings()


def test_a_secret_and_its_file_are_not_both_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TASKFACTORY_KAFKA_CONFIG__SSL_KEY_PASSWORD", "x")
    monkeypatch.setenv("TASKFACTORY_KAFKA_CONFIG__SSL_KEY_PASSWORD_FILE", str(tmp_path))
    with pytest.raises(ValueError, match="are both set; unset one of them"):
        KafkaSettings()


def test_a_file_property_of_librdkafka_itself_stays_what_it_is() -> None:
    config = {"sasl_oauthbearer_assertion_private_key_file": "/key.pem"}
    given = KafkaSettings(kafka_config=config).librdkafka()
    assert given["sasl.oauthbearer.assertion.private.key.file"] == "/key.pem"


def test_what_concerns_group_members_only_is_told_to_no_other_client() -> None:
    settings = KafkaSettings(kafka_config={"session_timeout_ms": "6000", "client_id": "x"})
    assert settings.librdkafka() == {"bootstrap.servers": "127.0.0.1:9092", "client.id": "x"}
    assert settings.librdkafka(group_member=True)["session.timeout.ms"] == "6000"
