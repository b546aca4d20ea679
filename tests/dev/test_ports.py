"""Ports are distinct, stay the same where they can, and are the user's where the user says so."""

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.dev.endpoints import HOST
from taskfactory.dev.errors import PortFixedError, PortTakenError
from taskfactory.dev.ports import RANGE, Ports, choose, is_free, refuse_other_ports

NAMES = ("kafka", "kafka_controller", "temporal", "ui", "postgres")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


@given(names=st.sets(st.sampled_from(NAMES), min_size=1))
def test_free_ports_are_distinct_and_outside_the_ephemeral_range(names: set[str]) -> None:
    chosen = choose(names, {}, {})
    assert set(chosen) == names
    assert len(set(chosen.values())) == len(names)
    assert all(port in RANGE and port < 32_768 for port in chosen.values())


def test_a_fixed_port_is_taken_as_given() -> None:
    free = choose(["kafka"], {}, {})["kafka"]
    assert choose(NAMES, Ports(kafka=free).fixed(), {})["kafka"] == free


def test_a_fixed_port_of_somebody_else_is_refused_with_its_flag(taken: int) -> None:
    with pytest.raises(PortTakenError, match=f"port {taken} is taken .* another --schema-registry-port") as caught:
        choose(["schema_registry"], {"schema_registry": taken}, {})
    assert caught.value.port == taken


def test_a_remembered_port_comes_back_while_it_is_free(taken: int) -> None:
    free = choose(["ui"], {}, {})["ui"]
    chosen = choose(["ui", "kafka"], {}, {"ui": free, "kafka": taken})
    assert chosen["ui"] == free
    assert chosen["kafka"] != taken


def test_a_fixed_port_beats_a_remembered_one() -> None:
    first, second = choose(["ui", "kafka"], {}, {}).values()
    assert choose(["ui"], {"ui": first}, {"ui": second}) == {"ui": first}


def test_a_listening_port_is_not_free(taken: int) -> None:
    assert not is_free(taken)


def test_what_runs_is_reused_only_on_the_ports_asked_for() -> None:
    refuse_other_ports({"ui": 1}, {"ui": 1, "kafka": 2})
    with pytest.raises(PortFixedError, match="ui port at 1, not at 3: run `taskfactory dev down` first"):
        refuse_other_ports({"ui": 3}, {"ui": 1})
