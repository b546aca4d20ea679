"""The public EventBridge pattern cases, where they are at hand; the project's own cases are in tests/definitions."""

import json
from pathlib import Path
from typing import Any

import pytest

from taskfactory.definitions import EventPattern

CASES = Path(__file__).parents[2].parent / "shared" / "conformance"


def cases(name: str) -> list[dict[str, Any]]:
    path = CASES / name
    if not path.exists():
        pytest.skip(f"the public cases are not here: {path}")
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
