"""Whatever is wrong with a definition: its error has a place in it, and says what is allowed there."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taskfactory.definitions import InvalidDefinitions, parse_definition

WHOLE: dict[str, Any] = {
    "apiVersion": "taskfactory/v1",
    "kind": "ActivityDefinition",
    "name": "everything",
    "description": "all that a definition may say",
    "enabled": True,
    "trigger": {"type": "event", "topics": ["events"], "match": {"type": ["order"]}, "when": "event.data.total > 1"},
    "dedupe": {"key": {"expression": "event.data.order"}, "window": "7d"},
    "context": [{"name": "total", "type": "event", "expression": "event.data.total"}],
    "tasks": [
        {
            "name": "pack",
            "type": "activity",
            "queue": "warehouse",
            "handler": "pack",
            "when": "context.total > 1",
            "foreach": "event.data.lines",
            "params": {"line": "${item}"},
            "timeout": "1m",
            "schedule_to_close": "1h",
            "heartbeat": "10s",
            "retry": {"max_attempts": 3, "initial_interval": "1s", "backoff": 2, "max_interval": "1m"},
        },
        {"name": "ship", "type": "workflow", "queue": "warehouse", "workflow": "ship"},
    ],
    "outcomes": {"topic": "ends", "of": ["task", "run"]},
}
SCHEDULED = {
    **{name: value for name, value in WHOLE.items() if name != "dedupe"},
    "trigger": {"type": "cron", "cron": ["0 9 * * *"], "timezone": "Europe/Berlin"},
    "context": [],
    "tasks": [WHOLE["tasks"][1]],
}
OPEN = {("trigger", "match"), ("tasks", 0, "params")}
"""Where any key may stand."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**6) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
WAYS_OUT = ("allowed", "required", "names are unique", "leave it out", "would end it earlier")
"""Each error says one of these."""
Path = tuple[str | int, ...]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of everything in a document but the document itself."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key)
        yield from places(part, (*path, key))


def around(document: Any, path: Path) -> Any:
    for part in path[:-1]:
        document = document[part]
    return document


def errors_of(document: Any) -> list[tuple[str, str]]:
    try:
        parse_definition(document)
    except InvalidDefinitions as invalid:
        return [(error.path, error.message) for error in invalid.errors]
    return []


def test_both_documents_are_valid() -> None:
    assert (errors_of(WHOLE), errors_of(SCHEDULED)) == ([], [])


@given(st.data())
def test_an_error_has_a_path_and_says_what_is_allowed(data: st.DataObject) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from([WHOLE, SCHEDULED])))
    path = data.draw(st.sampled_from(sorted(places(document), key=str)))
    inside = around(document, path)
    if data.draw(st.booleans()):
        inside[path[-1]] = data.draw(JSON)
    else:
        del inside[path[-1]]
    for where, message in errors_of(document):
        assert where, message
        # Expressions and patterns are languages of their own, whose errors point at the place in the text.
        is_language = any(word in where for word in ("expression", "when", "foreach", "match", "params"))
        said = any(word in message for word in WAYS_OUT)
        assert is_language or said, f"{where}: {message}"


@given(st.data())
def test_a_field_that_nobody_knows_is_named_with_the_nearest_known_one(data: st.DataObject) -> None:
    document = copy.deepcopy(WHOLE)
    fields = [path for path in places(document) if isinstance(path[-1], str) and path[:2] not in OPEN]
    path = data.draw(st.sampled_from([path for path in fields if path[:3] not in OPEN and len(str(path[-1])) > 3]))
    name = str(path[-1])
    inside = around(document, path)
    inside[f"{name}x"] = inside[name]
    [(where, message)] = errors_of(document)
    assert where.endswith(f"{name}x")
    assert f"did you mean '{name}'?" in message
    assert "allowed here are" in message or "allowed here is" in message


@given(st.sampled_from([("trigger", "type"), ("tasks", 0, "type"), ("context", 0, "type"), ("outcomes", "of", 0)]))
def test_a_value_of_a_choice_that_nobody_knows_is_told_the_nearest_one(path: Path) -> None:
    document = copy.deepcopy(WHOLE)
    inside = around(document, path)
    known = inside[path[-1]]
    inside[path[-1]] = known[:-2] + known[-1] + known[-2]
    [(_, message)] = errors_of(document)
    assert f"did you mean '{known}'?" in message
