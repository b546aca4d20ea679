import pytest
from prometheus_client import CollectorRegistry

from taskfactory.ingress.computed_gauges import SecondsSince
from taskfactory.ingress.in_flight_decisions import InFlightDecisions


@pytest.fixture
def decisions() -> InFlightDecisions:
    return InFlightDecisions(clock=lambda: 1000.0)


def test_each_definition_waits_until_its_own_part_is_durable(decisions: InFlightDecisions) -> None:
    with decisions.waiting(["orders", "audit"], 5_000) as durable:
        assert decisions.oldest() == {"orders": 5.0, "audit": 5.0}
        durable()
        assert decisions.oldest() == {"audit": 5.0}
        durable()
        assert decisions.oldest() == {}


def test_the_oldest_of_several_records_counts(decisions: InFlightDecisions) -> None:
    with decisions.waiting(["orders"], 7_000) as younger:
        with decisions.waiting(["orders"], 5_000):
            assert decisions.oldest() == {"orders": 5.0}
            assert decisions.records() == {"orders": 2}
        assert decisions.oldest() == {"orders": 7.0}
        younger()
    assert decisions.oldest() == decisions.records() == {}


def test_what_is_left_to_another_process_waits_no_longer(decisions: InFlightDecisions) -> None:
    with decisions.waiting(["orders", "audit", "billing"], 5_000) as durable:
        durable()
    assert decisions.oldest() == {}


def test_a_decision_about_the_record_itself_belongs_to_no_definition(decisions: InFlightDecisions) -> None:
    with decisions.waiting([None, "orders"], None) as durable:
        durable()
        assert decisions.oldest() == {"orders": 1000.0}


def test_seconds_are_counted_when_they_are_asked_for() -> None:
    registry, now = CollectorRegistry(), 100.0
    gauge = SecondsSince("age_seconds", "Age.", "topic", clock=lambda: now, registry=registry)
    gauge.follow_times(lambda: {"orders": 90.0, "done": None, "future": 500.0})
    ages = [registry.get_sample_value("age_seconds", {"topic": topic}) for topic in ("orders", "done", "future")]
    assert ages == [10.0, 0.0, 0.0]
    now = 130.0
    assert registry.get_sample_value("age_seconds", {"topic": "orders"}) == 40.0
    assert registry.get_sample_value("age_seconds", {"topic": "unknown"}) is None
