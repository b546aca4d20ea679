"""The rules of the pattern language, case by case."""

from typing import Any

import pytest

from taskfactory.definitions import EventPattern, EventTooDeep, InvalidPattern, Mismatch

Pattern = dict[str, Any]

ITEMS = {"items": [{"sku": "A", "express": False}, {"sku": "B", "express": True, "note": "x"}]}
FAMILY = {"people": [{"name": "Ann", "pets": [{"kind": "cat", "age": 3}]}, {"name": "Bob", "pets": [{"kind": "dog"}]}]}


@pytest.mark.parametrize(
    ("pattern", "event", "match"),
    [
        # exact values and their JSON kinds
        ({"a": ["x", "y"]}, {"a": "y"}, True),
        ({"a": ["x"], "b": ["y"]}, {"a": "x"}, False),
        ({"a": [35]}, {"a": 35.0}, True),
        ({"a": [27.5]}, {"a": 27.500000001}, False),
        ({"a": [True]}, {"a": 1}, False),
        ({"a": [1]}, {"a": True}, False),
        ({"a": [1]}, {"a": "1"}, False),
        ({"a": [None]}, {"a": None}, True),
        ({"a": [None]}, {}, False),
        ({"a": [0]}, {"a": False}, False),
        ({"a": [10**400]}, {"a": 10**400}, True),
        ({"a": [{"numeric": [">", 10**400]}]}, {"a": 1e308}, False),
        ({"a": [9007199254740993]}, {"a": 9007199254740992}, False),
        # text
        ({"a": [{"prefix": "ab"}]}, {"a": "abc"}, True),
        ({"a": [{"prefix": "ab"}]}, {"a": "xab"}, False),
        ({"a": [{"suffix": ".csv"}]}, {"a": "x.csv"}, True),
        ({"a": [{"suffix": ".csv"}]}, {"a": 5}, False),
        ({"a": [{"prefix": {"equals-ignore-case": "AB"}}]}, {"a": "aBc"}, True),
        ({"a": [{"suffix": {"equals-ignore-case": "Ü"}}]}, {"a": "menü"}, True),
        ({"a": [{"equals-ignore-case": "STRASSE"}]}, {"a": "straße"}, False),
        ({"a": [{"equals-ignore-case": "straSSe"}]}, {"a": "STRASSE"}, True),
        ({"a": [{"wildcard": "a*b*c"}]}, {"a": "a--b--c"}, True),
        ({"a": [{"wildcard": "a*b*c"}]}, {"a": "a--c--b"}, False),
        ({"a": [{"wildcard": "ab*ba"}]}, {"a": "aba"}, False),
        ({"a": [{"wildcard": r"5\*x\\"}]}, {"a": "5*x\\"}, True),
        ({"a": [{"wildcard": "abc"}]}, {"a": "abc"}, True),
        # anything but
        ({"a": [{"anything-but": "x"}]}, {"a": "y"}, True),
        ({"a": [{"anything-but": "x"}]}, {}, False),
        ({"a": [{"anything-but": "x"}]}, {"a": {"b": 1}}, False),
        ({"a": [{"anything-but": [1, 2]}]}, {"a": 2.0}, False),
        ({"a": [{"anything-but": [1, 2]}]}, {"a": True}, True),
        ({"a": [{"anything-but": ["x"]}]}, {"a": ["x", "y"]}, True),
        ({"a": [{"anything-but": {"prefix": ["x", "y"]}}]}, {"a": "yes"}, False),
        ({"a": [{"anything-but": {"suffix": "s"}}]}, {"a": 5}, True),
        ({"a": [{"anything-but": {"equals-ignore-case": ["NO"]}}]}, {"a": "No"}, False),
        ({"a": [{"anything-but": {"wildcard": "*x*"}}]}, {"a": "axb"}, False),
        # numbers
        ({"a": [{"numeric": [">", 100]}]}, {"a": 100.5}, True),
        ({"a": [{"numeric": [">", 0, "<=", 5]}]}, {"a": 5}, True),
        ({"a": [{"numeric": [">", 0, "<=", 5]}]}, {"a": 0}, False),
        ({"a": [{"numeric": ["=", 3]}]}, {"a": 3.0}, True),
        ({"a": [{"numeric": [">", 0]}]}, {"a": True}, False),
        ({"a": [{"numeric": [">", 0]}]}, {"a": "5"}, False),
        # addresses
        ({"a": [{"cidr": "10.0.0.0/8"}]}, {"a": "10.255.0.1"}, True),
        ({"a": [{"cidr": "10.0.0.0/8"}]}, {"a": "11.0.0.1"}, False),
        ({"a": [{"cidr": "10.1.2.3/24"}]}, {"a": "10.1.2.99"}, True),
        ({"a": [{"cidr": "2001:db8::/32"}]}, {"a": "2001:DB8::1"}, True),
        ({"a": [{"cidr": "2001:db8::/32"}]}, {"a": "10.0.0.1"}, False),
        ({"a": [{"cidr": "10.0.0.0/8"}]}, {"a": 10}, False),
        # existence looks at leaves
        ({"a": [{"exists": True}]}, {"a": None}, True),
        ({"a": [{"exists": True}]}, {"a": ""}, True),
        ({"a": [{"exists": True}]}, {"a": {}}, False),
        ({"a": [{"exists": True}]}, {"a": []}, False),
        ({"a": [{"exists": True}]}, {"a": {"b": 1}}, False),
        ({"a": [{"exists": False}]}, {"a": {"b": 1}}, True),
        ({"a": [{"exists": False}, "x"]}, {"a": "x"}, True),
        ({"a": [{"exists": False}, "x"]}, {"a": "y"}, False),
        # paths
        ({"a": {"b": [1]}}, {"a": {"b": 1}}, True),
        ({"a.b": [1]}, {"a": {"b": 1}}, True),
        ({"a": {"b": [1]}}, {"a.b": 1}, True),
        # alternatives
        ({"$or": [{"a": [1]}, {"b": [2]}]}, {"b": 2}, True),
        ({"$or": [{"a": [1]}, {"b": [2]}]}, {"a": 2, "b": 1}, False),
        ({"c": [3], "$or": [{"a": [1]}, {"b": [2]}]}, {"b": 2}, False),
        ({"a": {"$or": [{"x": [1]}, {"$or": [{"y": [2]}, {"z": [3]}]}]}}, {"a": {"z": 3}}, True),
        ({"a": [1, 2], "$or": [{"a": [{"anything-but": 1}]}, {"b": ["x"]}]}, {"a": 3}, True),
        # arrays: one element is enough, but it is one element
        ({"a": [2]}, {"a": [1, 2]}, True),
        ({"a": [2]}, {"a": [[1], [2]]}, True),
        ({"items": {"sku": ["A"], "express": [False]}}, ITEMS, True),
        ({"items": {"sku": ["A"], "express": [True]}}, ITEMS, False),
        ({"items": {"sku": ["A"], "note": [{"exists": False}]}}, ITEMS, True),
        ({"items": {"sku": ["B"], "note": [{"exists": False}]}}, ITEMS, False),
        ({"items": {"note": [{"exists": False}]}}, ITEMS, False),
        ({"items": {"express": [{"exists": True}], "zone": [{"exists": False}]}}, ITEMS, True),
        ({"people": {"name": ["Ann"], "pets": {"kind": ["cat"]}}}, FAMILY, True),
        ({"people": {"name": ["Ann"], "pets": {"kind": ["dog"]}}}, FAMILY, False),
        ({"people": {"name": ["Bob"], "pets": {"age": [{"exists": False}]}}}, FAMILY, True),
        ({"people": {"name": ["Ann"], "pets": {"age": [{"exists": False}]}}}, FAMILY, False),
    ],
)
def test_match(pattern: Pattern, event: dict[str, Any], match: bool) -> None:  # noqa: FBT001  the expected value
    assert EventPattern.parse(pattern).matches(event) is match


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ({}, "found an empty mapping; name at least one field"),
        ({"a": {}}, "a: found an empty mapping; name at least one field"),
        ({"a": []}, "a: found an empty list, which matches nothing; name at least one value"),
        ({"a": "x"}, "a: found 'x'; allowed is a list of values, such as ['x'], or a mapping"),
        ({"a": [[1]]}, "a[0]: found [1]; allowed are text, numbers, true, false, null and operators"),
        ({"a": [float("inf")]}, "a[0]: found Infinity; allowed are text, numbers, true, false, null and operators"),
        ({"a": [{"prefix": "x", "suffix": "y"}]}, "a[0]: found the operators prefix, suffix; allowed is exactly one"),
        ({"a": [{"prefxi": "x"}]}, "a[0].prefxi: unknown operator 'prefxi'; did you mean 'prefix'?"),
        ({"a": [{"exists": 1}]}, "a[0].exists: found 1; allowed are true and false"),
        ({"a": [{"suffix": 3}]}, "a[0].suffix: found 3; allowed is text"),
        ({"a": [{"prefix": {"foo": "x"}}]}, "found foo; allowed is a text or exactly {equals-ignore-case: <text>}"),
        ({"a": [{"wildcard": "a**"}]}, "found ** in a wildcard; one * already stands for any text"),
        ({"a": [{"wildcard": r"a\b"}]}, r"found \b in a wildcard; allowed after a backslash are * and \\"),
        ({"a": [{"cidr": "10.0.0.0"}]}, "found '10.0.0.0'; allowed is a range of addresses, as 10.0.0.0/8"),
        ({"a": [{"cidr": "10.0.0.0/99"}]}, "found '10.0.0.0/99'; allowed is a range of addresses"),
        ({"a": [{"numeric": [">", True]}]}, "a[0].numeric: found true after '>'; allowed is a number"),
        ({"a": [{"numeric": ["<>", 1]}]}, "found '<>' as a comparison; allowed here are =, <, <=, >, >="),
        (
            {"a": [{"numeric": [">", 3, "<", 3]}]},
            "found a lower bound of 3 and an upper one of 3; no number is between",
        ),
        ({"a": [{"numeric": ["<", 3, ">", 1]}]}, "found '<' and then '>'; allowed is [sign, number] or a range"),
        ({"a": [{"anything-but": ["x", 1]}]}, 'a[0].anything-but: found ["x", 1]; allowed are a text, a number'),
        ({"a": [{"anything-but": {"prefix": ""}}]}, "found an empty prefix; every text has it"),
        ({"a": [{"anything-but": {"cidr": "x"}}]}, "unknown operator 'cidr'; allowed here are prefix, suffix"),
        ({"$or": [{"a": [1]}]}, '$or: found [{"a": [1]}]; allowed is a list of at least two mappings'),
        ({"$or": [{"a": [1]}, 5]}, "$or[1]: found 5; allowed is a mapping of fields"),
        (
            {"$or": [{"prefix": ["x"]}, {"a": [1]}]},
            "$or[0].prefix: found the operator prefix where a field is expected",
        ),
        ({"a": {"x.y": ["z", {}]}}, 'a["x.y"][1]: found the operators none; allowed is exactly one'),
    ],
)
def test_a_refusal_says_where_what_and_what_is_allowed(pattern: Pattern, sentence: str) -> None:
    with pytest.raises(InvalidPattern) as caught:
        EventPattern.parse(pattern)
    assert sentence in str(caught.value)


