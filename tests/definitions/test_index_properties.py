"""An index over many definitions decides as each definition's own pattern does, however the set came about."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from taskfactory.definitions import DefinitionSet, EventPattern, RegisteredDefinition
from tests.definitions.samples import stored

NAMES = st.sampled_from(["a", "b", "a.b", "", "type"])
TEXTS = st.sampled_from(["", "x", "xy", "X", "yx", "10.0.0.1", "ß", "ẞ"])
NUMBERS = st.sampled_from([0, 1, 1.0, 1.5, -2, 2**53 + 1, 10**400, 1e308])
SCALARS = TEXTS | NUMBERS | st.sampled_from([True, False, None])
OPERATORS = (
    st.sampled_from(
        [
            {"exists": True},
            {"exists": False},
            {"cidr": "10.0.0.0/8"},
            {"cidr": "::/0"},
            {"anything-but": {"prefix": ["x"]}},
            {"anything-but": [0, 1]},
        ]
    )
    | st.builds(lambda name, text: {name: text}, st.sampled_from(["prefix", "suffix", "equals-ignore-case"]), TEXTS)
    | st.builds(lambda name, text: {name: {"equals-ignore-case": text}}, st.sampled_from(["prefix", "suffix"]), TEXTS)
    | st.sampled_from(["*", "x*", "*x", "x*y*", "*y*"]).map(lambda text: {"wildcard": text})
    | TEXTS.map(lambda text: {"anything-but": text})
    | st.builds(lambda sign, bound: {"numeric": [sign, bound]}, st.sampled_from(["=", "<", "<=", ">", ">="]), NUMBERS)
    | st.tuples(st.sampled_from([">", ">="]), st.integers(-2, 1), st.sampled_from(["<", "<="]), st.integers(2, 4)).map(
        lambda bounds: {"numeric": list(bounds)}
    )
)
FIELDS = st.lists(SCALARS | OPERATORS, min_size=1, max_size=3)
FLAT_PATTERNS = st.dictionaries(NAMES, FIELDS, min_size=1, max_size=2)
PATTERNS = st.recursive(
    FLAT_PATTERNS,
    lambda inner: (
        st.dictionaries(NAMES, FIELDS | inner, min_size=1, max_size=3)
        | st.builds(
            lambda alternatives, others: {**others, "$or": alternatives},
            st.lists(inner, min_size=2, max_size=3),
            st.dictionaries(NAMES, FIELDS, max_size=2),
        )
    ),
    max_leaves=4,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)
EVENTS = st.builds(
    lambda fields, own: {**fields, **own, "id": "1", "source": "/s"},
    st.dictionaries(NAMES, VALUES, max_size=4),
    st.fixed_dictionaries({}, optional={"type": TEXTS}),
)


def matched(definitions: DefinitionSet, event: dict[str, Any]) -> list[tuple[str, int]]:
    return [(verdict.registered.id, verdict.registered.version) for verdict in definitions.evaluate(event, None)]


@given(st.lists(PATTERNS, max_size=12), st.lists(EVENTS, min_size=1, max_size=4))
def test_the_index_decides_as_each_pattern_alone(patterns: list[dict[str, Any]], events: list[dict[str, Any]]) -> None:
    definitions = DefinitionSet(stored(pattern, f"{number}") for number, pattern in enumerate(patterns))
    for event in events:
        alone = [(f"{n}", 1) for n, pattern in enumerate(patterns) if EventPattern.parse(pattern).matches(event)]
        assert matched(definitions, event) == alone


@given(
    st.lists(st.builds(lambda low, width: (low, low + width), st.integers(-20, 20), st.integers(1, 15)), max_size=25),
    st.floats(-25, 40) | st.integers(-25, 40),
)
def test_ranges_that_overlap_in_any_way_are_all_found(ranges: list[tuple[int, int]], number: float) -> None:
    patterns = [{"a": [{"numeric": [">=", low, "<", high]}]} for low, high in ranges]
    definitions = DefinitionSet(stored(pattern, f"{n}") for n, pattern in enumerate(patterns))
    expected = [(f"{n}", 1) for n, (low, high) in enumerate(ranges) if low <= number < high]
    assert matched(definitions, {"id": "1", "source": "/s", "type": "t", "a": number}) == expected


Put = tuple[str, dict[str, Any], bool]
IDS = st.sampled_from("abcd")
CHANGES = st.lists(
    st.tuples(st.lists(st.tuples(IDS, PATTERNS, st.booleans()), max_size=3), st.lists(IDS, max_size=2)), max_size=5
)


@given(CHANGES, st.lists(EVENTS, min_size=1, max_size=3))
@settings(max_examples=60)
def test_a_set_that_was_changed_is_as_one_made_from_scratch(
    changes: list[tuple[list[Put], list[str]]], events: list[dict[str, Any]]
) -> None:
    definitions = DefinitionSet(())
    current: dict[str, RegisteredDefinition] = {}
    version = 0
    for puts, removed in changes:
        before, seen = definitions, [matched(definitions, event) for event in events]
        for identity in removed:
            current.pop(identity, None)
        arriving = []
        for identity, pattern, enabled in puts:
            version += 1
            arriving.append(stored(pattern, identity, version, enabled=enabled))
            if enabled:
                current[identity] = arriving[-1]
            else:
                current.pop(identity, None)
        definitions = before.changed(arriving, removed)
        assert [matched(before, event) for event in events] == seen
    scratch = DefinitionSet(current.values())
    assert definitions.definitions == scratch.definitions
    assert len(definitions) == len(scratch)
    for event in events:
        assert matched(definitions, event) == matched(scratch, event)


@given(
    st.lists(st.tuples(FLAT_PATTERNS, st.sampled_from([{}, {"a": ["x", {"prefix": "x"}]}])), min_size=8, max_size=20),
    st.lists(EVENTS, min_size=1, max_size=3),
)
@settings(max_examples=40)
def test_a_type_whose_definitions_come_and_go_one_by_one_decides_as_each_pattern_alone(
    patterns: list[tuple[dict[str, Any], dict[str, Any]]], events: list[dict[str, Any]]
) -> None:
    texts = [{**pattern, **more, "type": ["x"]} for pattern, more in patterns]
    definitions = DefinitionSet(())
    current: list[int] = []
    removals = [(), *[(f"{number}",) for number in range(len(texts))]]
    for number, pattern in enumerate(texts):
        definitions = definitions.changed([stored(pattern, f"{number}")])
        current.append(number)
    for removed in removals:
        definitions = definitions.changed((), removed)
        current = [number for number in current if f"{number}" not in removed]
        for event in ({**event, "type": "x"} for event in events):
            alone = [(f"{n}", 1) for n in current if EventPattern.parse(texts[n]).matches(event)]
            assert matched(definitions, event) == alone
