"""Liveness is about the process, readiness about what it depends on."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from taskfactory.runtime import Health, HealthServer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock)


@pytest.fixture
def base(health: Health) -> Iterator[str]:
    registry = CollectorRegistry()
    Counter("seen", "Seen.", registry=registry).inc()
    server = HealthServer(health, "127.0.0.1", 0, registry)
    yield f"http://127.0.0.1:{server.port}"
    server.close()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_process_whose_loop_turns_is_alive_whatever_it_depends_on(base: str, health: Health) -> None:
    health.add_check("temporal", lambda: "no connection")
    assert get(f"{base}/livez")[0] == 200


def test_a_process_whose_loop_is_stuck_is_not_alive(base: str, health: Health, clock: Clock) -> None:
    clock.now = 31
    assert get(f"{base}/livez")[0] == 503
    health.turned()
    assert get(f"{base}/livez")[0] == 200


def test_readiness_names_what_is_missing(base: str, health: Health) -> None:
    assert get(f"{base}/readyz")[0] == 200
    health.add_check("temporal", lambda: "no connection to 127.0.0.1:1")
    status, body = get(f"{base}/readyz")
    assert status == 503
    assert json.loads(body)["problems"] == {"temporal": "no connection to 127.0.0.1:1"}


def test_metrics_are_in_prometheus_format(base: str) -> None:
    assert "seen_total 1.0" in get(f"{base}/metrics")[1]


def test_an_unknown_path_says_which_there_are(base: str) -> None:
    status, body = get(f"{base}/health")
    assert status == 404
    assert "/readyz" in body
