"""The JSON Schema that editors use is current, and accepts what the loader accepts."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from taskfactory.definitions import load_definitions
from taskfactory.definitions.schema import definition_schema, mapping_schema, schema_texts
from taskfactory.definitions.source import read_documents
from tests.definitions.samples import activity, document

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "definitions.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(definition_schema())


def test_the_schema_files_are_current() -> None:
    written = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / "schemas" / "json").iterdir()}
    assert written == schema_texts(), "run: make schemas"


def test_the_schemas_are_schemas() -> None:
    jsonschema_rs.meta.validate(definition_schema())
    jsonschema_rs.meta.validate(mapping_schema())


def test_the_guide_has_examples() -> None:
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_guide_loads_and_fits_the_schema(
    example: str, validator: jsonschema_rs.Draft202012Validator
) -> None:
    assert load_definitions(example, "docs/definitions.md")
    for source in read_documents(example):
        validator.validate(source.value)


def test_the_canonical_form_fits_the_schema(validator: jsonschema_rs.Draft202012Validator) -> None:
    for example in EXAMPLES:
        for definition in load_definitions(example, "x"):
            validator.validate(json.loads(json.dumps(definition.to_dict())))


@pytest.mark.parametrize(
    "fields",
    [
        {"trigger": {"type": "cron", "match": {"a": [1]}}},
        {"match": {"a": "x"}},
        {"match": {"a": [{"prefxi": "x"}]}},
        {"match": {"$or": [{"a": [1]}]}},
        {"tasks": []},
        {"tasks": [activity(timeout="5 minutes")]},
        {"tasks": [activity(type="human")]},
        {"tasks": [activity(workflow="W")]},
        {"dedupe": {"key": "source"}},
        {"name": "With Spaces"},
        {"execution": "batched"},
    ],
)
def test_editors_underline_what_the_loader_refuses(
    fields: dict[str, Any], validator: jsonschema_rs.Draft202012Validator
) -> None:
    assert not validator.is_valid(document(**fields))


def test_every_field_is_described() -> None:
    schema = definition_schema()
    undescribed = [
        f"{name}.{field}"
        for name, definition in {"ActivityDefinition": schema, **schema["$defs"]}.items()
        for field, value in definition.get("properties", {}).items()
        if "description" not in value and "$ref" not in value
    ]
    assert undescribed == []
