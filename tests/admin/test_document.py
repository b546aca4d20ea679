"""The OpenAPI document and the API say the same: requests made up from it, for every role, over HTTP."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import schemathesis
import uvicorn
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import Engine

from taskfactory.admin.app import build_app
from taskfactory.admin.authentication.bearer import Bearer
from taskfactory.admin.authentication.keys import KeyAuthenticator
from taskfactory.admin.openapi import document
from taskfactory.admin.roles import Role
from taskfactory.admin.services import Services
from taskfactory.admin.settings import AdminSettings
from taskfactory.admin.temporal import LazyTemporal
from taskfactory.registry import ApiKeys, WantedKey, migrate, open_engine

EXAMPLES = 4
"""Requests for each operation and role: together they take some seconds, and every run makes up others."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def own_engine(stack: Any) -> Iterator[Engine]:
    """Made-up requests make odd things; nobody else should meet them."""
    opened = open_engine(stack.database(), pool_size=10)
    migrate(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def app(own_engine: Engine, environment: None) -> FastAPI:
    services = Services(AdminSettings(), own_engine, LazyTemporal(AdminSettings()))
    return build_app(services, Bearer(KeyAuthenticator(ApiKeys(own_engine).find, None), None))


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, log_level="error"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.mark.parametrize("role", Role, ids=str)
def test_answers_are_what_the_document_promises(app: FastAPI, own_engine: Engine, stack: Any, role: Role) -> None:
    (key,) = ApiKeys(own_engine).issue([WantedKey(stack.name(role), frozenset({role.value}))], "tester")
    schema = schemathesis.openapi.from_dict(document(app))
    headers = {"Authorization": f"Bearer {key.token}"}
    with serving(app) as url:
        for found in schema.get_all_operations():
            assert isinstance(found, Ok)
            hold_to_its_word(found.ok(), role, url, headers)


def hold_to_its_word(operation: Any, role: Role, url: str, headers: dict[str, str]) -> None:
    allowed = role.value in operation.definition.raw["x-roles"]

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES if allowed else 1,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def conforms(case: Case[Any]) -> None:
        answer = case.call(base_url=url, headers=headers)
        case.validate_response(answer, checks=CHECKS)
        if not allowed:
            assert answer.status_code == 403
        elif case.path != "/v1/keys":  # nobody gives roles that they have not
            assert answer.status_code != 403

    conforms()


def test_every_example_of_a_document_is_one_that_can_be_used(app: FastAPI) -> None:
    from taskfactory.admin.definition_shapes import EXAMPLE_DOCUMENT  # noqa: PLC0415
    from taskfactory.admin.documents import EXAMPLE_TEXT  # noqa: PLC0415
    from taskfactory.definitions import load_definitions, parse_definition  # noqa: PLC0415

    assert parse_definition(EXAMPLE_DOCUMENT) == load_definitions(EXAMPLE_TEXT, "example")[0]


async def test_the_document_is_of_openapi_3_1_and_needs_a_viewer(app: FastAPI, own_engine: Engine, stack: Any) -> None:
    (key,) = ApiKeys(own_engine).issue([WantedKey(stack.name("viewer"), frozenset({"viewer"}))], "tester")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        assert (await client.get("/openapi.json")).status_code == 401
        answer = await client.get("/openapi.json", headers={"Authorization": f"Bearer {key.token}"})
    assert answer.json()["openapi"].startswith("3.1")
    assert set(answer.json()["components"]["securitySchemes"]) == {"api_key", "oidc_token"}


def test_every_body_refuses_fields_that_are_not_known(app: FastAPI) -> None:
    found = document(app)
    schemas = found["components"]["schemas"]
    bodies = {
        operation["operationId"]: body["content"]["application/json"]["schema"]
        for methods in found["paths"].values()
        for operation in methods.values()
        if (body := operation.get("requestBody"))
    }
    named = {name: schemas[schema["$ref"].rpartition("/")[2]] for name, schema in bodies.items() if "$ref" in schema}
    assert [name for name, schema in named.items() if schema.get("additionalProperties") is not False] == []
    # A definition's document has its own rules, and errors.
    assert [name for name in bodies if name not in named] == ["put_definition_v1_definitions__name__put"]
