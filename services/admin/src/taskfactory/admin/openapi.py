"""The OpenAPI document: what FastAPI knows, and what is the same for every operation.

That is: how callers are known, who may call, and every problem that may be the answer.
"""

from collections.abc import Iterable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request

from taskfactory.admin.examples import EXCHANGES, Exchange, problem
from taskfactory.admin.idempotency import IDEMPOTENCY_KEY
from taskfactory.admin.problems import KINDS, MEDIA_TYPE, ErrorModel, ProblemModel
from taskfactory.admin.roles import EVERY_ROLE, Role, callers
from taskfactory.admin.routing import ROLES, ApiRouter

JSON: Final = "application/json"
OF_EVERY_REQUEST: Final = (400, 401, 403, 404, 422, 500, 503)
OF_BODIES: Final = (413, 415)
OF_POSTS: Final = (409,)
OF_CHANGES: Final = (409, 412, 428)
_SCHEMES: Final = {
    "api_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, `tf_…`, in `Authorization: Bearer …`. `POST /v1/keys` makes one.",
    },
    "oidc_token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of the OpenID Connect issuer that the installation trusts, in the same header.",
    },
}
_KEY_PARAMETER: Final = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
    "description": "Your own name for this request: sent again under it within 24 hours, it is answered from memory.",
    "example": "6f1c0a52-3b5e-4f4e-9a55-0b9f0c6a2f10",
}

router = ApiRouter(prefix="", tag="document")


@router.get("/openapi.json", roles=EVERY_ROLE - {Role.ASSIGNEE}, summary="This document")
def openapi_document(request: Request) -> dict[str, Any]:
    """The API's own description, OpenAPI 3.1."""
    app = request.app
    if app.openapi_schema is None:
        app.openapi_schema = document(app)
    found: dict[str, Any] = app.openapi_schema
    return found


def document(app: FastAPI) -> dict[str, Any]:
    """The document of an app."""
    described = get_openapi(title=app.title, summary=app.summary, version=app.version, routes=app.routes)
    components = described.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    reference = "#/components/schemas/{model}"
    schemas["Problem"] = ProblemModel.model_json_schema(ref_template=reference)
    schemas["Problem"].pop("$defs", None)
    schemas["ErrorModel"] = ErrorModel.model_json_schema(ref_template=reference)
    components["securitySchemes"] = _SCHEMES
    described["security"] = [{name: []} for name in _SCHEMES]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            _complete(method, path, operation)
    return described


def _complete(method: str, path: str, operation: dict[str, Any]) -> None:
    named = callers([Role(name) for name in operation[ROLES]])
    operation[ROLES] = sorted(named)
    may = "Roles: " + ", ".join(f"`{role}`" for role in sorted(named)) + "."
    operation["description"] = "\n\n".join(filter(None, (operation.get("description"), may)))
    if method == "post":
        operation.setdefault("parameters", []).append(_KEY_PARAMETER)
    responses = operation["responses"]
    _show(operation, EXCHANGES.get(f"{method.upper()} {path}"))
    for status in sorted(_statuses(method, operation)):
        example = problem(status, path, with_body="requestBody" in operation)
        responses[str(status)] = _problem_response(status, example)


def _show(operation: dict[str, Any], exchange: Exchange | None) -> None:
    """Put an operation's whole bodies beside their schemas."""
    if exchange is None:
        return
    if exchange.request is not None:
        operation["requestBody"]["content"][JSON]["example"] = exchange.request
    for status, answer in exchange.answers.items():
        operation["responses"][str(status)]["content"][JSON]["example"] = answer


def _statuses(method: str, operation: dict[str, Any]) -> Iterable[int]:
    found = set(OF_EVERY_REQUEST)
    if "requestBody" in operation:
        found.update(OF_BODIES)
    if method == "post":
        found.update(OF_POSTS)
    if method != "get":
        found.update(OF_CHANGES)
    return found


def _problem_response(status: int, example: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": "; ".join(kind.title for kind in KINDS.values() if kind.status == status),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }
