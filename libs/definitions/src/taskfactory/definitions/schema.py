"""The JSON Schemas of ActivityDefinition and TopicMapping, with which editors complete and check YAML files.

`python -m taskfactory.definitions.schema FOLDER` writes them. They are generous where JSON Schema cannot say the rule
(expressions, templates, unique names); `load_documents` decides.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from taskfactory.definitions.model import ActivityDefinition
from taskfactory.definitions.topic_mapping import TopicMapping

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_TEXTS: Final = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
_CASELESS: Final = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"equals-ignore-case": {"type": "string"}},
            "required": ["equals-ignore-case"],
            "additionalProperties": False,
        },
    ]
}
_OPERATORS: Final[dict[str, Any]] = {
    "prefix": {"description": "Text that begins so.", **_CASELESS},
    "suffix": {"description": "Text that ends so.", **_CASELESS},
    "equals-ignore-case": {"description": "The same text but for upper and lower case.", "type": "string"},
    "wildcard": {"description": "Text in which each * stands for anything.", "type": "string"},
    "anything-but": {
        "description": "Any value but these.",
        "anyOf": [
            {"type": ["string", "number"]},
            {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 1},
            {
                "type": "object",
                "properties": dict.fromkeys(("prefix", "suffix", "equals-ignore-case", "wildcard"), _TEXTS),
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": False,
            },
        ],
    },
    "numeric": {
        "description": 'A number within bounds, as [">", 0, "<=", 5].',
        "type": "array",
        "items": {"anyOf": [{"enum": ["=", "<", "<=", ">", ">="]}, {"type": "number"}]},
        "minItems": 2,
        "maxItems": 4,
    },
    "cidr": {"description": "An IP address in this range, as 10.0.0.0/8.", "type": "string"},
    "exists": {
        "description": "Whether the field exists with a value that is no object and no array.",
        "type": "boolean",
    },
}
_PATTERN: Final[dict[str, Any]] = {
    "title": "EventPattern",
    "description": "EventBridge pattern: all fields must match; of the values listed for a field, one is enough.",
    "type": "object",
    "minProperties": 1,
    "properties": {
        "$or": {
            "description": "One of these patterns is enough.",
            "type": "array",
            "items": {"$ref": "#/$defs/EventPattern"},
            "minItems": 2,
        }
    },
    "additionalProperties": {
        "anyOf": [
            {"$ref": "#/$defs/EventPattern"},
            {"type": "array", "items": {"$ref": "#/$defs/EventPatternValue"}, "minItems": 1},
        ]
    },
}
_PATTERN_VALUE: Final[dict[str, Any]] = {
    "anyOf": [
        {"type": ["string", "number", "boolean", "null"]},
        {
            "type": "object",
            "properties": _OPERATORS,
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
        },
    ]
}


def definition_schema() -> dict[str, Any]:
    """The schema of one definition (JSON Schema draft 2020-12)."""
    schema = ActivityDefinition.model_json_schema(by_alias=True)
    definitions = {**schema.pop("$defs"), "EventPattern": _PATTERN, "EventPatternValue": _PATTERN_VALUE}
    # The model holds the pattern as the author wrote it; what it may be is said here.
    match = definitions["EventTrigger"]["properties"]["match"]
    definitions["EventTrigger"]["properties"]["match"] = {
        "$ref": "#/$defs/EventPattern",
        "description": match["description"],
    }
    return {"$schema": _DRAFT, **schema, "$defs": definitions}


def mapping_schema() -> dict[str, Any]:
    """The schema of one topic mapping (JSON Schema draft 2020-12)."""
    return {"$schema": _DRAFT, **TopicMapping.model_json_schema(by_alias=True)}


def schema_texts() -> dict[str, str]:
    """The schemas as their files hold them, by file name."""
    schemas = {"activity-definition": definition_schema(), "topic-mapping": mapping_schema()}
    return {f"{name}.schema.json": json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004  the module and FOLDER
        sys.exit("usage: python -m taskfactory.definitions.schema FOLDER")
    for file, text in schema_texts().items():
        (Path(sys.argv[1]) / file).write_text(text, encoding="utf-8")