def test_every_problem_of_a_pattern_is_told() -> None:
    with pytest.raises(InvalidPattern) as caught:
        EventPattern.parse({"a": [], "b": [{"numeric": [1]}], "c": {"d": 5}})
    assert [problem.path for problem in caught.value.problems] == [("a",), ("b", 0, "numeric"), ("c", "d")]


def test_alternatives_cannot_multiply_without_end() -> None:
    two = [{"x": [1]}, {"y": [1]}]
    pattern = {f"f{level}": {"$or": two} for level in range(11)}
    with pytest.raises(InvalidPattern, match="more than 1000 combinations"):
        EventPattern.parse(pattern)


def test_an_event_nested_without_end_is_refused_and_does_not_crash() -> None:
    event: dict[str, Any] = {"a": 1}
    for _ in range(5_000):
        event = {"a": [event]}
    deep: list[Any] = [1]
    for _ in range(200):
        deep = [deep]
    with pytest.raises(EventTooDeep):
        EventPattern.parse({".".join("a" * 300): [1]}).matches(event)
    with pytest.raises(EventTooDeep):
        EventPattern.parse({"a": [1]}).matches({"a": deep})
    assert EventPattern.parse({"a": [1]}).matches({"a": deep[0]})


def test_many_elements_in_many_arrays_are_decided_quickly() -> None:
    event = {f"a{i}": [{f"f{j}": j == n for j in range(8)} for n in range(200)] for i in range(4)}
    pattern = {f"a{i}": {f"f{j}": [True] for j in range(8)} for i in range(4)}
    assert EventPattern.parse(pattern).matches(event) is False


def test_explain_names_the_field_the_expectation_and_the_value() -> None:
    pattern = EventPattern.parse({"type": ["a"], "data": {"total": [{"numeric": [">", 100]}], "note": ["x"]}})
    assert pattern.explain({"type": "a", "data": {"total": 99}}) == [
        Mismatch("data.total", ({"numeric": [">", 100]},), (99,), "no value of the field matches"),
        Mismatch("data.note", ("x",), (), "the field does not exist (objects and empty arrays do not count)"),
    ]


def test_explain_says_when_only_the_array_elements_disagree() -> None:
    [mismatch] = EventPattern.parse({"items": {"sku": ["A"], "express": [True]}}).explain(ITEMS)
    assert mismatch.path == "items.sku, items.express"
    assert "not within the same element" in mismatch.reason


def test_explain_tells_about_the_nearest_alternative() -> None:
    pattern = EventPattern.parse({"$or": [{"a": [1], "b": [1]}, {"c": [1]}]})
    assert [mismatch.path for mismatch in pattern.explain({"a": 2, "b": 2})] == ["c"]
