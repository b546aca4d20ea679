"""`${…}` inside strings."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.definitions.cel import Bindings
from taskfactory.definitions.templates import Code, TemplateError, parse_template, render_template

EVENT = Bindings({"event": {"n": 7, "x": 1.5, "name": "Ada", "yes": True, "none": None, "list": [1], "map": {"a": 1}}})


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("plain", "plain"),
        ("", ""),
        ("${event.n}", 7),
        ("${ event.none }", None),
        ("${event.map}", {"a": 1}),
        (" ${event.n}", " 7"),
        ("Dear ${event.name}, ${event.n}/${event.x} ${event.yes}", "Dear Ada, 7/1.5 true"),
        ("$${event.n}", "${event.n}"),
        ("cost $${x}: ${event.n} $", "cost ${x}: 7 $"),
        ("$$${event.n}", "$${event.n}"),
        ("${{'a': {'b': 2}}['a']['b']}", 2),
        ("${'}' + \"}\"}", "}}"),
        (r"${'\'}' + event.name}", "'}Ada"),
        (r"${r'\d}' + event.name}", r"\d}Ada"),
        ("${'''it's }'''}", "it's }"),
        ("}${event.n}{", "}7{"),
    ],
)
def test_rendering(template: str, result: Any) -> None:
    rendered = render_template(template, EVENT)
    assert (rendered, type(rendered)) == (result, type(result))


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("a ${event.n", "found ${ at character 3 without its }; write $${ for a literal ${"),
        ("${'}", "found ${ at character 1 without its }"),
        ("${ }", "found ${} with nothing in it; allowed is ${expression}, or $${ for a literal ${"),
    ],
)
def test_a_malformed_template_is_refused(template: str, sentence: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(template)
    assert sentence in caught.value.message


@pytest.mark.parametrize(("name", "kind"), [("none", "null"), ("list", "a list"), ("map", "a map")])
def test_what_has_no_text_cannot_stand_inside_text(name: str, kind: str) -> None:
    with pytest.raises(TemplateError, match=f"is {kind}; inside a longer text only text, numbers and booleans"):
        render_template(f"a ${{event.{name}}}", EVENT)


@given(st.lists(st.sampled_from(["$", "{", "}", "$${", "a", " ", "'", "${event.n}"]).map(str)))
def test_text_outside_expressions_is_kept_but_for_the_escape(pieces: list[str]) -> None:
    text = "".join(pieces).replace("${event.n}", "").replace("${", "$${")
    assert parse_template(text) == (text.replace("$${", "${"),)


def test_parts_alternate_between_text_and_expressions() -> None:
    assert parse_template("a${b}${c}d") == ("a", Code("b"), Code("c"), "d")
