"""Public CloudEvents-on-Kafka cases, from the conformance suite and SDK tests. The data are not in this repository."""

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from taskfactory.envelope import InvalidEnvelope, decode

NAME = "shared/conformance/cloudevents_kafka.json"
FILE = next((folder / NAME for folder in Path(__file__).parents if (folder / NAME).exists()), None)
"""It lies beside the checkout, or beside a folder around it."""

if FILE is None:
    pytest.skip(f"the public cases are not here: {NAME}", allow_module_level=True)

CASES: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
REFUSALS = {"not_cloudevent", "accept_or_not_cloudevent", "error_or_0.3"}
"""Where the cases leave a choice, it is made here: 0.3 is refused; an envelope without headers is accepted."""
ACCEPTED_WITHOUT_HEADERS = "accept_or_not_cloudevent"


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def _decode(case: dict[str, Any]) -> Any:
    headers = [(name, _bytes(value)) for name, value in case["headers"]]
    return decode(_bytes(case["value"]), headers, _bytes(case["key"]))


def _canonical(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("case", [c for c in CASES if isinstance(c["expect"], dict)], ids=lambda case: case["name"])
def test_a_cloudevent_is_read_as_the_case_says(case: dict[str, Any]) -> None:
    expected = case["expect"]
    envelope = _decode(case)
    found: dict[str, Any] = envelope.attributes
    if "attributes_compare" in expected:
        found = {name: _canonical(value) for name, value in found.items()}
    assert found == expected["attributes"]
    if "data_json" in expected:
        assert envelope.data == expected["data_json"]
    if "data" in expected:
        assert envelope.data == expected["data"]
    if "data_any_of" in expected:
        assert envelope.data in expected["data_any_of"]
    if "data_base64" in expected:
        assert envelope.data == base64.b64decode(expected["data_base64"])
    if "time_instant_utc" in expected:
        assert envelope.occurred_at.timestamp() == datetime.fromisoformat(expected["time_instant_utc"]).timestamp()


@pytest.mark.parametrize("case", [c for c in CASES if isinstance(c["expect"], str)], ids=lambda case: case["name"])
def test_what_is_no_cloudevent_is_refused(case: dict[str, Any]) -> None:
    assert case["expect"] in REFUSALS
    if case["expect"] == ACCEPTED_WITHOUT_HEADERS:
        assert _decode(case).attributes == json.loads(_bytes(case["value"]) or b"")
    else:
        with pytest.raises(InvalidEnvelope):
            _decode(case)
