import pytest

from taskfactory.ingress.dead_letter_share import ShareLimit
from taskfactory.ingress.settings import IngressSettings


def consumer_config(monkeypatch: pytest.MonkeyPatch, **config: str) -> dict[str, str]:
    for name, value in config.items():
        monkeypatch.setenv(f"TASKFACTORY_KAFKA_CONFIG__{name.upper()}", value)
    return IngressSettings().consumer_config()


def test_any_librdkafka_property_can_be_set_over_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    config = consumer_config(monkeypatch, auto_offset_reset="latest", session_timeout_ms="10000")
    assert config["auto.offset.reset"] == "latest"
    assert config["session.timeout.ms"] == "10000"


def test_a_new_group_reads_from_the_beginning_hears_of_ends_and_prefetches_within_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = consumer_config(monkeypatch)
    assert config["auto.offset.reset"] == "earliest"
    assert config["enable.partition.eof"] == "true"
    assert int(config["queued.max.messages.kbytes"]) * 1024 < IngressSettings().max_in_flight_bytes


def test_the_share_of_dead_letters_that_stops_is_set_by_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFACTORY_MAX_DEAD_LETTER_SHARE", "0.2")
    monkeypatch.setenv("TASKFACTORY_DEAD_LETTER_WINDOW", "50")
    monkeypatch.setenv("TASKFACTORY_MAX_HOPS", "3")
    limits = IngressSettings().pipeline_limits()
    assert limits.dead_letters == ShareLimit(share=0.2, window=50, at_least=5)
    assert limits.decisions.max_hops == 3


def test_what_keeps_offsets_safe_cannot_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    config = consumer_config(monkeypatch, enable_auto_commit="true", enable_auto_offset_store="true")
    assert config["enable.auto.commit"] == "false"
    assert config["enable.auto.offset.store"] == "false"


def test_the_assignor_is_left_out_where_the_new_group_protocol_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert consumer_config(monkeypatch)["partition.assignment.strategy"] == "cooperative-sticky"
    monkeypatch.setenv("TASKFACTORY_KAFKA_GROUP_PROTOCOL", "consumer")
    config = consumer_config(monkeypatch)
    assert config["group.protocol"] == "consumer"
    assert "partition.assignment.strategy" not in config


@pytest.mark.parametrize("name", ["session_timeout_ms", "heartbeat_interval_ms", "partition_assignment_strategy"])
def test_what_the_new_group_protocol_leaves_to_the_broker_is_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert consumer_config(monkeypatch, **{name: "6000"})[name.replace("_", ".")] == "6000"
    monkeypatch.setenv("TASKFACTORY_KAFKA_GROUP_PROTOCOL", "consumer")
    with pytest.raises(ValueError, match=f"unset TASKFACTORY_KAFKA_CONFIG__{name.upper()}, or use 'classic'"):
        IngressSettings()


@pytest.mark.parametrize("name", ["GROUP_ID", "GROUP_PROTOCOL", "GROUP_INSTANCE_ID"])
def test_what_has_a_setting_of_its_own_is_not_a_property_too(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(ValueError, match=f"use TASKFACTORY_KAFKA_{name}"):
        consumer_config(monkeypatch, **{name: "x"})


def test_a_static_member_says_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "group.instance.id" not in consumer_config(monkeypatch)
    monkeypatch.setenv("TASKFACTORY_KAFKA_GROUP_INSTANCE_ID", "ingress-0")
    assert consumer_config(monkeypatch)["group.instance.id"] == "ingress-0"


def test_topics_are_a_comma_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFACTORY_KAFKA_TOPICS", "orders, refunds")
    assert IngressSettings().kafka_topics == ("orders", "refunds")
