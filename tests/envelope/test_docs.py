"""docs/envelope.md says what the code does."""

import json
import re
from pathlib import Path

import pytest

from taskfactory.envelope import EventEnvelope, InvalidCode, Outcome, decode, encode

PAGE = (Path(__file__).parents[2] / "docs" / "envelope.md").read_text()


def test_the_bytes_of_the_avro_example_are_what_is_sent() -> None:
    lines = PAGE.partition("marker\n")
    block = lines[0].rpartition("```")[2] + lines[1] + lines[2].partition("```")[0]
    octets = [word for line in block.splitlines() for word in re.findall(r"^(?:[0-9a-f]{2} )+", line)]
    value = bytes.fromhex("".join(octets))
    assert decode(value, []) == EventEnvelope(id="1", source="/shop", type="com.shop.ping", data={"n": 1})
    assert encode(decode(value, []), "avro").value == value


def test_the_example_outcome_is_an_envelope_with_outcome_data() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    envelope = EventEnvelope.from_json_dict(json.loads(example))
    assert Outcome.model_validate(envelope.data).model_dump(exclude_none=True) == envelope.data


@pytest.mark.parametrize("code", InvalidCode)
def test_every_error_code_is_explained(code: InvalidCode) -> None:
    assert f"| `{code}` |" in PAGE


@pytest.mark.parametrize("attribute", EventEnvelope.model_fields)
def test_every_attribute_is_explained(attribute: str) -> None:
    assert f"`{attribute}`" in PAGE
