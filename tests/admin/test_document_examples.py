"""What the OpenAPI document shows: whole bodies, each of its schema, for every operation that has one."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest
from fastapi import FastAPI

from taskfactory.admin.app import ROUTERS
from taskfactory.admin.definition_shapes import EXAMPLE_DOCUMENT
from taskfactory.admin.examples import EXCHANGES
from taskfactory.admin.examples.letters import PAYMENT
from taskfactory.admin.examples.shop import ORDER_EVENT, STOCK_EVENT
from taskfactory.admin.examples.troubles import DETAILS
from taskfactory.admin.openapi import document
from taskfactory.definitions import load_definitions, parse_definition

SHOP: Final = Path(__file__).parents[2] / "examples" / "shop"


def described() -> dict[str, Any]:
    app = FastAPI(title="taskfactory", version="1")
    for router in ROUTERS:
        app.include_router(router)
    return document(app)


DOCUMENT: Final = described()


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def bodies(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Request and answers by what they are, as OpenAPI's media type objects."""
    for media in operation.get("requestBody", {}).get("content", {}).values():
        yield "request", media
    for status, answer in operation["responses"].items():
        for media in answer.get("content", {}).values():
            yield status, media


def error_of(schema: Mapping[str, Any], value: Any) -> str | None:
    whole = {**schema, "components": DOCUMENT["components"]}
    try:
        jsonschema_rs.Draft202012Validator(whole, validate_formats=True).validate(value)
    except jsonschema_rs.ValidationError as error:
        return str(error)
    return None


def test_every_body_of_every_operation_has_a_whole_example() -> None:
    lacking = [(name, part) for name, each in operations() for part, media in bodies(each) if "example" not in media]
    assert lacking == []


@pytest.mark.parametrize(
    ("name", "operation"), list(operations()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_example_is_of_its_schema(name: str, operation: dict[str, Any]) -> None:
    wrong = {part: error_of(media["schema"], media["example"]) for part, media in bodies(operation)}
    assert {part: error for part, error in wrong.items() if error} == {}


def test_an_example_that_is_not_of_its_schema_would_be_found() -> None:
    schema = {"$ref": "#/components/schemas/RunSummary"}
    (run,) = EXCHANGES["GET /v1/runs"].answers[200]["items"]
    assert error_of(schema, run) is None
    assert error_of(schema, {**run, "state": "walking"}) is not None
    assert error_of(schema, {**run, "started_at": "this morning"}) is not None


def test_no_example_is_of_an_operation_that_is_gone() -> None:
    assert EXCHANGES.keys() - {name for name, _ in operations()} == set()


def test_no_place_of_a_path_is_left_open_in_a_problem() -> None:
    shown = [
        media["example"]["instance"] for _, each in operations() for part, media in bodies(each) if part in codes()
    ]
    assert [path for path in shown if "{" in path] == []


def codes() -> set[str]:
    return {str(status) for status in DETAILS}


def test_the_examples_definition_is_the_shops() -> None:
    (shops,) = load_definitions((SHOP / "definitions" / "low-stock.yaml").read_text(), "low-stock.yaml")
    shown = parse_definition(EXAMPLE_DOCUMENT)
    assert (shown.name, shown.trigger) == (shops.name, shops.trigger)
    assert [(task.name, task.params) for task in shown.tasks] == [(task.name, task.params) for task in shops.tasks]


def test_the_examples_events_are_of_types_that_the_shop_has() -> None:
    lines = (SHOP / "sample-events.jsonl").read_text().splitlines()
    types = {json.loads(line)["type"] for line in lines}
    assert {event["type"] for event in (ORDER_EVENT, STOCK_EVENT, PAYMENT)} <= types
