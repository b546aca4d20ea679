"""The public EventBridge pattern cases, where they are at hand; the project's own cases are in tests/definitions."""

import json
from pathlib import Path
from typing import Any

import pytest

from taskfactory.definitions import DefinitionSet, EventPattern, Matched
from tests.definitions.samples import stored

CASES = [folder / "shared" / "conformance" for folder in Path(__file__).parents]
"""They lie beside the checkout, or beside a folder around it."""


def cases(name: str) -> list[dict[str, Any]]:
    path = next((folder / name for folder in CASES if (folder / name).exists()), None)
    if path is None:
        pytest.skip(f"the public cases are not here: shared/conformance/{name}")
    loaded: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def test_every_public_case_is_decided_as_eventbridge_does() -> None:
    public = cases("event_patterns.json")
    wrong = [case for case in public if EventPattern.parse(case["pattern"]).matches(case["event"]) != case["match"]]
    assert public
    assert wrong == []


def test_explaining_agrees_with_every_public_case() -> None:
    public = cases("event_patterns.json")
    wrong = [
        case for case in public if (EventPattern.parse(case["pattern"]).explain(case["event"]) == []) != case["match"]
    ]
    assert public
    assert wrong == []


def test_an_index_over_all_public_patterns_decides_each_case_as_eventbridge_does() -> None:
    public = cases("event_patterns.json")
    definitions = DefinitionSet(stored(case["pattern"], f"case-{n}") for n, case in enumerate(public))
    wrong = []
    for number, case in enumerate(public):
        verdicts = definitions.evaluate({"id": "1", "source": "/public", **case["event"]}, None)
        matched = {found.registered.id for found in verdicts if isinstance(found, Matched)}
        if (f"case-{number}" in matched) != case["match"]:
            wrong.append(case)
    assert public
    assert wrong == []


def test_an_index_decides_all_public_patterns_on_all_public_events_as_each_pattern_alone() -> None:
    public = cases("event_patterns.json")
    definitions = DefinitionSet(stored(case["pattern"], f"case-{n}") for n, case in enumerate(public))
    patterns = {f"case-{n}": EventPattern.parse(case["pattern"]) for n, case in enumerate(public)}
    for case in public[::5]:
        event = {"id": "1", "source": "/public", "type": "public", **case["event"]}
        matched = {found.registered.id for found in definitions.evaluate(event, None)}
        assert matched == {name for name, pattern in patterns.items() if pattern.matches(event)}


def test_every_public_pattern_text_is_accepted_or_refused_as_eventbridge_does() -> None:
    def accepted(text: str) -> bool:
        try:
            EventPattern.parse(json.loads(text))
        except ValueError:  # JSON's and the pattern's own errors
            return False
        return True

    public = cases("event_patterns_validity.json")
    wrong = [case for case in public if accepted(case["pattern_text"]) != case["valid"]]
    assert public
    assert wrong == []
