"""The matcher agrees with a naive one that tries every combination of leaves."""

import itertools
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from taskfactory.definitions import EventPattern

Chain = tuple[tuple[int, int], ...]


def leaves(value: Any, path: tuple[str, ...], chain: Chain, arrays: Iterator[int]) -> Iterator[tuple[str, Any, Chain]]:
    if isinstance(value, dict):
        for key, element in value.items():
            yield from leaves(element, (*path, key), chain, arrays)
    elif isinstance(value, list):
        array = next(arrays)
        for position, element in enumerate(value):
            inside = (*chain, (array, position)) if isinstance(element, dict | list) else chain
            yield from leaves(element, path, inside, arrays)
    else:
        yield ".".join(path), value, chain


def fields(pattern: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[Any]]]:
    for key, value in pattern.items():
        if isinstance(value, dict):
            yield from fields(value, (*path, key))
        else:
            yield ".".join((*path, key)), value


def accepts(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, dict):
        [(operator, operand)] = wanted.items()
        if operator == "exists":
            return operand is True
        if operator == "anything-but":
            return not accepts(operand, value)
        return isinstance(value, str) and value.startswith(operand)
    return type(wanted) is type(value) and wanted == value


def agree(chains: tuple[Chain, ...]) -> bool:
    picked: dict[int, int] = {}
    return all(picked.setdefault(array, position) == position for chain in chains for array, position in chain)


def naive(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    every = list(leaves(event, (), (), itertools.count()))
    wanted = list(fields(pattern))
    choices: list[list[Chain | None]] = []
    for path, values in wanted:
        hits: list[Chain | None] = [
            chain for at, value, chain in every if at == path and any(accepts(want, value) for want in values)
        ]
        choices.append([*hits, *([None] if {"exists": False} in values else [])])
    for combination in itertools.product(*choices):
        picked = tuple(chain for chain in combination if chain is not None)
        absent = {path for (path, _), chain in zip(wanted, combination, strict=True) if chain is None}
        if agree(picked) and not any(at in absent and agree((*picked, chain)) for at, _, chain in every):
            return True
    return False


NAMES = st.sampled_from("abc")
SCALARS = st.sampled_from(["x", "xy", 1, True, None])
EVENTS = st.dictionaries(
    NAMES,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=12,
    ),
    max_size=3,
)
WANTED = SCALARS | st.sampled_from([{"exists": True}, {"exists": False}, {"prefix": "x"}, {"anything-but": "x"}])
PATTERNS = st.dictionaries(
    NAMES,
    st.recursive(
        st.lists(WANTED, min_size=1, max_size=2),
        lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3),
        max_leaves=4,
    ),
    min_size=1,
    max_size=3,
)


@given(PATTERNS, EVENTS)
def test_the_matcher_decides_as_the_naive_one(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    assert EventPattern.parse(pattern).matches(event) is naive(pattern, event)


@given(PATTERNS, st.lists(st.dictionaries(NAMES, SCALARS, max_size=3), max_size=4))
def test_and_where_one_array_holds_many_objects(pattern: dict[str, Any], elements: list[dict[str, Any]]) -> None:
    wrapped, event = {"a": pattern}, {"a": elements}
    assert EventPattern.parse(wrapped).matches(event) is naive(wrapped, event)


@given(PATTERNS, PATTERNS, EVENTS)
@settings(max_examples=50)
def test_alternatives_are_a_union(first: dict[str, Any], second: dict[str, Any], event: dict[str, Any]) -> None:
    either = EventPattern.parse({"$or": [first, second]})
    assert either.matches(event) is (
        EventPattern.parse(first).matches(event) or EventPattern.parse(second).matches(event)
    )


@given(PATTERNS, EVENTS)
@settings(max_examples=50)
def test_an_explanation_is_empty_exactly_when_the_event_matches(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    parsed = EventPattern.parse(pattern)
    assert (parsed.explain(event) == []) is parsed.matches(event)
