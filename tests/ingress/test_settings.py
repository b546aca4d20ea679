import pytest

from taskfactory.ingress.settings import IngressSettings


def consumer_config(monkeypatch: pytest.MonkeyPatch, **config: str) -> dict[str, str]:
    for name, value in config.items():
        monkeypatch.setenv(f"TASKFACTORY_KAFKA_CONFIG__{name.upper()}", value)
    return IngressSettings().consumer_config()


def test_any_librdkafka_property_can_be_set_over_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    config = consumer_config(monkeypatch, auto_offset_reset="latest", session_timeout_ms="10000")
    assert config["auto.offset.reset"] == "latest"
    assert config["session.timeout.ms"] == "10000"


def test_what_keeps_offsets_safe_cannot_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    config = consumer_config(monkeypatch, enable_auto_commit="true", enable_auto_offset_store="true")
    assert config["enable.auto.commit"] == "false"
    assert config["enable.auto.offset.store"] == "false"


def test_the_assignor_is_left_out_where_the_new_group_protocol_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert consumer_config(monkeypatch)["partition.assignment.strategy"] == "cooperative-sticky"
    assert "partition.assignment.strategy" not in consumer_config(monkeypatch, group_protocol="consumer")


def test_topics_are_a_comma_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFACTORY_KAFKA_TOPICS", "orders, refunds")
    assert IngressSettings().kafka_topics == ("orders", "refunds")
