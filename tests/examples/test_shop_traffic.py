"""The generator: reproducible, complete, and its own counts add up."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.shop.events import SCENES
from examples.shop.traffic import (
    FAR_COPY,
    MIN_RECORDS,
    NEAR_COPY,
    SECOND_CLICK,
    WEIGHTS,
    Traffic,
    shares,
    traffic,
)
from taskfactory.envelope import InvalidEnvelope, decode

streams = st.builds(traffic, st.integers(MIN_RECORDS, 400), st.integers(0, 2**32), st.just("token"))


@given(count=st.integers(MIN_RECORDS, 10_000))
def test_every_kind_occurs_and_the_shares_add_up(count: int) -> None:
    numbers = shares(count)

    assert sum(numbers.values()) == count
    assert numbers.keys() == WEIGHTS.keys()
    assert min(numbers.values()) >= 1


def test_fewer_records_than_kinds_need_are_refused() -> None:
    with pytest.raises(ValueError, match=f"allowed are {MIN_RECORDS} or more"):
        traffic(MIN_RECORDS - 1, seed=1, token="token")


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_same_seed_and_token_make_the_same_records(seed: int) -> None:
    assert traffic(60, seed, "token") == traffic(60, seed, "token")


def test_another_token_makes_other_events() -> None:
    def identities(token: str) -> set[tuple[str, str] | None]:
        return {sent.consequence.identity for sent in traffic(100, 1, token).stream}

    assert identities("one") & identities("two") == {None}


@settings(max_examples=25, deadline=None)
@given(stream=streams)
def test_the_counts_add_up(stream: Traffic) -> None:
    expectation = stream.expectation
    numbers = shares(expectation.sent)
    copies = numbers[NEAR_COPY] + numbers[FAR_COPY]

    assert expectation.sent == len(stream.stream)
    assert expectation.distinct == sum(numbers[scene] for scene in SCENES) + numbers[SECOND_CLICK]
    assert expectation.sent == expectation.matched + expectation.filtered + len(expectation.dead_letters)
    assert numbers[SECOND_CLICK] <= expectation.duplicates <= numbers[SECOND_CLICK] + copies
    assert expectation.retried >= numbers["payment with a forgetful mail server"]
    assert expectation.tasks("failed") == numbers["order with a sold-out article"]
    assert expectation.outcomes == len(expectation.runs) + expectation.tasks("completed") + expectation.tasks("failed")


@settings(max_examples=25, deadline=None)
@given(stream=streams)
def test_a_record_decodes_to_the_event_it_is_said_to_be(stream: Traffic) -> None:
    for sent in stream.stream:
        try:
            identity = decode(*sent.record).identity
        except InvalidEnvelope:
            identity = None
        assert identity == sent.consequence.identity


@settings(max_examples=25, deadline=None)
@given(stream=streams)
def test_every_effect_of_the_shop_is_expected_of_one_run_only(stream: Traffic) -> None:
    effects = [effect for run in stream.expectation.runs for task in run.tasks for effect in task.effects]

    assert len({effect.name for effect in effects}) == len(effects)


def test_copies_lie_behind_their_originals_near_and_far() -> None:
    first: dict[tuple[str, str], int] = {}
    distances = []
    for place, sent in enumerate(traffic(500, 3, "token").stream):
        if sent.consequence.identity in first:
            distances.append(place - first[sent.consequence.identity])
        elif sent.consequence.identity is not None:
            first[sent.consequence.identity] = place

    assert len(distances) == shares(500)[NEAR_COPY] + shares(500)[FAR_COPY]
    assert min(distances) == 1
    assert max(distances) > 100
