"""The matching benchmark measures what it says."""

import json
from statistics import fmean

import pytest

from bench.match.measure import Installation, Throughput, WrongMatches, check_matches, load
from bench.match.targets import Figures, missed
from bench.match.workload import SHARES, generate
from taskfactory.definitions import DefinitionSet, parse_definition


@pytest.mark.parametrize(("size", "matches"), [(1, 1), (100, 3), (1_000, 3)])
def test_each_event_is_taken_by_the_definitions_that_wait_for_it(size: int, matches: int) -> None:
    workload = generate(size, 100)
    assert {len(names) for names in workload.expected} == {matches}
    check_matches(Installation(size, workload, DefinitionSet(load(workload.documents))))


def test_an_event_meets_as_much_in_a_large_installation_as_in_a_small_one() -> None:
    small, large = generate(100, 500), generate(10_000, 500)
    assert fmean(large.near_misses) == pytest.approx(fmean(small.near_misses), rel=0.15)
    assert fmean(large.fields) == pytest.approx(fmean(small.fields), rel=0.2)
    assert fmean(map(len, large.events)) == pytest.approx(fmean(map(len, small.events)), rel=0.01)


def test_a_near_miss_names_the_type_and_the_tenant_and_refuses() -> None:
    workload = generate(1_000, 20)
    stored = [json.loads(text) for text in workload.documents]
    for value, takers, near_misses in zip(workload.events, workload.expected, workload.near_misses, strict=True):
        event = json.loads(value)
        (entity, fields), *_ = event["data"].items()
        close = [
            document["name"]
            for document in stored
            if document["trigger"]["match"]["type"] == [event["type"]]
            and document["trigger"]["match"].get("data", {}).get(entity, {}).get("tenant") == [fields["tenant"]]
        ]
        assert len(set(close) - takers) == near_misses


def test_a_wrong_match_is_told() -> None:
    workload = generate(100, 20)
    with pytest.raises(WrongMatches):
        check_matches(Installation(100, workload, DefinitionSet(load(workload.documents[1::2]))))


def test_definitions_are_as_the_registry_stores_them_and_have_all_conditions() -> None:
    workload = generate(1_000, 1)
    stored = [json.loads(text) for text in workload.documents]
    assert [parse_definition(document).to_dict() for document in stored] == stored
    assert set(workload.conditions) == {*SHARES, "type only"}
    assert sum(SHARES.values()) == 100


def test_the_same_seed_gives_the_same_workload() -> None:
    assert generate(100, 10) == generate(100, 10)


def test_every_target_that_is_missed_is_told() -> None:
    good = {100: Throughput(100_000, 50_000), 10_000: Throughput(25_000, 1), 100_000: Throughput(70_000, 1)}
    bad = {100: Throughput(100_000, 50_000), 10_000: Throughput(24_000, 1), 100_000: Throughput(69_000, 1)}
    assert missed(Figures(good, 1.9, 0.04, 0.04)) == []
    assert len(missed(Figures(bad, 2.1, 0.06, 0.06))) == 5
